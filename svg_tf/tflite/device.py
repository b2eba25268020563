"""A converted file as a device runs it, by the LiteRT interpreter."""

import importlib.util

import numpy as np

from svg_tf.config import ConfigError

Arrays = dict[str, np.ndarray]


def require_interpreter() -> None:
    """Raises ConfigError where ai-edge-litert is not installed."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise ConfigError("ai-edge-litert, the interpreter, is not installed; pip install 'svg_tf[tflite]' brings it")


class Device:
    """The functions of a file, by name; arrays in, arrays out."""

    def __init__(self, path: str, threads: int = 1):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(path, num_threads=threads)
        self.names = sorted(self._interpreter.get_signature_list())
        self._runners = {name: self._interpreter.get_signature_runner(name) for name in self.names}

    def inputs(self, name: str) -> dict[str, tuple[int, ...]]:
        """The shapes of a function's inputs, by their names."""
        return {key: tuple(detail["shape"]) for key, detail in self._runners[name].get_input_details().items()}

    def call(self, name: str, values: Arrays) -> Arrays:
        """Calls a function with those of the values that it takes."""
        runner = self._runners[name]
        return runner(**{key: values[key] for key in runner.get_input_details()})

    def futures(self, context: np.ndarray, eps: np.ndarray) -> np.ndarray:
        """The future of one clip.

        Args:
            context: float32 [P, H, W, C] in [0, 1].
            eps: float32 [P-1+T, Z]; a model without a latent takes T of it alone.

        Returns:
            float32 [T, H, W, C] in [0, 1].
        """
        context, eps, past = context[np.newaxis], eps[np.newaxis], len(context) - 1
        if "rollout" in self.names:
            return self.call("rollout", {"context": context, "eps": eps})["frames"][0]
        states, frames = self.call("observe", {"context": context, "eps": eps[:, :past]}), []
        for t in range(past, eps.shape[1]):
            made = self.call("step", {**states, "eps": eps[:, t]})
            frames.append(made["frame"][0])
            states = {**states, **made}
        return np.stack(frames)
