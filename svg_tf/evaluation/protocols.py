"""Protocols: which clips are scored, how many frames are given and predicted, and what was published for that."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from svg_tf.config import Config, ConfigError
from svg_tf.evaluation import published

NAMES = ("run", "svg", "srvp")
N_SAMPLES = 100


class Protocol(NamedTuple):
    """A published one, for one data set.

    Attributes:
        n_past: frames given.
        n_eval: frames in all.
        n_clips: test clips; fewer where there are fewer.
        data: fields of Config that make its test data.
        description: in words.
        standing: what always differs here from what was published.
        comparable: whether what was published was measured on such clips.
        reflected: whether digits move as in ReflectedMNIST.
    """

    n_past: int
    n_eval: int
    n_clips: int
    data: Mapping[str, Any]
    description: str
    standing: tuple[str, ...]
    comparable: bool = True
    reflected: bool = False


class Setting(NamedTuple):
    """A run under a protocol.

    Attributes:
        name: run, svg or srvp.
        config: the run's, with the lengths and data to test with.
        n_clips: test clips; None for all that there are.
        description: in words.
        published: rows, see published.scores.
        deviations: what differs from the protocol, in sentences.
        reflected: as in Protocol.
    """

    name: str
    config: Config
    n_clips: int | None
    description: str
    published: list[dict[str, Any]]
    deviations: list[str]
    reflected: bool


_DIGITS = {"num_digits": 2, "max_speed": 4, "motion": "stochastic"}
_ALL_DIGITS = "The last 5,000 training digits are held out for validation; the published models train on all 60,000."
_ALL_PERSONS = "Persons 19 and 20 are held out for validation; the published models train on persons 1 to 20."
_ALL_BAIR = "The last 256 training trajectories are held out for validation; the published models train on all."
_BAIR = Protocol(
    2,
    30,
    256,
    {"frame_stride": 1},
    "BAIR robot pushing: 2 frames given, 28 predicted, the 256 test trajectories from their first frame.",
    (_ALL_BAIR,),
)
_PROTOCOLS = {
    ("svg", "smmnist"): Protocol(
        5,
        30,
        1_000,
        _DIGITS | {"digit_size": 32},
        "Stochastic Moving MNIST of Denton and Fergus (2018): 5 frames given, 25 predicted, digits of 32 pixels that "
        "stop at a wall and leave it with a new velocity.",
        (
            "The publication shows curves and no table for this protocol, and draws its test clips anew in each run.",
            _ALL_DIGITS,
        ),
        comparable=False,
    ),
    ("svg", "kth"): Protocol(
        10,
        40,
        1_000,
        {"kth_split": "svg", "kth_clips": "trimmed", "frame_stride": 1},
        "KTH actions of Denton and Fergus (2018): 10 frames given, 30 predicted, windows of the trimmed sub-sequences "
        "of persons 21 to 25.",
        (
            "The published numbers, measured by Franceschi et al. for SVG too, are of windows of whole videos, in "
            "which persons leave the picture for a while (--protocol=srvp).",
            _ALL_PERSONS,
        ),
    ),
    ("svg", "bair"): _BAIR,
    ("srvp", "smmnist"): Protocol(
        5,
        25,
        5_000,
        _DIGITS | {"digit_size": 28},
        "Stochastic Moving MNIST of Franceschi et al. (2020): 5 frames given, 20 predicted, digits of 28 pixels that "
        "a wall throws back from the very point they hit, with a new velocity; the 5,000 published test clips.",
        (_ALL_DIGITS,),
        reflected=True,
    ),
    ("srvp", "kth"): Protocol(
        10,
        40,
        1_000,
        {"kth_split": "svg", "kth_clips": "whole", "frame_stride": 1},
        "KTH actions of Franceschi et al. (2020): 10 frames given, 30 predicted, 1,000 windows of the whole videos of "
        "persons 21 to 25.",
        ("The windows are drawn here, not those that were published.", _ALL_PERSONS),
    ),
    ("srvp", "bair"): _BAIR,
}


def resolve(name: str, config: Config) -> Setting:
    """A run under a protocol: the lengths are the protocol's, and the data too where the run's frames allow it.

    Raises:
        ConfigError: the protocol has no such data set, or the lengths cannot be had.
    """
    if name == "run":
        description = (
            f"The run's own test data and lengths: {config.n_past} frames given, {config.n_eval - config.n_past} "
            "predicted. Published numbers are of other protocols (--protocol=svg or srvp)."
        )
        return Setting(name, config, None, description, [], [], reflected=False)
    if (name, config.dataset) not in _PROTOCOLS:
        raise ConfigError(
            f"protocol {name} is not known for dataset={config.dataset}; say --protocol=run, or "
            f"{' or '.join(NAMES[1:])} for smmnist, kth and bair"
        )
    protocol = _PROTOCOLS[name, config.dataset]
    lengths: dict[str, Any] = {
        "n_past": protocol.n_past,
        "n_eval": protocol.n_eval,
        # Of no account in the test, and bounded by n_eval where videos are short.
        "n_future": min(config.n_future, protocol.n_eval - protocol.n_past),
    }
    obstacles = _obstacles(config)
    changes = {} if obstacles else dict(protocol.data)
    deviations = [
        f"The run was trained with {field}={getattr(config, field)}, and is tested with the protocol's {value}."
        for field, value in {"n_past": protocol.n_past, **changes}.items()
        if getattr(config, field) != value
    ]
    if protocol.reflected and not obstacles:
        deviations.append("The run was trained on digits that stop at a wall, and is tested on exact reflections.")
    deviations += obstacles
    if obstacles:
        deviations.append(
            "So the run's own test data is taken, in the protocol's lengths, and no published number compares."
        )
    deviations += protocol.standing
    tested = dataclasses.replace(config, **lengths, **changes)
    rows = published.scores(config.dataset) if protocol.comparable and not obstacles else []
    reflected = protocol.reflected and not obstacles
    return Setting(name, tested, protocol.n_clips, protocol.description, rows, deviations, reflected)


def _obstacles(config: Config) -> list[str]:
    """Why a run's frames are not the protocols'."""
    found = []
    if config.image_width != 64:
        found.append(f"The run's frames are {config.image_width} pixels wide, the protocol's 64.")
    if config.dataset == "smmnist" and config.digits != "mnist":
        found.append(f"The run's digits are {config.digits}, the protocol's are MNIST's.")
    if config.dataset == "kth" and config.kth_split == "trial":
        found.append(
            "The run holds out parts of the persons it trained on (kth_split=trial), the protocol persons 21 to 25."
        )
    return found
