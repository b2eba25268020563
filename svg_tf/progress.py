"""The progress bar of a run: steps, rate, time to the end, and the losses so far."""

import keras
from tqdm import tqdm

from svg_tf.config import Config


class ProgressBar(keras.callbacks.Callback):
    """One bar over the whole run, resumed where the run is; losses are means over the epoch so far."""

    def __init__(self, config: Config, first_step: int):
        super().__init__()
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
