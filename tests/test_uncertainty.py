"""Tests of the spread of priors, of the whole analysis and of its command."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.metrics import roc_auc_score

from svg_tf.config import ConfigError
from svg_tf.models.svg import SVG
from svg_tf.report import inputs
from svg_tf.training import checkpoints
from svg_tf.uncertainty import analysis, applicability, detection, sequences, spread
from svg_tf.uncertainty.detection import Course

ROOT = Path(__file__).resolve().parents[1]
REQUEST = {"n_sequences": 12, "n_digit_sets": 4, "n_samples": 3, "n_frames": 14, "seed": 1}


class Codes:
    """A model whose code of a frame is its first two pixels."""

    def encode(self, frames):
        return frames[:, :, 0, :2, 0], []


class KnowingPrior:
    """Has a large sigma after a code that tells of a hit, sigma e^1 in one of two dimensions, else e^-1 in both."""

    def initial_state(self, batch):
        return ()

    def __call__(self, h, state):
        logvar = -2 + 4 * tf.concat([h[..., :1], 0 * h[..., :1]], axis=-1)
        return (0 * logvar, logvar), state


class RandomPrior(KnowingPrior):
    """Has a sigma that depends on nothing but the second pixel, which is noise."""

    def __call__(self, h, state):
        logvar = tf.concat([h[..., 1:], -h[..., 1:]], axis=-1)
        return (0 * logvar, 2 * logvar), state


def told(batches, seed=0):
    """The sequences, where the first pixel of a frame says whether a wall was hit in it and the second is random."""
    rng = np.random.default_rng(seed)
    for frames, truth in batches:
        frames = frames.copy()
        frames[:, :, 0, 0, 0] = 255 * truth.wall_hits.any((2, 3))
        frames[:, :, 0, 1, 0] = rng.integers(0, 256, frames.shape[:2])
        yield frames, truth


@pytest.fixture
def trained(small, trained_statistics):
    """A run with one checkpoint of a model that was never trained."""

    def make(**changes):
        config = small(num_digits=2, **changes)
        config.save(config.run_dir)
        model = trained_statistics(SVG(config))
        arrays = {name: variable.numpy() for name, variable in
                  checkpoints.named_variables(model, training_state=False).items()}  # fmt: skip
        checkpoints.save(checkpoints.path_of(config.run_dir, 7), arrays)
        return config, model

    return make


def command(*arguments):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    line = [sys.executable, str(ROOT / "bin" / "uncertainty.py"), *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=300)


def test_a_prior_that_knows_the_hits_has_an_area_of_one_and_one_that_ignores_them_a_half(small):
    config = small(num_digits=2)
    batches = told(sequences.random_motions(config, 60, 40))
    (knowing, ignoring), turns = spread.measure(Codes(), [KnowingPrior(), RandomPrior()], batches, 60)
    assert np.isnan(knowing[:, 0]).all()
    expected = np.where(turns.any(-1), (np.e + 1 / np.e) / 2, 1 / np.e)
    np.testing.assert_allclose(knowing[:, 1:], expected[:, 1:], rtol=1e-5)
    detected = detection.score(knowing, ignoring[np.newaxis], turns.any(-1), config.n_past, 0)
    assert detected.auc["model"] == (1.0, 1.0, 1.0)
    assert detected.auc["untrained"].mean == pytest.approx(0.5, abs=0.05)
    assert detected.auc["untrained"].low < 0.5 < detected.auc["untrained"].high
    assert detected.by_offset.index(1.0) == list(detection.OFFSETS).index(0)


def test_the_spread_is_the_mean_sigma_of_the_models_own_prior(small, trained_statistics):
    model = trained_statistics(SVG(small()))
    ((frames, truth),) = sequences.random_motions(model.config, 5, 10)
    (measured,), turns = spread.measure(model, [model.prior], [(frames, truth)], 5)
    _, logvar = model(tf.constant(frames)).prior  # [T-1, B, Z], stored statistics
    np.testing.assert_allclose(measured[:, 1:], np.exp(logvar.numpy() / 2).mean(-1).T, rtol=1e-4)
    np.testing.assert_array_equal(turns, sequences.turns(truth.wall_hits))


def test_the_spread_of_a_frame_does_not_depend_on_it_or_the_frames_after(small, trained_statistics):
    model = trained_statistics(SVG(small()))
    ((frames, truth),) = sequences.random_motions(model.config, 2, 10)
    changed = frames.copy()
    changed[:, 6:] = 255 - changed[:, 6:]
    (first, second), _ = (spread.measure(model, [model.prior], [(x, truth)], 2) for x in (frames, changed)), None
    np.testing.assert_array_equal(first[0][0, :, 1:7], second[0][0, :, 1:7])
    assert (first[0][0, :, 7] != second[0][0, :, 7]).all()


def test_untrained_priors_are_of_the_models_architecture_and_all_different(small):
    config = small(prior_layers=2)
    priors = spread.untrained_priors(config, 3, seed=5)
    shapes = [tuple(weight.shape) for weight in SVG(config).prior.weights]
    assert [[tuple(weight.shape) for weight in prior.weights] for prior in priors] == [shapes] * 3
    first, second, _ = (prior.weights[0].numpy() for prior in priors)
    assert (first != second).any()
    np.testing.assert_array_equal(first, spread.untrained_priors(config, 1, seed=5)[0].weights[0].numpy())
    assert (first != spread.untrained_priors(config, 1, seed=6)[0].weights[0].numpy()).any()


@pytest.mark.slow
def test_the_command_writes_everything_and_prints_the_areas(trained):
    config, model = trained()
    folder = os.path.join(config.run_dir, "evaluation")
    os.makedirs(folder)
    Path(folder, "metrics.json").write_text("{}")
    answer = command(f"--run_dir={config.run_dir}", *(f"--{name}={value}" for name, value in REQUEST.items()))
    # It refreshes the report of an evaluation that is there; these metrics are none, which the report says.
    assert answer.returncode == 1 and "metrics.json" in answer.stderr and "Traceback" not in answer.stderr
    assert f"wrote {', '.join(analysis.NAMES)} to {folder}" in answer.stdout
    with open(os.path.join(folder, "uncertainty.json"), encoding="utf-8") as file:
        written = json.load(file)
    for name, area in written["auc"].items():
        assert f"  {name:<10} {area['mean']:.3f}  ({area['low']:.3f} to {area['high']:.3f})" in answer.stdout
    assert written["settings"]["checkpoint"] == "step_00000007.npz"
    assert set(written["auc"]) == {"model", "untrained", "shuffled"}
    section = inputs.read_uncertainty(folder)  # which the report shows
    assert len(section.images) == 3
    for name in analysis.NAMES[2:]:
        assert np.asarray(Image.open(os.path.join(folder, name)).convert("L")).std() > 5

    # The numbers are those of the parts, computed here by themselves.
    ((frames, truth),) = sequences.random_motions(config, 12, 14)
    logvar = model(tf.constant(frames)).prior[1]
    sigma = np.exp(logvar.numpy() / 2).mean(-1).T[:, config.n_past - 1 :]
    events = sequences.turns(truth.wall_hits).any(-1)[:, config.n_past :]
    assert written["auc"]["model"]["mean"] == pytest.approx(roc_auc_score(events.ravel(), sigma.ravel()), abs=0.01)
    assert f"{written['auc']['model']['mean']:.3f}" in written["summary"][0]
    with open(os.path.join(folder, "uncertainty.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["sigma_mean"]) for row in rows] == written["sigma"]["mean"]
    assert [int(row["frame"]) for row in rows] == written["sigma"]["frames"] == list(range(1, 14))
    for digit in (0, 1):
        turning = [int(row["frame"]) for row in rows if row[f"digit_{digit + 1}_turns"] == "1"]
        assert turning == written["sigma"]["turns"][digit]


def test_the_course_shows_the_motion_of_its_clip(trained):
    config, model = trained()
    course = detection.course(model, 5, 3, 14, seed=0)
    ((_, truth),) = sequences.random_motions(config, 6, 14)
    np.testing.assert_array_equal(course.turns, sequences.turns(truth.wall_hits)[5])
    assert np.isfinite(course.mean[1:]).all() and (course.std[1:] > 0).all()


def test_the_same_seed_gives_the_same_scores_to_the_last_bit(trained):
    _, model = trained()
    first, again, other = (detection.detect(model, 12, 14, seed=seed) for seed in (1, 1, 2))
    assert (first.auc, first.untrained_each, first.by_offset) == (again.auc, again.untrained_each, again.by_offset)
    assert first.untrained_each != other.untrained_each and first.auc["shuffled"] != other.auc["shuffled"]
    assert first.auc["model"].mean == other.auc["model"].mean


def test_the_table_by_frame_says_which_frames_count():
    turns = np.array([[False], [False], [True], [False]])
    text = analysis._per_frame(Course(np.array([np.nan, 0.5, 0.25, 1]), np.zeros(4), turns), 2)
    assert text.splitlines() == [
        "frame,scored,sigma_mean,sigma_std,digit_1_turns", "1,0,0.5,0.0,0", "2,1,0.25,0.0,1", "3,1,1.0,0.0,0"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prior": "fixed"}, "prior=fixed: the spread of N\\(0, I\\) is the same in every frame"),
        ({"prior": "none"}, "prior=none: there is no latent"),
        ({"motion": "deterministic"}, "motion=deterministic, whose digits do not take a random velocity at a wall"),
        ({"n_past": 1}, "n_past=1, but a velocity is seen in no fewer than 2 frames"),
        ({"n_past": 20, "n_eval": 30}, "n_frames is 20, but only frames after the context of 20 are scored"),
    ],
)
def test_a_run_without_an_answer_is_refused_in_words(small, changes, message):
    with pytest.raises(ConfigError, match=message):
        applicability.check(small(**changes), 20)


def test_the_command_refuses_other_runs_at_once(small):
    config = small(dataset="kth", digits="mnist", num_digits=2, digit_size=32, image_width=64)
    config.save(config.run_dir)
    result = command(f"--run_dir={config.run_dir}")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert f"error: {config.run_dir} is of dataset=kth, whose moments of chance are not known" in result.stderr
