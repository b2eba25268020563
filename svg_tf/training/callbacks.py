"""Callbacks of a run: scores and pictures of futures, checks, checkpoints, logs and progress."""

import csv
import io
import math
import os
import time

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from svg_tf import files, noise, rollout, visualization
from svg_tf.config import Config
from svg_tf.metrics.psnr import psnr
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints, distribution
from svg_tf.visualization import Row

_SCORED_CLIPS = 8
_SHOWN_CLIPS = 3


class NonFiniteError(ArithmeticError):
    """A loss or a weight is not finite; the message names the last good checkpoint."""

    def __init__(self, config: Config, what: str):
        saved = checkpoints.steps(config.run_dir)
        last = checkpoints.path_of(config.run_dir, saved[-1]) if saved else "missing"
        super().__init__(
            f"{what} is not finite; the last good checkpoint is {last}. Use a lower --learning_rate or a --clip_norm "
            "in a new --run_dir."
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
    """Draw futures of a few validation clips, uint8 [B, T, H, W, C], after each epoch, score them and show some.

    Adds val_best_psnr and val_mean_psnr to the logs of the epoch, for the callbacks after this one: the PSNR of the
    best and of an average future. The loss is teacher-forced and does not see how futures drift. With a writer, the
    pictures go to samples/epoch_0001.gif and .png and to TensorBoard.
    """

    def __init__(self, config: Config, clips: np.ndarray, writer: tf.summary.SummaryWriter | None = None):
        super().__init__(config)
        self._clips, self._writer = clips[:_SCORED_CLIPS], writer

    def on_epoch_end(self, epoch, logs=None):
        n_past = self.config.n_past
        seeds = noise.sample_seeds(self.config.seed, range(len(self._clips)), self.config.n_samples)
        futures = rollout.generate(self.model, self._clips[:, :n_past], self.config.n_future, seeds).frames.numpy()
        truth = self._clips[:, np.newaxis, n_past:] / np.float32(255)  # [B, 1, T, H, W, C]
        scores = np.mean(psnr(truth, futures).numpy(), axis=2, dtype=np.float64)  # [B, S]
        logs.update(val_best_psnr=float(scores.max(axis=1).mean()), val_mean_psnr=float(scores.mean()))
        writer, clips = self._writer, []
        if writer is None:
            return
        for clip, samples in zip(self._clips[:_SHOWN_CLIPS], futures, strict=False):
            clips.append([Row("Truth", clip, "truth")])
            for number, sample in enumerate(samples, start=1):
                clips[-1].append(Row(f"Sample {number}", np.concatenate([clip[:n_past] / np.float32(255), sample])))
        base = os.path.join(self.config.run_dir, "samples", f"epoch_{epoch + 1:04d}")
        strip = visualization.strip(clips[0], n_past)
        visualization.write_gif(f"{base}.gif", visualization.animation(clips, n_past))
        visualization.write_png(f"{base}.png", strip)
        with writer.as_default(step=self.step):
            tf.summary.image("futures", np.asarray(strip.convert("RGB"))[np.newaxis])


class FiniteLoss(RunCallback):
    """Raise NonFiniteError as soon as the loss is not finite, before anything is saved.

    In float16 a step whose gradient overflows is skipped and the loss scale halved. A scale below 1 means that no step
    would ever be made again.
    """

    def on_train_batch_end(self, batch, logs=None):
        self._check(logs)
        if float(getattr(self.model.optimizer, "dynamic_scale", 1.0)) < 1.0:
            raise NonFiniteError(self.config, f"the gradient in float16 at step {self.step}")

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs)

    def _check(self, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            if not math.isfinite(value):
                raise NonFiniteError(self.config, f"{name} at step {self.step}")


class Saver(RunCallback):
    """Save checkpoints every checkpoint_every steps, at the end of each epoch, and the best one; stop on a signal."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.stop_requested = False  # by a signal to this process
        self.stopped = False  # by a signal to any process of the run
        self.validation_due = False  # after the last step of an epoch
        self.best = math.inf  # the lowest validation score so far

    def restore(self, model: SVG) -> bool:
        """Continue from the latest checkpoint of the run; return False if there is none."""
        variables = checkpoints.named_variables(model, training_state=True)
        arrays = checkpoints.restore_latest(self.config.run_dir, variables)
        if arrays is None:
            return False
        self.best = float(arrays.get("progress/best", math.inf))
        self.validation_due = bool(arrays.get("progress/validation_due", False))
        return True

    def on_train_batch_end(self, batch, logs=None):
        self._agree_to_stop()
        self.validation_due = self.step % self.config.steps_per_epoch == 0
        regular = self.step % self.config.checkpoint_every == 0 and not self.validation_due  # saved after validation
        if self.stopped or regular:
            self._save(best=False)

    def on_epoch_end(self, epoch, logs=None):
        score = logs["val_loss"] if self.config.best_by == "val_loss" else -logs["val_best_psnr"]
        improved, self.validation_due = score < self.best, False
        self.best = min(score, self.best)
        self._save(best=improved)
        self._agree_to_stop()

    def _agree_to_stop(self) -> None:
        self.stopped = distribution.any_process(self.model.distribute_strategy, self.stop_requested)
        if self.stopped:
            self.model.stop_training = True

    def _save(self, best: bool) -> None:
        variables = checkpoints.named_variables(self.model, training_state=True)
        arrays = {name: variable.numpy() for name, variable in variables.items()}  # metrics need all processes
        if not self.model.distribute_strategy.extended.should_checkpoint:  # the chief does
            return
        arrays["progress/validation_due"] = np.bool_(self.validation_due)
        if math.isfinite(self.best):  # after the first validation
            arrays["progress/best"] = np.float64(self.best)
        for name, array in arrays.items():
            if not np.all(np.isfinite(array)):
                raise NonFiniteError(self.config, name)
        run_dir, step = self.config.run_dir, self.step
        if best:
            checkpoints.save(os.path.join(checkpoints.folder(run_dir), checkpoints.BEST), arrays)
        checkpoints.save(checkpoints.path_of(run_dir, step), arrays)
        checkpoints.prune(run_dir, self.config.keep_checkpoints, step)


class EpochLog(RunCallback):
    """Write losses, scores, learning rate, beta and speed of each epoch to logs/epochs.csv and TensorBoard.

    Replaces `keras.callbacks.CSVLogger`, which repeats the rows of epochs that are repeated after a crash.
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
            "learning_rate": float(self.model.optimizer.learning_rate.numpy()),
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
    """Show the steps of the whole run in a bar, and print the mean losses after each epoch."""

    def __init__(self, config: Config, bar: tqdm, began: float):
        super().__init__(config)
        self._bar, self._began = bar, began

    def on_epoch_begin(self, epoch, logs=None):
        self._bar.set_description_str(f"epoch {epoch + 1}/{self.config.epochs}", refresh=False)

    def on_train_batch_end(self, batch, logs=None):
        if self._bar.n == self._bar.initial:
            self._bar.write(f"first step after {time.monotonic() - self._began:.1f} s")
        self._bar.set_postfix_str(_losses(logs), refresh=False)
        self._bar.update()

    def on_epoch_end(self, epoch, logs=None):
        self._bar.write(f"epoch {epoch + 1}/{self.config.epochs}: {_losses(logs)}")


def _losses(logs: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in logs.items())
