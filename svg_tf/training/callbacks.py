"""Callbacks of a run: checkpoints, checks, logs, pictures and progress."""

import csv
import io
import math
import os
import time
import zlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from svg_tf import files, noise, rollout, visualization
from svg_tf.config import Config
from svg_tf.metrics.psnr import psnr
from svg_tf.progress import progress
from svg_tf.training import checkpoints, distribution
from svg_tf.visualization import Row

_SCORED_CLIPS = 8
_SHOWN_CLIPS = 3


class NonFiniteError(ArithmeticError):
    """A loss or a weight is not finite; the message names the last good checkpoint."""


class Futures(keras.callbacks.Callback):
    """Draw futures of a few fixed validation clips after each epoch, score them and show some.

    Adds val_best_psnr and val_mean_psnr to the logs of the epoch, for the callbacks after this one: the PSNR of the
    best and of an average future. The loss is teacher-forced and does not see how futures drift. The pictures go to
    samples/epoch_0001.gif and .png, and to TensorBoard.
    """

    def __init__(self, config: Config, clips: np.ndarray, writer: tf.summary.SummaryWriter | None = None):
        """Create the callback.

        Args:
            config: the configuration of the run.
            clips: validation clips, uint8 [B, T, H, W, C]; the first eight are used.
            writer: of TensorBoard; None: write no pictures.
        """
        super().__init__()
        self._config, self._writer = config, writer
        self._clips = clips[:_SCORED_CLIPS]

    def scores(self) -> tuple[dict[str, float], np.ndarray]:
        """Return the two scores in dB, and the futures, float32 [B, S, T, H, W, C]."""
        n_past = self._config.n_past
        seeds = noise.sample_seeds(self._config.seed, range(len(self._clips)), self._config.n_samples)
        futures = rollout.generate(self.model, self._clips[:, :n_past], self._config.n_future, seeds).frames.numpy()
        truth = self._clips[:, np.newaxis, n_past:] / np.float32(255)  # [B, 1, T, H, W, C]
        by_future = np.mean(psnr(truth, futures).numpy(), axis=2, dtype=np.float64)  # [B, S]
        best, mean = by_future.max(axis=1).mean(), by_future.mean()
        return {"val_best_psnr": float(best), "val_mean_psnr": float(mean)}, futures

    def on_epoch_end(self, epoch, logs=None):
        scores, futures = self.scores()
        logs.update(scores)
        if self._writer is not None:
            self._show(epoch, futures[:_SHOWN_CLIPS])

    def _show(self, epoch: int, futures: np.ndarray) -> None:
        n_past, clips = self._config.n_past, []
        for clip, samples in zip(self._clips, futures, strict=False):
            drawn = [np.concatenate([clip[:n_past] / np.float32(255), sample]) for sample in samples]
            rows = [Row(f"Sample {number}", frames, "prediction") for number, frames in enumerate(drawn, start=1)]
            clips.append([Row("Truth", clip, "truth"), *rows])
        base = os.path.join(self._config.run_dir, "samples", f"epoch_{epoch + 1:04d}")
        images, strip = visualization.animation(clips, n_past), visualization.strip(clips[0], n_past)
        visualization.write_gif(f"{base}.gif", images)
        visualization.write_png(f"{base}.png", strip)
        with self._writer.as_default(step=_step(self)):
            tf.summary.image("strip", np.asarray(strip.convert("RGB"))[np.newaxis])
            summary = tf.compat.v1.Summary()  # tf.summary.image cannot write a GIF
            value = summary.value.add(tag="futures")
            value.metadata.plugin_data.plugin_name = "images"
            value.image.encoded_image_string = visualization.gif_bytes(images)
            value.image.width, value.image.height = images[0].size
            tf.summary.experimental.write_raw_pb(summary.SerializeToString())


class FiniteLoss(keras.callbacks.Callback):
    """Raise NonFiniteError as soon as the loss is not finite, before anything is saved.

    In float16 a step whose gradient overflows is skipped and the loss scale halved. A scale below 1 means that no step
    would ever be made again.
    """

    def __init__(self, config: Config):
        super().__init__()
        self._config = config

    def on_train_batch_end(self, batch, logs=None):
        self._check(logs, "loss")
        scale = getattr(self.model.optimizer, "dynamic_scale", None)
        if scale is not None and float(scale) < 1.0:
            raise non_finite(self._config, f"the gradient in float16 at step {_step(self)}")

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs, "val_loss")

    def _check(self, logs: dict[str, float], name: str) -> None:
        if not math.isfinite(logs[name]):
            values = ", ".join(f"{key} {value}" for key, value in logs.items())
            raise non_finite(self._config, f"{name} at step {_step(self)} ({values})")


def non_finite(config: Config, what: str) -> NonFiniteError:
    """Return the error for a value that is not finite."""
    saved = checkpoints.steps(config.run_dir)
    last = (
        f"the last good checkpoint is {checkpoints.path_of(config.run_dir, saved[-1])}" if saved else "none was saved"
    )
    return NonFiniteError(
        f"{what} is not finite; {last}; use a lower --learning_rate or a --clip_norm in a new --run_dir"
    )


