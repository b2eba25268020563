"""Tests of measured steps, their distances, and of the comparison of a model's futures with the rules'."""

import numpy as np
import pytest
import tensorflow as tf

from svg_tf import rollout
from svg_tf.config import Config, ConfigError
from svg_tf.data.digits import load_digits
from svg_tf.data.moving_mnist import render
from svg_tf.models.svg import SVG
from svg_tf.uncertainty import aftermath, displacement, sequences, simulation
from svg_tf.uncertainty.displacement import energy_distances

CONFIG = Config(
    digits="embedded", num_digits=1, digit_size=16, image_width=32, max_speed=2, n_past=4, n_future=8, n_eval=15,
    base_width=2, g_dim=4, z_dim=2, rnn_size=4,
)  # fmt: skip
CLIPS, SETS, SAMPLES = 40, 3, 20


@pytest.fixture(scope="module")
def model():
    return SVG(CONFIG)


@pytest.fixture(scope="module")
def scene():
    return aftermath.find_scene(CONFIG, CLIPS)


@pytest.fixture
def play(scene, monkeypatch):
    """Makes rollout.generate show positions [S, B, T, N, 2] of the scene's clips, faded by a factor."""

    def use(positions, fade=1.0):
        clips = {}
        example = int(scene.hits.clip[scene.example])
        for frames, truth in sequences.random_motions(CONFIG, CLIPS, CONFIG.n_frames):
            for video, digits in zip(frames, truth.digits, strict=True):
                clips[video[: CONFIG.n_past].tobytes()] = len(clips), digits
        for frames, truth in sequences.common_motion(CONFIG, example, SETS, CONFIG.n_frames, 0):
            for video, digits in zip(frames, truth.digits, strict=True):
                clips[video[: CONFIG.n_past].tobytes()] = example, digits
        images = load_digits(CONFIG, "test")

        def generate(model, context, horizon, seeds):
            asked = [clips[np.round(255 * np.asarray(video)).astype(np.uint8).tobytes()] for video in context]
            paths = np.stack([positions[: seeds.shape[1], clip, CONFIG.n_past :] for clip, _ in asked], axis=1)
            shown = np.tile(images[np.stack([digits for _, digits in asked])], [len(paths), 1, 1, 1])
            frames = render(tf.constant(shown), tf.constant(paths.reshape(-1, horizon, 1, 2)), 32)
            frames = tf.reshape(frames, [*paths.shape[:2], horizon, 32, 32, 1])
            return rollout.Rollout(tf.cast(frames, tf.float32) * fade / 255, None)

        monkeypatch.setattr(rollout, "generate", generate)

    return use


def all_of(*shape):
    return np.ones(shape, bool)


def test_the_distance_of_two_points_is_twice_the_way():
    here, there = np.zeros([3, 1, 2], int), np.full([4, 1, 2], [3, 4])
    assert energy_distances(here, all_of(3, 1), there) == pytest.approx([10.0])
    assert energy_distances(here, all_of(3, 1), here) == pytest.approx([0.0])


def test_the_distance_of_a_point_and_a_coin_is_that_of_the_closed_form():
    # |A - B| is 1; two tosses are 2 apart in half of the cases: 2 - 0 - 1.
    coin = np.where(np.random.default_rng(0).random([400, 5, 1]) < 0.5, 1, -1) * [1, 0]
    assert energy_distances(np.zeros([2, 5, 2], int), all_of(2, 5), coin) == pytest.approx([1.0] * 5, abs=0.02)


def test_few_samples_of_one_distribution_are_no_distance_apart_on_average():
    rng = np.random.default_rng(0)
    samples, rules = rng.integers(-2, 3, [3, 4_000, 2]), rng.integers(-2, 3, [10, 4_000, 2])
    distances = energy_distances(samples, all_of(3, 4_000), rules)
    assert distances.mean() == pytest.approx(0, abs=4 * distances.std() / np.sqrt(4_000))
    assert energy_distances(samples + [1, 0], all_of(3, 4_000), rules).mean() > 0.2


def test_samples_that_were_not_found_do_not_count():
    rng = np.random.default_rng(0)
    samples, rules = rng.integers(-2, 3, [8, 3, 2]), rng.integers(-2, 3, [10, 3, 2])
    found = rng.random([8, 3]) < 0.6
    found[:, 2] = [True] + [False] * 7
    distances = energy_distances(np.where(found[..., np.newaxis], samples, 99), found, rules)
    for hit in (0, 1):
        kept = samples[found[:, hit], hit : hit + 1]
        assert distances[hit] == pytest.approx(
            energy_distances(kept, all_of(len(kept), 1), rules[:, hit : hit + 1])[0]
        )
    assert np.isnan(distances[2])


