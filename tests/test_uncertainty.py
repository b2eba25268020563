"""The standard deviation of priors, its score as a detector of turns, and the whole analysis."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from svg_tf import uncertainty
from svg_tf.config import Config, ConfigError
from svg_tf.data.moving_mnist import Truth
from svg_tf.uncertainty import analysis, sequences
from svg_tf.uncertainty.detection import clip_stddev, mean_auc, score, weighted_auc

CONFIG = Config(digits="embedded", num_digits=2, digit_size=16, image_width=32, max_speed=3, n_past=3, n_eval=9)


def truth_of(batches):
    return Truth(*(np.concatenate(arrays) for arrays in zip(*(truth for _, truth in batches), strict=True)))


@pytest.fixture(scope="module")
def truth():
    return truth_of(sequences.random_motions(CONFIG, 150, 40))


def test_a_frame_that_is_no_turn_follows_from_the_frames_before_it(truth):
    turns = sequences.turns(truth.wall_hits)
    # The velocity on leaving frame t-2 shows in frame t-1, so it may predict frame t.
    predicted = np.clip(truth.positions[:, 1:-1] + truth.velocities[:, :-2], 0, 15)
    right = (predicted == truth.positions[:, 2:]).all(-1)
    assert right[~turns[:, 2:]].all()
    assert right[turns[:, 2:]].mean() < 0.2  # a new velocity may be the old one, or end at the same place


def test_the_standard_deviation_is_that_of_the_models_prior_and_sees_the_past_only(lively):
    model = lively()
    ((frames, truth),) = sequences.random_motions(CONFIG, 3, 10)
    (stddev,), turns = clip_stddev(model, [(frames, truth)])
    _, logvar = model(tf.constant(frames)).prior  # [B, T-1, Z]
    np.testing.assert_allclose(stddev[:, 1:], np.exp(logvar.numpy() / 2).mean(-1), rtol=1e-4)
    np.testing.assert_array_equal(turns, sequences.turns(truth.wall_hits))
    changed = frames.copy()
    changed[:, 6:] = 255 - changed[:, 6:]
    (other,), _ = clip_stddev(model, [(changed, truth)])
    np.testing.assert_array_equal(stddev[:, 1:7], other[:, 1:7])
    assert (stddev[:, 7] != other[:, 7]).all()


def test_the_standard_deviation_along_a_rollout_is_that_of_its_prior(lively, frames):
    model = lively()
    context = frames(model, length=3)
    stddev = model.prior_stddev(context, 4, n_samples=2, seed=3)
    assert stddev.shape == [2, 2, 4, model.z_dim]
    futures = model.generate(context, 4, n_samples=2, seed=3).numpy()
    for sample in (0, 1):  # which the model itself gives for the clips that it generated
        clips = np.concatenate([context / np.float32(255), futures[:, sample]], axis=1)
        _, logvar = model(tf.constant(clips)).prior
        np.testing.assert_allclose(stddev[:, sample], np.exp(logvar[:, 2:] / 2), rtol=1e-3)
    with pytest.raises(ValueError, match="prior is 'fixed'; only a learned prior"):
        lively(prior="fixed").prior_stddev(context, 4)


def make(sequences=40, frames=30, shift=1.0, seed=0):
    rng = np.random.default_rng(seed)
    events = rng.random([sequences, frames]) < 0.2
    return events, rng.standard_normal([sequences, frames]) + shift * events


def test_weighted_areas_are_those_of_scikit_learn_with_ties_too():
    events, scores = make()
    weights = np.random.default_rng(1).integers(0, 3, [3, len(events)])
    for values in (scores, np.round(scores), np.zeros_like(scores)):
        expected = [
            roc_auc_score(events.ravel(), values.ravel(), sample_weight=np.repeat(row, events.shape[1]))
            for row in weights
        ]
        np.testing.assert_allclose(weighted_auc(events, values[np.newaxis], weights), expected, atol=1e-12)


def test_the_area_of_two_normal_distributions_has_its_closed_form():
    events, scores = make(sequences=150, frames=200, shift=1.3)
    area = mean_auc(events, np.stack([scores, scores]), 0)
    assert area.mean == pytest.approx(norm.cdf(1.3 / np.sqrt(2)), abs=0.01)
    assert area.low < area.mean < area.high
    assert mean_auc(events, np.stack([scores, -scores]), 0) == pytest.approx((0.5, 0.5, 0.5), abs=1e-12)


def test_the_interval_resamples_sequences_and_not_frames():
    events, scores = make(sequences=30, frames=10)
    once = mean_auc(events, scores[np.newaxis], 3)
    often = mean_auc(np.tile(events, 9), np.tile(scores, 9)[np.newaxis], 3)
    assert tuple(often) == pytest.approx(tuple(once), abs=1e-12)  # more of the same is no more evidence


def test_shuffled_sequences_keep_what_depends_on_time_only_and_clips_without_turns_are_refused():
    turns = np.zeros([20, 12], bool)
    turns[:, 8] = True  # at the same time in all sequences
    values = turns + 0.1 * np.random.default_rng(0).random(turns.shape)
    assert score(values, values[np.newaxis], turns, 2, 0)["shuffled"].mean == 1.0
    with pytest.raises(ConfigError, match="0 of the 8 scored frames show a turn; raise --n_sequences"):
        score(np.zeros([2, 6]), np.zeros([1, 2, 6]), np.zeros([2, 6], bool), 2, 0)


def test_the_analysis_writes_json_and_figures(small, lively, tmp_path):
    config, model = small(num_digits=2), lively()
    settings = analysis.Settings(n_sequences=12, n_digit_sets=4, n_samples=3, n_frames=14, seed=1)
    result = analysis.analyse(model, config, str(tmp_path), settings)
    assert sorted(os.listdir(tmp_path)) == sorted(analysis.NAMES)
    assert json.loads((tmp_path / "uncertainty.json").read_text(encoding="utf-8")) == result
    for figure in result["figures"]:
        assert np.asarray(Image.open(tmp_path / figure["file"]).convert("L")).std() > 5
    assert f"{result['auc']['model']['mean']:.3f}" in result["summary"][0]
    assert all(len(row) == len(result["table"]["columns"]) for row in result["table"]["rows"])

    # The numbers are those of the model, computed here without the package.
    ((frames, truth),) = sequences.random_motions(config, 12, 14)
    sigma = np.exp(model(tf.constant(frames)).prior[1].numpy() / 2).mean(-1)[:, config.n_past - 1 :]
    events = sequences.turns(truth.wall_hits).any(-1)[:, config.n_past :]
    assert result["auc"]["model"]["mean"] == pytest.approx(roc_auc_score(events.ravel(), sigma.ravel()), abs=0.01)
    assert result["stddev"]["frames"] == list(range(1, 14))
    clip, hit = result["settings"]["clip"], result["settings"]["hit"]
    for digit, turns in enumerate(result["stddev"]["turns"]):
        assert turns == np.flatnonzero(sequences.turns(truth.wall_hits)[clip, :, digit]).tolist()
    assert hit + 1 in result["stddev"]["turns"][0]

    assert analysis.analyse(model, config, str(tmp_path), settings) == result


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prior": "fixed"}, "prior=fixed; the analysis needs a run with prior=learned"),
        ({"n_past": 20, "n_eval": 30}, "--n_frames is 20; it must be greater than n_past=20"),
    ],
)
def test_other_runs_are_refused(small, changes, message):
    with pytest.raises(ConfigError, match=message):
        uncertainty.check(small(**changes), 20)
