"""Tests of svg_tf/evaluation/futures.py."""

import os

import numpy as np
import pytest
from conftest import SMALL

from svg_tf import noise, rollout
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation import futures
from svg_tf.metrics.ssim import ssim
from svg_tf.training.run import model_from_config

CONFIG = Config(**SMALL)


@pytest.fixture(scope="module")
def model():
    return model_from_config(CONFIG)


def _draw(model, folder, **changes):
    options = {"n_clips": 3, "n_shown": 2, "n_samples": 4, "horizon": 6, "seed": 0, **changes}
    return futures.draw(model, CONFIG, str(folder), **options)


def test_the_table_has_the_best_and_mean_sample_and_trivial_predictions(model, tmp_path, monkeypatch):
    monkeypatch.setattr(futures, "clips_at_once", lambda *_: 2)  # three clips: the last batch is padded
    count, table = _draw(model, tmp_path)
    clips = next(iter(make_dataset(CONFIG, "test").unbatch().batch(3))).numpy()
    samples = rollout.generate(model, clips[:, :3], 6, noise.sample_seeds(0, range(3), 4)).frames.numpy()
    truth = clips[:, np.newaxis, 3:] / np.float32(255)
    errors = np.square(samples - truth).mean(axis=(2, 3, 4, 5), dtype=np.float64)  # [B, S]
    similarities = np.array([ssim(*pair) for pair in zip(truth[:, 0], samples, strict=True)]).mean(axis=-1)
    last = np.square(clips[:, np.newaxis, 2:3] / np.float32(255) - truth).mean(dtype=np.float64)
    expected = {
        "best of 4": (errors.min(axis=1).mean(), similarities.max(axis=1).mean()),
        "mean sample": (errors.mean(), similarities.mean()),
        "copy last": (last, None),
        "black": (np.square(truth).mean(dtype=np.float64), None),
    }
    (tmp_path / "futures_notes.txt").write_text("kept")
    _draw(model, tmp_path, n_shown=1)  # removes the pictures of the earlier call
    assert sorted(os.listdir(tmp_path)) == ["futures.gif", "futures_0.png", "futures_notes.txt"]
    assert count == 3 and list(table) == list(expected)
    for name, (error, similarity) in expected.items():
        np.testing.assert_allclose(table[name]["PSNR"], -10 * np.log10(error), rtol=1e-5)
        if similarity is not None:
            np.testing.assert_allclose(table[name]["SSIM"], similarity, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("horizon", [2, 9])
def test_pictures_and_scores_end_with_the_shorter_of_truth_and_predictions(model, tmp_path, monkeypatch, horizon):
    pictures = []
    monkeypatch.setattr(futures.visualization, "animation", lambda clips, n_past: pictures.extend(clips))
    monkeypatch.setattr(futures.visualization, "write_gif", lambda path, images: None)
    _draw(model, tmp_path, horizon=horizon, n_clips=1)
    rows = pictures[0]
    assert [row.label for row in rows] == ["Truth", "Best of 4", "Sample 1", "Sample 2", "Sample 3", "Posterior"]
    assert {len(row.frames) for row in rows} == {3 + min(horizon, 6)}
    for row in rows[1:-1]:
        np.testing.assert_array_equal(row.frames[:3], rows[0].frames[:3])
    scores = [ssim(rows[0].frames[3:], row.frames[3:]).numpy().mean() for row in rows[1:5]]
    assert scores[0] == max(scores)
