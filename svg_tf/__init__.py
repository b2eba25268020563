"""Stochastic Video Generation (Denton & Fergus, ICML 2018): sample many plausible futures of a video."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# TensorFlow takes seconds to import, so names are imported when they are first used.
_PUBLIC = {
    "SVG": "svg_tf.models.svg",
    "Outputs": "svg_tf.models.svg",
    "Rollout": "svg_tf.rollout",
    "LearningRate": "svg_tf.training.schedules",
    "Schedule": "svg_tf.training.schedules",
    "list_presets": "svg_tf.presets",
}
__all__ = [*_PUBLIC, "__version__"]  # noqa: PLE0604 - a list of strings

if TYPE_CHECKING:
    from svg_tf.models.svg import SVG, Outputs
    from svg_tf.presets import list_presets
    from svg_tf.rollout import Rollout
    from svg_tf.training.schedules import LearningRate, Schedule


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'svg_tf' has no attribute {name!r}")
    _check_backend()
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])


def _check_backend() -> None:
    import os

    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise ImportError(
            f"KERAS_BACKEND is {backend!r}; svg_tf runs on TensorFlow only. Unset it, or set 'tensorflow'."
        )
