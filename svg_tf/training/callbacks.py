"""Callbacks of a run: scores and pictures of futures, checks, checkpoints, logs and progress."""

import csv
import io
import math
import os
import time

import keras
import numpy as np
import tensorflow as tf

from svg_tf import files, noise, rollout, visualization
from svg_tf.config import Config
from svg_tf.metrics.psnr import psnr
from svg_tf.models.svg import SVG
from svg_tf.progress import progress
from svg_tf.training import checkpoints, distribution
from svg_tf.visualization import Row

_SCORED_CLIPS = 8
_SHOWN_CLIPS = 3


class NonFiniteError(ArithmeticError):
    """A loss or a weight is not finite; the message names the last good checkpoint."""

    def __init__(self, config: Config, what: str):
        saved = [checkpoints.path_of(config.run_dir, step) for step in checkpoints.steps(config.run_dir)]
        super().__init__(
            f"{what} is not finite; the last good checkpoint is {saved[-1] if saved else 'missing'}. Use a lower "
            "--learning_rate or a --clip_norm in a new --run_dir."
        )


class RunCallback(keras.callbacks.Callback):
    """A callback with the configuration of its run and the number of optimizer steps made."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config

    @property
    def step(self) -> int:
        """Number of optimizer steps made, those that float16 skipped included."""
        return int(self.model.step.numpy()) // self.config.gradient_accumulation_steps


class Futures(RunCallback):
    """Draw futures of a few fixed validation clips after each epoch, score them and show some.

    Adds val_best_psnr and val_mean_psnr to the logs of the epoch, for the callbacks after this one: the PSNR of the
    best and of an average future. The loss is teacher-forced and does not see how futures drift. The pictures go to
    samples/epoch_0001.gif and .png; TensorBoard gets the latter.
    """

    def __init__(self, config: Config, clips: np.ndarray, writer: tf.summary.SummaryWriter | None = None):
        """clips: of the validation, uint8 [B, T, H, W, C]; writer: of TensorBoard, None to draw no pictures."""
        super().__init__(config)
        self._clips, self._writer = clips[:_SCORED_CLIPS], writer

    def on_epoch_end(self, epoch, logs=None):
        n_past = self.config.n_past
        seeds = noise.sample_seeds(self.config.seed, range(len(self._clips)), self.config.n_samples)
        futures = rollout.generate(self.model, self._clips[:, :n_past], self.config.n_future, seeds).frames.numpy()
        truth = self._clips[:, np.newaxis, n_past:] / np.float32(255)  # [B, 1, T, H, W, C]
        scores = np.mean(psnr(truth, futures).numpy(), axis=2, dtype=np.float64)  # [B, S]
        logs.update(val_best_psnr=float(scores.max(axis=1).mean()), val_mean_psnr=float(scores.mean()))
        if self._writer is None:
            return
        clips = []
        for clip, samples in zip(self._clips[:_SHOWN_CLIPS], futures, strict=False):
            drawn = [np.concatenate([clip[:n_past] / np.float32(255), sample]) for sample in samples]
            rows = [Row(f"Sample {number}", frames, "prediction") for number, frames in enumerate(drawn, start=1)]
            clips.append([Row("Truth", clip, "truth"), *rows])
        base = os.path.join(self.config.run_dir, "samples", f"epoch_{epoch + 1:04d}")
        strip = visualization.strip(clips[0], n_past)
        visualization.write_gif(f"{base}.gif", visualization.animation(clips, n_past))
        visualization.write_png(f"{base}.png", strip)
        with self._writer.as_default(step=self.step):
            tf.summary.image("futures", np.asarray(strip.convert("RGB"))[np.newaxis])


class FiniteLoss(RunCallback):
    """Raise NonFiniteError as soon as the loss is not finite, before anything is saved.

    In float16 a step whose gradient overflows is skipped and the loss scale halved. A scale below 1 means that no step
    would ever be made again.
    """

    def on_train_batch_end(self, batch, logs=None):
        self._check(logs, "loss")
        if float(getattr(self.model.optimizer, "dynamic_scale", 1.0)) < 1.0:
            raise NonFiniteError(self.config, f"the gradient in float16 at step {self.step}")

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs, "val_loss")

    def _check(self, logs: dict[str, float], name: str) -> None:
        if not math.isfinite(logs[name]):
            values = ", ".join(f"{key} {value}" for key, value in logs.items())
            raise NonFiniteError(self.config, f"{name} at step {self.step} ({values})")


class Saver(RunCallback):
    """Save checkpoints every checkpoint_every steps, at the end of each epoch, and the best one; stop on a signal.

    Attributes:
        stop_requested: this process received SIGINT or SIGTERM.
        stopped: a process of the run received one, and the training ended after a checkpoint.
        validation_due: the epoch of the checkpoint still needs its validation.
        best: the lowest validation score so far.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        self.stop_requested = self.stopped = self.validation_due = False
        self.best = math.inf

    def restore(self, model: SVG) -> bool:
        """Continue from the latest checkpoint of the run; return False if there is none."""
        variables = checkpoints.named_variables(model, training_state=True)
        arrays = checkpoints.restore_latest(self.config.run_dir, variables)
        if arrays is None:
            return False
        self.best = float(arrays.get("progress/best", math.inf))
        self.validation_due = bool(arrays.get("progress/validation_due", False))
        return True

    def score(self, logs: dict[str, float]) -> float:
        """Return the number by which the best checkpoint is chosen; lower is better."""
        return logs["val_loss"] if self.config.best_by == "val_loss" else -logs["val_best_psnr"]

    def on_train_batch_end(self, batch, logs=None):
        self._agree_to_stop()
        self.validation_due = self.step % self.config.steps_per_epoch == 0
        regular = self.step % self.config.checkpoint_every == 0 and not self.validation_due  # saved after validation
        if self.stopped or regular:
            self._save(best=False)

    def on_epoch_end(self, epoch, logs=None):
        score, before = self.score(logs), self.best
        self.validation_due, self.best = False, min(score, before)
        self._save(best=score < before)
        self._agree_to_stop()

    def _agree_to_stop(self) -> None:
        self.stopped = distribution.any_process(self.model.distribute_strategy, self.stop_requested)
        if self.stopped:
            self.model.stop_training = True

    def _save(self, best: bool) -> None:
        variables = checkpoints.named_variables(self.model, training_state=True)
        arrays = {name: variable.numpy() for name, variable in variables.items()}  # metrics need all processes
        if not distribution.is_chief(self.model.distribute_strategy):
            return
        arrays["progress/validation_due"] = np.bool_(self.validation_due)
        if math.isfinite(self.best):  # after the first validation
            arrays["progress/best"] = np.float64(self.best)
        run_dir, step = self.config.run_dir, self.step
        try:
            if best:
                checkpoints.save(os.path.join(checkpoints.folder(run_dir), checkpoints.BEST), arrays)
            checkpoints.save(checkpoints.path_of(run_dir, step), arrays)
        except checkpoints.CheckpointError as error:
            raise NonFiniteError(self.config, str(error).split(" is not finite")[0]) from None
        checkpoints.prune(run_dir, self.config.keep_checkpoints, step)


