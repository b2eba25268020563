"""Evaluation protocols: which clips are scored, with which lengths, and the scores published for them."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from svg_tf.config import Config, ConfigError

NAMES = ("run", "svg", "srvp")
N_SAMPLES = 100


class Protocol(NamedTuple):
    """A published protocol for one data set."""

    lengths: tuple[int, int, int]  # n_past, n_eval and the number of test clips
    data: Mapping[str, Any]  # fields of Config that select its test data
    description: str
    deviations: tuple[str, ...]  # known differences between this implementation and the publication
    comparable: bool = True  # the published scores were measured on such clips
    reflected: bool = False  # digits move as in ReflectedMNIST


class Setting(NamedTuple):
    """A run under a protocol."""

    name: str  # run, svg or srvp
    config: Config  # of the run, with the protocol's lengths and test data
    n_clips: int | None = None  # test clips of the protocol; None: see `count_test_clips`
    description: str = ""
    published: Any = ()  # rows of published scores: name, source and one value per metric
    deviations: Any = ()  # differences from the protocol, in sentences
    reflected: bool = False


# Best of 100 samples by each metric; FVD of one sample.
_SOURCE = "Franceschi et al., Stochastic Latent Residual Video Prediction, ICML 2020"
_PUBLISHED = {
    "smmnist": {"SVG": {"psnr": 14.50, "ssim": 0.7090}, "SRVP": {"psnr": 16.93, "ssim": 0.7799}},
    "kth": {
        "SVG": {"psnr": 28.06, "ssim": 0.8438, "lpips": 0.0923, "fvd": 377.0},
        "SRVP": {"psnr": 29.69, "ssim": 0.8697, "lpips": 0.0736, "fvd": 222.0},
    },
    "bair": {
        "SVG": {"psnr": 18.95, "ssim": 0.8058, "lpips": 0.0609, "fvd": 255.0},
        "SRVP": {"psnr": 19.59, "ssim": 0.8196, "lpips": 0.0574, "fvd": 162.0},
    },
}
_DIGITS = {"num_digits": 2, "max_speed": 4, "motion": "stochastic"}
_KTH = {"kth_split": "svg", "frame_stride": 1}
_ALL_DIGITS = "The last 5,000 training digits are held out for validation; the published models train on all 60,000."
_ALL_PERSONS = "Persons 19 and 20 are held out for validation; the published models train on persons 1 to 20."
_BAIR = Protocol(
    (2, 30, 256),
    {"frame_stride": 1},
    "BAIR robot pushing: 2 context frames, 28 predicted frames, the 256 test trajectories from their first frame.",
    ("The last 256 training trajectories are held out for validation; the published models train on all.",),
)
_PROTOCOLS = {
    ("svg", "smmnist"): Protocol(
        (5, 30, 1_000),
        _DIGITS | {"digit_size": 32},
        "Stochastic Moving MNIST of Denton and Fergus (2018): 5 context frames, 25 predicted frames, digits of 32 "
        "pixels that stop at a wall and leave it with a new velocity.",
        ("The publication has curves instead of a table and draws new test clips in each run.", _ALL_DIGITS),
        comparable=False,
    ),
    ("srvp", "smmnist"): Protocol(
        (5, 25, 5_000),
        _DIGITS | {"digit_size": 28},
        "Stochastic Moving MNIST of Franceschi et al. (2020): 5 context frames, 20 predicted frames, digits of 28 "
        "pixels that are reflected where they hit a wall, with a new velocity; the 5,000 published test clips.",
        (_ALL_DIGITS,),
        reflected=True,
    ),
    ("svg", "kth"): Protocol(
        (10, 40, 1_000),
        _KTH | {"kth_clips": "trimmed"},
        "KTH actions of Denton and Fergus (2018): 10 context frames, 30 predicted frames, windows of the trimmed "
        "sub-sequences of persons 21 to 25.",
        (
            "Franceschi et al. measured the published numbers, those of SVG included, on windows of whole videos, in "
            "which persons leave the picture for a while (--protocol=srvp).",
            _ALL_PERSONS,
        ),
    ),
    ("srvp", "kth"): Protocol(
        (10, 40, 1_000),
        _KTH | {"kth_clips": "whole"},
        "KTH actions of Franceschi et al. (2020): 10 context frames, 30 predicted frames, 1,000 windows of the whole "
        "videos of persons 21 to 25.",
        ("The windows are drawn here; they are not the published ones.", _ALL_PERSONS),
    ),
    ("svg", "bair"): _BAIR,
    ("srvp", "bair"): _BAIR,
}


def resolve(name: str, config: Config) -> Setting:
    """Apply a protocol to a run: its lengths, and its test data if the run's frames allow that.

    Raises:
        ConfigError: the protocol does not define this data set, or the lengths do not fit.
    """
    if name == "run":
        description = (
            f"Test split of the run: {config.n_past} context frames, {config.n_eval - config.n_past} predicted frames. "
            "Published numbers belong to other protocols (--protocol=svg or srvp)."
        )
        return Setting(name, config, description=description)
    if (name, config.dataset) not in _PROTOCOLS:
        raise ConfigError(
            f"--protocol={name} has no test for dataset={config.dataset}. Use --protocol=run; "
            "svg and srvp are for smmnist, kth and bair."
        )
    protocol = _PROTOCOLS[name, config.dataset]
    n_past, n_eval, n_clips = protocol.lengths
    obstacles = []
    if config.image_width != 64:
        obstacles.append(f"The run's frames are {config.image_width} pixels wide, those of the protocol 64.")
    if config.dataset == "smmnist" and config.digits != "mnist":
        obstacles.append(f"The run's digits are {config.digits}, those of the protocol are MNIST's.")
    if config.dataset == "kth" and config.kth_split == "trial":
        obstacles.append(
            "The run holds out parts of the persons it was trained on (kth_split=trial), the protocol persons 21-25."
        )
    changes: dict[str, Any] = {"n_past": n_past, **({} if obstacles else protocol.data)}
    reflected = protocol.reflected and not obstacles
    deviations = [
        f"The run was trained with {field}={getattr(config, field)} and is tested with the protocol's {value}."
        for field, value in changes.items()
        if getattr(config, field) != value
    ]
    if reflected:
        deviations.append("The run was trained on digits that stop at a wall and is tested on exact reflections.")
    if obstacles:
        deviations += [
            *obstacles,
            "So the test split of the run is used with the protocol's lengths, and no published number is comparable.",
        ]
    published = []
    if protocol.comparable and not obstacles:
        scores = _PUBLISHED[config.dataset].items()
        published = [{"name": f"{model}, best of 100", "source": _SOURCE, **values} for model, values in scores]
    n_future = min(config.n_future, n_eval - n_past)  # not used in the test, but bounded by n_eval
    tested = dataclasses.replace(config, n_eval=n_eval, n_future=n_future, **changes)
    deviations += protocol.deviations
    return Setting(name, tested, n_clips, protocol.description, published, deviations, reflected)