class Saver(keras.callbacks.Callback):
    """Save checkpoints every checkpoint_every steps, at the end of each epoch, and the best one; stop on a signal.

    Attributes:
        stop_requested: this process received SIGINT or SIGTERM.
        stopped: a process of the run received one; the training ended after a checkpoint.
        validation_due: the checkpoint being written, or restored, is that of an epoch without its validation.
        best: the lowest validation score so far.
    """

    _STATE = ("best", "validation_due", "conditions")

    def __init__(self, config: Config, clips: np.ndarray):
        """clips: the first validation batch, uint8 [B, T, H, W, C]."""
        super().__init__()
        self._config = config
        self.stop_requested = self.stopped = self.validation_due = False
        self.best = math.inf
        # Scores of other clips, other futures or another metric are not comparable.
        conditions = (config.best_by, config.validation_steps, config.n_samples)
        self.conditions = zlib.crc32(clips.tobytes() + repr(conditions).encode())

    def restore(self, arrays: dict[str, np.ndarray] | None) -> bool:
        """Continue from the arrays of a checkpoint; return whether `best` has to be scored again."""
        arrays = arrays or {}
        self.best = float(arrays.get("progress/best", math.inf))
        self.validation_due = bool(arrays.get("progress/validation_due", False))
        return arrays.get("progress/conditions") != self.conditions

    def score(self, logs: dict[str, float]) -> float:
        """Return the number by which the best checkpoint is chosen; lower is better."""
        return logs["val_loss"] if self._config.best_by == "val_loss" else -logs["val_best_psnr"]

    def on_train_batch_end(self, batch, logs=None):
        step = _step(self)
        self._agree_to_stop()
        self.validation_due = step % self._config.steps_per_epoch == 0
        regular = step % self._config.checkpoint_every == 0 and not self.validation_due  # saved after the validation
        if self.stopped or regular:
            self._save(self._state(), checkpoints.path_of(self._config.run_dir, step))

    def on_epoch_end(self, epoch, logs=None):
        self.validation_due = False
        score, best_before = self.score(logs), self.best
        self.best = min(score, best_before)
        arrays = self._state()
        if score < best_before:
            self._save(arrays, os.path.join(checkpoints.folder(self._config.run_dir), checkpoints.BEST))
        self._save(arrays, checkpoints.path_of(self._config.run_dir, _step(self)))
        self._agree_to_stop()

    def _agree_to_stop(self) -> None:
        self.stopped = distribution.any_process(self.model.distribute_strategy, self.stop_requested)
        if self.stopped:
            self.model.stop_training = True

    def _state(self) -> dict[str, np.ndarray]:
        """Return the arrays of a checkpoint. All processes must call this, because they share the metrics."""
        variables = checkpoints.named_variables(self.model, training_state=True)
        arrays = {name: variable.numpy() for name, variable in variables.items()}
        known = self._STATE if math.isfinite(self.best) else self._STATE[1:]  # after a first validation
        return arrays | {f"progress/{name}": np.float64(getattr(self, name)) for name in known}

    def _save(self, arrays: dict[str, np.ndarray], path: str) -> None:
        if not distribution.is_chief(self.model.distribute_strategy):
            return
        try:
            checkpoints.save(path, arrays)
        except checkpoints.CheckpointError as error:
            raise non_finite(self._config, str(error).split(" is not finite")[0]) from None
        checkpoints.prune(self._config.run_dir, self._config.keep_checkpoints, _step(self))


class EpochLog(keras.callbacks.Callback):
    """Write losses, scores, learning rate, beta and speed of each epoch to logs/epochs.csv and TensorBoard.

    Learning rate and beta are those that the next update uses, as in Keras' own callbacks.

    Replaces `keras.callbacks.CSVLogger`, which repeats rows when an epoch is repeated after a crash.
    """

    def __init__(self, config: Config, first_step: int, writer: tf.summary.SummaryWriter):
        super().__init__()
        self._config, self._writer = config, writer
        self._path = os.path.join(config.run_dir, "logs", "epochs.csv")
        self._rows = [row for row in _read_rows(self._path) if int(row["step"]) <= first_step]
        self._steps, self._began, self._seconds = 0, 0.0, 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._steps, self._began = 0, time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1

    def on_test_begin(self, logs=None):
        self._seconds = time.monotonic() - self._began

    def on_epoch_end(self, epoch, logs=None):
        beta = self.model.beta
        row = {
            "epoch": epoch + 1,
            "step": _step(self),
            **logs,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "beta": float(beta(self.model.step.value) if callable(beta) else beta),
            "clips_per_second": self._steps * self._config.batch_size / max(self._seconds, 1e-9),
        }
        self._rows = [old for old in self._rows if int(old["step"]) < row["step"]]
        self._rows.append({name: str(value) for name, value in row.items()})
        text = io.StringIO()
        table = csv.DictWriter(text, list(row), extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(self._rows)
        files.write_text(self._path, text.getvalue())
        with self._writer.as_default(step=row["step"]):
            for name, value in row.items():
                if name not in ("epoch", "step"):
                    tf.summary.scalar(name, value)
        self._writer.flush()


class Progress(keras.callbacks.Callback):
    """Show one bar over the whole run, and print the mean losses after each epoch."""

    def __init__(self, config: Config, first_step: int, began: float):
        """began: `time.monotonic()` when the program started."""
        super().__init__()
        self._config = config
        self._began: float | None = began
        self._bar = progress(total=config.total_steps, initial=first_step, unit="step", desc="train")

    def on_epoch_begin(self, epoch, logs=None):
        self._bar.set_description_str(f"epoch {epoch + 1}/{self._config.epochs}", refresh=False)

    def on_train_batch_end(self, batch, logs=None):
        if self._began is not None:
            self._bar.write(f"first step after {time.monotonic() - self._began:.1f} s")
            self._began = None
        self._bar.set_postfix_str(_losses(logs), refresh=False)
        self._bar.update()

    def on_epoch_end(self, epoch, logs=None):
        self._bar.write(f"epoch {epoch + 1}/{self._config.epochs}: {_losses(logs)}")

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def _step(callback: Any) -> int:
    """Return the number of optimizer steps made, those that float16 skipped included."""
    return int(callback.model.step.numpy()) // callback._config.gradient_accumulation_steps


def _losses(logs: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in logs.items())


def _read_rows(path: str) -> list[dict[str, str]]:
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