def test_steps_in_true_frames_are_those_of_the_truth():
    config = CONFIG.replace(num_digits=2, image_width=64)
    ((frames, truth),) = sequences.random_motions(config, 6, 9)
    digits = load_digits(config, "test")[truth.digits] / np.float32(255)
    clip, digit, frame = np.array([0, 0, 3, 5, 5]), np.array([1, 0, 0, 1, 1]), np.array([0, 7, 2, 4, 5])
    steps = displacement.of_frames(frames[np.newaxis, ..., 0] / np.float32(255), digits, clip, digit, frame)
    assert steps.found.all()
    np.testing.assert_array_equal(steps.places[0], truth.positions[clip, frame, digit])
    moved = truth.positions[clip, frame + 1, digit] - truth.positions[clip, frame, digit]
    np.testing.assert_array_equal(steps.steps[0], moved)


def test_a_step_into_a_frame_without_the_digit_is_not_found():
    ((frames, truth),) = sequences.random_motions(CONFIG, 2, 6)
    digits = load_digits(CONFIG, "test")[truth.digits] / np.float32(255)
    videos = frames[np.newaxis, ..., 0] / np.float32(255)
    videos[0, 1, 3] = 0
    indices = np.array([0, 1, 1, 1]), np.zeros(4, int), np.array([2, 2, 3, 1])
    assert displacement.of_frames(videos, digits, *indices).found.tolist() == [[True, False, False, True]]


def test_the_example_is_a_hit_of_a_first_digit_after_the_context(scene):
    hit = scene.hits.where(scene.example)
    assert hit.digit == 0
    assert abs(hit.frame - (CONFIG.n_past + 1)) == abs(scene.hits.frame - (CONFIG.n_past + 1)).min()


def test_too_few_clips_for_a_hit_are_told_in_words():
    config = CONFIG.replace(image_width=128, max_speed=1, n_future=2)
    with pytest.raises(ConfigError, match="no first digit hits a wall in 2 clips: raise n_sequences"):
        aftermath.find_scene(config, 2)


def test_a_model_that_is_the_rules_is_no_farther_from_them_than_they_are(model, scene, play):
    play(simulation.continued(CONFIG, scene.truth, SAMPLES, CONFIG.n_frames, 77, True))
    after = aftermath.compare(model, scene, SETS, SAMPLES, seed=0)
    assert (after.exact, after.within_a_pixel) == (1.0, 1.0)
    names = [(group.first, group.last) for group in after.groups]
    assert names == [(1, 8), (1, 1), (2, 4), (5, 8)]
    assert after.groups[0].n_hits == sum(group.n_hits for group in after.groups[1:]) == len(scene.hits.clip)
    for group in after.groups:
        assert (group.found, group.misplaced) == (1.0, 0.0)
        assert abs(group.distance.mean) < 2 * group.same
        assert group.mirror > 1
    counts = (np.bincount(np.ravel(steps @ [9, 1]) + 40, minlength=81) / len(steps) for steps in after.groups[0][3:5])
    np.testing.assert_allclose(*counts, atol=0.03)
    hit = scene.hits.frame[scene.example]
    for frame in after.example:
        kinds = {tuple(step) for step in frame.model.tolist()}
        assert frame.found == 1.0
        assert kinds <= {tuple(step) for step in frame.rules.tolist()}
        assert (len(kinds) == 1) == (frame.frame <= hit)


def test_a_model_without_chance_has_the_distance_of_the_mirror(model, scene, play):
    mirrored = simulation.continued(CONFIG, scene.truth, 1, CONFIG.n_frames, 0, False)
    play(np.repeat(mirrored, 4, axis=0))
    everything = aftermath.compare(model, scene, SETS, 4, seed=0).groups[0]
    assert everything.distance.mean == pytest.approx(everything.mirror)
    assert everything.distance.low < everything.mirror < everything.distance.high


def test_a_model_that_turns_a_frame_late_is_far_from_the_rules(model, scene, play):
    positions = simulation.continued(CONFIG, scene.truth, 4, CONFIG.n_frames, 77, True)
    play(np.concatenate([positions[:, :, :1], positions[:, :, :-1]], axis=2))
    groups, again = (aftermath.compare(model, scene, SETS, 4, seed=0).groups for _ in range(2))
    assert [group.distance for group in groups] == [group.distance for group in again]
    assert groups[0].distance.mean > 0.5
    assert groups[2].misplaced > 0.5


def test_a_model_that_shows_nothing_is_not_measured(model, scene, play):
    play(simulation.continued(CONFIG, scene.truth, 4, CONFIG.n_frames, 77, True), fade=0)
    for group in aftermath.compare(model, scene, SETS, 4, seed=0).groups:
        # The place at the hit is known where it is the context's last frame; the step is not.
        assert (group.found, group.misplaced, group.distance, len(group.model)) == (0.0, None, None, 0)
