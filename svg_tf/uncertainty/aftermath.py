"""Where digits go after a wall: the model's futures against those by the rules (Denton and Fergus, Figure 5)."""

from typing import NamedTuple

import numpy as np

from svg_tf.config import Config, ConfigError
from svg_tf.data.digits import load_digits
from svg_tf.data.moving_mnist import Truth
from svg_tf.models.svg import SVG
from svg_tf.uncertainty import displacement, sequences, simulation
from svg_tf.uncertainty.auc import Interval, bootstrap_mean
from svg_tf.uncertainty.displacement import Steps, energy_distances
from svg_tf.uncertainty.hits import Hits, first_hits

_DRAWS = 100  # futures by the rules that every hit is compared with
_REPEATS = 100  # second draws by the rules, which say how far apart two true samples are
_FUTURES_AT_ONCE = 200  # bounds the memory
_BEFORE, _AFTER = 1, 4  # frames shown of the example, before and after the hit


class Scene(NamedTuple):
    """Clips with known hits.

    Attributes:
        truth: of clips of n_past + n_future frames, in NumPy arrays.
        hits: every digit's first hit that the context foretells and whose turn is still in the clip.
        example: the number of the hit that is shown by itself.
    """

    truth: Truth
    hits: Hits
    example: int


class Group(NamedTuple):
    """Steps after the first hits whose turn is shown by certain predicted frames.

    Attributes:
        first: the number of the first such predicted frame, from 1.
        last: of the last one.
        n_hits: digits that hit.
        rules: int [N, 2], steps by the rules, away from the wall and along it, in pixels.
        model: int [M, 2], those of the model where the digit was found.
        found: share of the model's steps that could be measured.
        misplaced: mean distance of the digit from its true place in the frame of the hit, in pixels; None where no
            digit was found.
        distance: mean over the hits of the energy distance of model and rules, in pixels, with its interval; None
            where no hit has two measured samples.
        same: the same of as many samples by the rules, 95 % of which are below.
        mirror: the same of a bounce as from a mirror.
    """

    first: int
    last: int
    n_hits: int
    rules: np.ndarray
    model: np.ndarray
    found: float
    misplaced: float | None
    distance: Interval | None
    same: float
    mirror: float


class Frame(NamedTuple):
    """Steps to one frame of the example, int [N, 2] in pixels (y, x), and the share of them that was found."""

    frame: int
    rules: np.ndarray
    model: np.ndarray
    found: float


class Aftermath(NamedTuple):
    """What was measured; groups[0] has all hits.

    Attributes:
        groups: of hits.
        example: frames of one motion around the first hit of its first digit.
        exact: share of the true frames at hits and turns in which the tracker's place is exact.
        within_a_pixel: share in which it is right to a pixel on both axes.
    """

    groups: list[Group]
    example: list[Frame]
    exact: float
    within_a_pixel: float


def find_scene(config: Config, n_clips: int) -> Scene:
    """The first hits in the first test clips.

    The example is of a first digit: the hit nearest to frame n_past + 1, among equals the one nearest to the middle
    of its wall.

    Raises:
        ConfigError: no first digit hits.
        DataError: the digits are missing or damaged.
    """
    batches = sequences.random_motions(config, n_clips, config.n_frames)
    truth = Truth(*(np.concatenate(arrays) for arrays in zip(*(truth for _, truth in batches), strict=True)))
    hits = first_hits(truth, config.n_past - 1, config.n_frames - 2)
    middle = (config.image_width - config.digit_size - 1) / 2
    off_middle = abs(hits.place[np.arange(len(hits.axis)), 1 - hits.axis] - middle)
    late = abs(hits.frame - (config.n_past + 1)) + off_middle / config.image_width  # the latter counts for less
    late[hits.digit != 0] = np.inf
    if not (hits.digit == 0).any():
        raise ConfigError(f"no first digit hits a wall in {n_clips} clips: raise n_sequences")
    return Scene(truth, hits, int(late.argmin()))


