"""Tests of sequences, hits and simulation: which frames chance decides, and what it may make of them."""

import numpy as np
import pytest

from svg_tf.config import Config
from svg_tf.data.digits import load_digits
from svg_tf.data.moving_mnist import Truth
from svg_tf.uncertainty import sequences, simulation
from svg_tf.uncertainty.hits import first_hits

CONFIG = Config(
    digits="embedded", num_digits=2, digit_size=16, image_width=32, max_speed=3, n_past=5, n_future=10, n_eval=15
)


def truth_of(batches):
    return Truth(*(np.concatenate(arrays) for arrays in zip(*(truth for _, truth in batches), strict=True)))


@pytest.fixture(scope="module")
def truth():
    return truth_of(sequences.random_motions(CONFIG, 150, 40))


@pytest.fixture(scope="module")
def futures():
    """Clips of the training length, their first hits, and many of their futures."""
    truth = truth_of(sequences.random_motions(CONFIG, 60, CONFIG.n_frames))
    hits = first_hits(truth, CONFIG.n_past - 1, CONFIG.n_frames - 2)
    return truth, hits, simulation.continued(CONFIG, truth, 50, CONFIG.n_frames, 3, True)


def test_a_frame_that_is_no_turn_follows_from_the_frames_before_it(truth):
    turns = sequences.turns(truth.wall_hits)
    # The velocity on leaving frame t-2 shows in frame t-1, so frame t may be told by it.
    foretold = np.clip(truth.positions[:, 1:-1] + truth.velocities[:, :-2], 0, 15)
    right = (foretold == truth.positions[:, 2:]).all(-1)
    assert right[~turns[:, 2:]].all()
    assert right[turns[:, 2:]].mean() < 0.2  # a new velocity may be the old one, or end at the same place


def test_the_turn_of_a_hit_is_one_frame_after_it():
    wall_hits = np.zeros([1, 6, 2, 2], bool)
    wall_hits[0, 2, 1, 0] = wall_hits[0, 4, 1, 1] = wall_hits[0, 5, 0, 0] = True
    assert np.argwhere(sequences.turns(wall_hits)).tolist() == [[0, 3, 1], [0, 5, 1]]


def test_the_clips_are_those_of_the_test_split_drawn_on(truth):
    short = truth_of(sequences.random_motions(CONFIG, 150, 7))
    np.testing.assert_array_equal(truth.positions[:, :7], short.positions)
    np.testing.assert_array_equal(truth.digits, short.digits)
    sizes = [len(frames) for frames, _ in sequences.random_motions(CONFIG, 45, 7)]
    assert sizes == [20, 20, 5]


def test_a_common_motion_is_that_of_its_clip_whatever_the_digits(truth):
    batches = list(sequences.common_motion(CONFIG, 11, 30, 40, seed=4))
    common = truth_of(batches)
    frames = np.concatenate([frames for frames, _ in batches])
    for array, expected in zip(common[:3], truth[:3], strict=True):
        np.testing.assert_array_equal(array, np.repeat(expected[11:12], 30, axis=0))
    assert len(np.unique(common.digits)) == 60
    digits = load_digits(CONFIG, "test")
    for clip, time in ((0, 0), (20, 39), (29, 17)):
        plain = np.zeros([32, 32], int)
        for digit in (0, 1):
            y, x = truth.positions[11, time, digit]
            plain[y : y + 16, x : x + 16] += digits[common.digits[clip, digit]]
        np.testing.assert_array_equal(frames[clip, time, ..., 0], np.minimum(plain, 255))