class EpochLog(RunCallback):
    """Write losses, scores, learning rate, beta and speed of each epoch to logs/epochs.csv and TensorBoard.

    Learning rate and beta are those of the next update, as in Keras' own callbacks. Replaces
    `keras.callbacks.CSVLogger`, which repeats the rows of epochs that are repeated after a crash.
    """

    def __init__(self, config: Config, first_step: int, writer: tf.summary.SummaryWriter):
        super().__init__(config)
        self._path, self._writer = os.path.join(config.run_dir, "logs", "epochs.csv"), writer
        self._rows: list[dict[str, str]] = []
        if os.path.exists(self._path):
            with open(self._path, encoding="utf-8", newline="") as file:
                self._rows = [row for row in csv.DictReader(file) if int(row["step"]) <= first_step]

    def on_epoch_begin(self, epoch, logs=None):
        self._first_step, self._began = self.step, time.monotonic()

    def on_test_begin(self, logs=None):
        clips = (self.step - self._first_step) * self.config.batch_size
        self._clips_per_second = clips / max(time.monotonic() - self._began, 1e-9)

    def on_epoch_end(self, epoch, logs=None):
        step, beta = self.step, self.model.beta
        values = {
            **logs,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "beta": float(beta(self.model.step.value) if callable(beta) else beta),
            "clips_per_second": self._clips_per_second,
        }
        row = {name: str(value) for name, value in {"epoch": epoch + 1, "step": step, **values}.items()}
        self._rows = [old for old in self._rows if int(old["step"]) < step] + [row]
        text = io.StringIO()
        table = csv.DictWriter(text, list(row), extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(self._rows)
        files.write_text(self._path, text.getvalue())
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writer.flush()


class Progress(RunCallback):
    """Show one bar over the whole run, and print the mean losses after each epoch."""

    def __init__(self, config: Config, first_step: int, began: float):
        """began: `time.monotonic()` when the program started."""
        super().__init__(config)
        self._began: float | None = began
        self._bar = progress(total=config.total_steps, initial=first_step, unit="step", desc="train")

    def on_epoch_begin(self, epoch, logs=None):
        self._bar.set_description_str(f"epoch {epoch + 1}/{self.config.epochs}", refresh=False)

    def on_train_batch_end(self, batch, logs=None):
        if self._began is not None:
            self._bar.write(f"first step after {time.monotonic() - self._began:.1f} s")
            self._began = None
        self._bar.set_postfix_str(_losses(logs), refresh=False)
        self._bar.update()

    def on_epoch_end(self, epoch, logs=None):
        self._bar.write(f"epoch {epoch + 1}/{self.config.epochs}: {_losses(logs)}")

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def _losses(logs: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in logs.items())