def compare(model: SVG, scene: Scene, n_sets: int, n_samples: int, seed: int) -> Aftermath:
    """Compares futures of the model with futures by the rules, n_samples of every clip.

    Args:
        model: a trained model.
        scene: of the model's configuration.
        n_sets: sets of digits that the example's motion is shown with.
        n_samples: futures of each clip, at least 2.
        seed: of the futures and of the draws by the rules.
    """
    config, (truth, hits, _) = model.config, scene
    images = load_digits(config, "test")
    at_once = max(1, _FUTURES_AT_ONCE // n_samples)
    batches = sequences.random_motions(config, len(truth.digits), config.n_frames, at_once)
    measured, true = displacement.of_model(
        model, batches, images, (hits.clip, hits.digit, hits.frame), n_samples, seed
    )
    rules = _by_the_rules(scene, config, _DRAWS, seed, True)
    groups = _groups(scene, config, measured, rules, seed)
    next_places = truth.positions[hits.clip, hits.frame + 1, hits.digit]
    errors = [true.places[0] - hits.place, true.places[0] + true.steps[0] - next_places]
    error = abs(np.concatenate(errors)).max(axis=-1)
    example = _example(model, scene, images, n_sets, n_samples, seed, at_once)
    return Aftermath(groups, example, float((error == 0).mean()), float((error <= 1).mean()))


def _by_the_rules(scene: Scene, config: Config, n_samples: int, seed: int, stochastic: bool) -> np.ndarray:
    hits = scene.hits
    futures = simulation.continued(config, scene.truth, n_samples, config.n_frames, seed, stochastic)
    return simulation.steps_after(futures, hits.clip, hits.digit, hits.frame)  # [S, H, 2]


def _groups(scene: Scene, config: Config, measured: Steps, rules: np.ndarray, seed: int) -> list[Group]:
    hits, n_samples = scene.hits, len(measured.steps)
    distances = energy_distances(measured.steps, measured.found, rules)  # [H]
    others = (_by_the_rules(scene, config, n_samples, seed + 1 + number, True) for number in range(_REPEATS))
    same = np.stack([energy_distances(other, np.ones(other.shape[:2]), rules) for other in others])  # [repeats, H]
    bounce = np.repeat(_by_the_rules(scene, config, 1, seed, False), 2, axis=0)  # a distribution of one point
    mirror = energy_distances(bounce, np.ones(bounce.shape[:2]), rules)
    misplaced = np.hypot(*np.moveaxis(measured.places - hits.place, -1, 0))  # [S, H]
    shown_by = hits.frame + 2 - config.n_past
    groups = []
    for first, last in dict.fromkeys(
        [(1, config.n_future), (1, 1), (2, min(4, config.n_future)), (5, config.n_future)]
    ):
        chosen = (shown_by >= first) & (shown_by <= last)
        if not chosen.any():
            continue
        found = measured.found[:, chosen]
        known = distances[chosen][np.isfinite(distances[chosen])]
        steps = (hits.where(chosen).away_and_along(array[:, chosen]) for array in (rules, measured.steps))
        group = Group(
            first,
            last,
            int(chosen.sum()),
            next(steps).reshape(-1, 2),
            next(steps)[found],
            float(found.mean()),
            float(misplaced[:, chosen][found].mean()) if found.any() else None,
            bootstrap_mean(known, seed) if len(known) else None,
            float(np.percentile(same[:, chosen].mean(axis=1), 95)),
            float(mirror[chosen].mean()),
        )
        groups.append(group)
    return groups


def _example(
    model: SVG, scene: Scene, images: np.ndarray, n_sets: int, n_samples: int, seed: int, at_once: int
) -> list[Frame]:
    config, hits = model.config, scene.hits
    clip, hit = int(hits.clip[scene.example]), int(hits.frame[scene.example])
    frames = np.arange(max(config.n_past, hit - _BEFORE), min(config.n_frames, hit + _AFTER + 1))
    indices = np.repeat(np.arange(n_sets), len(frames)), np.zeros(n_sets * len(frames), np.int64)
    before = np.tile(frames - 1, n_sets)
    batches = sequences.common_motion(config, clip, n_sets, config.n_frames, seed, at_once)
    steps, _ = displacement.of_model(model, batches, images, (*indices, before), n_samples, seed)
    truth = Truth(*(array[clip : clip + 1] for array in scene.truth))
    futures = simulation.continued(config, truth, n_sets * n_samples, config.n_frames, seed, True)  # [S, 1, T, N, 2]
    moved = futures[:, 0, frames, 0] - futures[:, 0, frames - 1, 0]  # [S, F, 2]
    result = []
    for number, frame in enumerate(frames.tolist()):
        measured, found = (array[:, number :: len(frames)] for array in (steps.steps, steps.found))
        result.append(Frame(frame, moved[:, number], measured[found], float(found.mean())))
    return result