def test_the_sets_of_digits_depend_on_the_seed_and_may_be_more_than_there_are_digits():
    first, again, other = (
        truth_of(sequences.common_motion(CONFIG, 0, 200, 6, seed=seed)).digits for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


def test_true_futures_agree_up_to_the_first_hit_and_part_in_the_next_frame(futures):
    truth, hits, positions = futures
    assert len(hits.clip) > 60
    for clip, digit, frame, place in zip(hits.clip, hits.digit, hits.frame, hits.place, strict=True):
        path = positions[:, clip, :, digit]
        np.testing.assert_array_equal(path[:, : frame + 1], np.repeat(path[:1, : frame + 1], 50, axis=0))
        np.testing.assert_array_equal(path[0, : frame + 1], truth.positions[clip, : frame + 1, digit])
        np.testing.assert_array_equal(path[0, frame], place)
        assert len(np.unique(path[:, frame + 1], axis=0)) > 1


def test_digits_without_a_hit_have_one_future(futures):
    truth, hits, positions = futures
    hit = np.zeros(truth.digits.shape, bool)
    hit[hits.clip, hits.digit] = True
    still = ~hit
    assert still.any()
    paths = np.moveaxis(positions, 3, 2)[:, still]  # [S, paths, T, 2]
    assert (paths == np.moveaxis(truth.positions, 2, 1)[still]).all()


def test_a_hit_in_the_last_context_frame_leaves_the_first_predicted_frame_open(futures):
    _, hits, positions = futures
    last = hits.where(hits.frame == CONFIG.n_past - 1)
    assert len(last.clip) > 3
    steps = simulation.steps_after(positions, last.clip, last.digit, last.frame)
    assert all(len(np.unique(steps[:, number], axis=0)) > 1 for number in range(len(last.clip)))


def test_steps_after_a_wall_are_those_of_the_rules():
    # Wide frames and slow digits, so that no second wall is near: away from it 1 or 2, along it -2 to 2, all alike.
    config = CONFIG.replace(image_width=64, digit_size=16, max_speed=2)
    truth = truth_of(sequences.random_motions(config, 200, config.n_frames))
    hits = first_hits(truth, config.n_past - 1, config.n_frames - 2)
    middle = hits.where(abs(hits.place[np.arange(len(hits.axis)), 1 - hits.axis] - 24) < 20)
    assert set(zip(middle.axis.tolist(), middle.side.tolist(), strict=True)) == {(0, 1), (0, -1), (1, 1), (1, -1)}
    positions = simulation.continued(config, truth, 400, config.n_frames, 5, True)
    steps = simulation.steps_after(positions, middle.clip, middle.digit, middle.frame)
    kinds, counts = np.unique(middle.away_and_along(steps).reshape(-1, 2), axis=0, return_counts=True)
    assert kinds.tolist() == [[away, along] for away in (1, 2) for along in (-2, -1, 0, 1, 2)]
    expected = counts.sum() / 10
    assert abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_a_mirror_sends_every_sample_the_same_way(futures):
    truth, hits, _ = futures
    positions = simulation.continued(CONFIG, truth, 3, CONFIG.n_frames, 0, False)
    np.testing.assert_array_equal(positions[0], positions[2])
    steps = simulation.steps_after(positions, hits.clip, hits.digit, hits.frame)[0]
    before = truth.velocities[hits.clip, hits.frame - 1, hits.digit]
    reflected = np.where(truth.wall_hits[hits.clip, hits.frame, hits.digit], -before, before)
    inside = (np.clip(hits.place + reflected, 0, 15) == hits.place + reflected).all(-1)
    np.testing.assert_array_equal(steps[inside], reflected[inside])


def test_draws_by_the_rules_depend_on_the_seed(futures):
    truth, _, positions = futures
    again = simulation.continued(CONFIG, truth, 50, CONFIG.n_frames, 3, True)
    np.testing.assert_array_equal(again, positions)
    assert (simulation.continued(CONFIG, truth, 50, CONFIG.n_frames, 4, True) != positions).any()


def test_a_corner_counts_as_a_wall_to_the_side():
    positions = np.zeros([1, 4, 1, 2], np.int32)
    positions[0, 2, 0] = 0, 15
    wall_hits = np.zeros([1, 4, 1, 2], bool)
    wall_hits[0, 2] = True
    hits = first_hits(Truth(positions, positions, wall_hits, np.zeros([1, 1], np.int64)), 1, 2)
    assert (hits.frame.tolist(), hits.axis.tolist(), hits.side.tolist()) == ([2], [1], [-1])
    assert hits.away_and_along(np.array([[3, -2]])).tolist() == [[2, 3]]
