"""The progress of a run: what its beginning takes, then a bar of steps, rate, time to the end and losses so far."""

import time

import keras
from tqdm import tqdm

from svg_tf.config import Config


class StartUp:
    """Where the time up to the first step goes, part by part.

    Args:
        began: time.monotonic() when the program began, for the time of its imports; None where that is not known.
    """

    def __init__(self, began: float | None = None) -> None:
        self._parts: list[tuple[str, float]] = []
        self._last = time.monotonic() if began is None else began
        if began is not None:
            self.done("imports")

    def done(self, part: str) -> None:
        """Takes the time since the part before, in seconds."""
        now = time.monotonic()
        self._parts.append((part, now - self._last))
        self._last = now

    def __str__(self) -> str:
        whole = sum(seconds for _, seconds in self._parts)
        return f"first step after {whole:.1f} s: " + ", ".join(
            f"{part} {seconds:.1f}" for part, seconds in self._parts
        )


class ProgressBar(keras.callbacks.Callback):
    """One bar over the whole run, resumed where the run is; losses are means over the epoch so far.

    After the first step it says what start_up was told, with the step itself.
    """

    def __init__(self, config: Config, first_step: int, start_up: StartUp):
        super().__init__()
        self._start_up: StartUp | None = start_up
        self._bar = tqdm(
            total=config.total_steps,
            initial=first_step,
            unit="step",
            dynamic_ncols=True,
            mininterval=1.0,
            desc="train",
        )
        self._config = config

    def on_epoch_begin(self, epoch, logs=None):
        self._bar.set_description(f"epoch {epoch + 1}/{self._config.epochs}", refresh=False)

    def on_train_batch_end(self, batch, logs=None):
        if self._start_up is not None:
            self._start_up.done("tracing, compiling and the step")
            self._bar.write(str(self._start_up))
            self._start_up = None
        self._bar.set_postfix_str(_losses(logs), refresh=False)
        self._bar.update()

    def on_epoch_end(self, epoch, logs=None):
        # A line that stays, where a bar would be overwritten.
        self._bar.write(f"epoch {epoch + 1}/{self._config.epochs}: {_losses(logs)}")

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self._bar.close()


def _losses(logs: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in logs.items())
