"""Tests of svg_tf/futures.py."""

import os

import numpy as np
import pytest

from svg_tf import noise, rollout
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation import futures
from svg_tf.metrics.ssim import ssim
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints


@pytest.fixture
def run(small, trained_statistics, monkeypatch):
    """A run's configuration and its model, which is made once."""
    config = small()
    model = trained_statistics(SVG(config))
    arrays = {
        name: variable.numpy() for name, variable in checkpoints.named_variables(model, training_state=False).items()
    }
    checkpoints.save(checkpoints.path_of(config.run_dir, 1), arrays)
    monkeypatch.setattr(futures, "SVG", lambda config: model)
    return config, model


def _draw(config, folder, **changes):
    options = {"checkpoint": "best", "n_clips": 3, "n_shown": 2, "n_samples": 4, "horizon": 6, "seed": 0, **changes}
    return futures.draw(config, folder=str(folder), **options)


def test_the_table_has_the_best_of_all_samples_their_mean_and_what_learns_nothing(run, tmp_path):
    config, model = run
    result = _draw(config, tmp_path)
    clips = next(iter(make_dataset(config, "test").unbatch().batch(3))).numpy()
    samples = rollout.generate(model, clips[:, :3], 6, noise.sample_seeds(0, range(3), 4)).frames.numpy()
    future = clips[:, 3:] / np.float32(255)
    errors = np.square(samples - future).mean(axis=(2, 3, 4, 5), dtype=np.float64)  # [S, B]
    similarities = ssim(future, samples).numpy().mean(axis=-1)
    last = np.square(clips[:, 2:3] / np.float32(255) - future).mean(dtype=np.float64)
    expected = {
        "best of 4": (errors.min(axis=0).mean(), similarities.max(axis=0).mean()),
        "mean sample": (errors.mean(), similarities.mean()),
        "copy last": (last, None),
        "black": (np.square(future).mean(dtype=np.float64), None),
    }
    assert result.n_clips == 3 and list(result.table) == list(expected)
    for name, (error, similarity) in expected.items():
        np.testing.assert_allclose(result.table[name]["PSNR"], -10 * np.log10(error), rtol=1e-5)
        if similarity is not None:
            np.testing.assert_allclose(result.table[name]["SSIM"], similarity, rtol=1e-5)


def test_strips_that_an_earlier_call_with_more_clips_left_are_removed(run, tmp_path):
    config, _ = run
    folder = tmp_path / "out"
    _draw(config, folder, n_shown=3)
    (folder / "futures_notes.txt").write_text("kept")
    assert (folder / "futures_2.png").exists()
    _draw(config, folder, n_shown=1)
    assert sorted(os.listdir(folder)) == ["futures.gif", "futures_0.png", "futures_notes.txt"]


@pytest.mark.parametrize("horizon", [2, 9])
def test_pictures_and_scores_go_as_far_as_truth_and_predictions_both_do(run, tmp_path, monkeypatch, horizon):
    config, _ = run
    pictures = []
    monkeypatch.setattr(futures.visualization, "animation", lambda clips, n_past: pictures.extend(clips))
    monkeypatch.setattr(futures.visualization, "write_gif", lambda path, images: None)
    _draw(config, tmp_path, horizon=horizon, n_samples=30, n_clips=1)
    rows = pictures[0]
    assert [row.label for row in rows] == ["Truth", "Best of 30", "Sample 1", "Sample 2", "Sample 3", "Posterior"]
    assert {len(row.frames) for row in rows} == {3 + min(horizon, 6)}
    for row in rows[1:-1]:
        np.testing.assert_array_equal(row.frames[:3], rows[0].frames[:3])
    scores = [ssim(rows[0].frames[3:], row.frames[3:]).numpy().mean() for row in rows[1:5]]
    assert scores[0] == max(scores)
