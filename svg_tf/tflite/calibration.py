"""The representative inputs from which a full-int8 conversion takes the range of every activation."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

Inputs = dict[str, np.ndarray]


def examples(
    functions: Mapping[str, Callable], names: list[str], contexts: np.ndarray, eps: np.ndarray
) -> Iterator[tuple[str, Inputs]]:
    """Inputs of the functions along the model's own futures of some clips.

    Args:
        functions: the float32 signatures of a SavedModel: observe, step and rollout.
        names: which of them are converted.
        contexts: float32 [N, P, H, W, C] in [0, 1].
        eps: float32 [N, P-1+T, Z].

    Yields:
        A function's name and its inputs by name: of each clip, those of `observe`, T times those of `step`, and those
        of `rollout`.
    """
    past = contexts.shape[1] - 1
    for context, noise in zip(contexts[:, np.newaxis], eps[:, np.newaxis], strict=True):
        if "observe" in names:
            inputs = _taken(functions["observe"], {"context": context, "eps": noise[:, :past]})
            yield "observe", inputs
            states = functions["observe"](**inputs)
            for t in range(past, noise.shape[1]):
                inputs = _taken(functions["step"], {**states, "eps": noise[:, t]})
                yield "step", inputs
                states = {**states, **functions["step"](**inputs)}
        if "rollout" in names:
            yield "rollout", _taken(functions["rollout"], {"context": context, "eps": noise})


def _taken(function: Any, values: Mapping[str, np.ndarray]) -> Inputs:
    """Those of the values that are inputs of the function, as float32 arrays."""
    names = function.structured_input_signature[1]
    return {name: np.asarray(value, np.float32) for name, value in values.items() if name in names}
