"""What a run writes of itself after each epoch: a CSV, TensorBoard scalars, pictures of futures."""

import csv
import io
import os
import time

import keras
import numpy as np
import tensorflow as tf

from svg_tf import files, noise, rollout, visualization
from svg_tf.config import Config
from svg_tf.training import schedules
from svg_tf.visualization import Row


class EpochLog(keras.callbacks.Callback):
    """logs/epochs.csv and TensorBoard scalars: losses, learning rate, beta and speed of every epoch.

    Rows after `first_step` belong to steps that a crash undid; they are dropped, and written again when made again.
    """

    def __init__(self, config: Config, first_step: int):
        super().__init__()
        self._config = config
        self._path = os.path.join(config.run_dir, "logs", "epochs.csv")
        self._rows = [row for row in _read_rows(self._path) if int(row["step"]) <= first_step]
        self._writer = tf.summary.create_file_writer(os.path.join(config.run_dir, "logs"))
        self._steps, self._began, self._trained_seconds = 0, 0.0, 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._steps, self._began = 0, time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1

    def on_test_begin(self, logs=None):
        self._trained_seconds = time.monotonic() - self._began

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.updates.numpy())
        clips = self._steps * self._config.batch_size
        row = {
            "epoch": epoch + 1,
            "step": step,
            **logs,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "beta": float(schedules.beta_at(self._config, tf.constant(step))),
            "clips_per_second": clips / self._trained_seconds,
        }
        self._rows.append({name: str(value) for name, value in row.items()})
        text = io.StringIO()
        table = csv.DictWriter(text, list(row), lineterminator="\n")
        table.writeheader()
        table.writerows(self._rows)
        files.write_text(self._path, text.getvalue())
        with self._writer.as_default(step=step):
            for name, value in row.items():
                if name not in ("epoch", "step"):
                    tf.summary.scalar(name, value)
        self._writer.flush()


class Previews(keras.callbacks.Callback):
    """samples/epoch_0001.gif and .png after each epoch, in TensorBoard too: futures of fixed validation clips."""

    def __init__(self, config: Config, clips: np.ndarray):
        """clips: uint8 [B, T, H, W, C], validation clips to show."""
        super().__init__()
        self._config = config
        self._clips = clips
        self._writer = tf.summary.create_file_writer(os.path.join(config.run_dir, "logs"))

    def on_epoch_end(self, epoch, logs=None):
        config = self._config
        seeds = noise.sample_seeds(config.seed, range(len(self._clips)), config.n_samples)
        context = self._clips[:, : config.n_past]
        samples = rollout.generate(self.model, context, config.n_future, seeds).frames.numpy()
        clips = []
        for index, clip in enumerate(self._clips):
            futures = [np.concatenate([context[index] / 255.0, future]) for future in samples[:, index]]
            rows = [Row(f"Sample {number}", future, "prediction") for number, future in enumerate(futures, start=1)]
            clips.append([Row("Truth", clip, "truth"), *rows])
        base = os.path.join(config.run_dir, "samples", f"epoch_{epoch + 1:04d}")
        images = visualization.animation(clips, config.n_past)
        visualization.write_gif(f"{base}.gif", images)
        strip = visualization.strip(clips[0], config.n_past)
        visualization.write_png(f"{base}.png", strip)
        step = int(self.model.updates.numpy())
        with self._writer.as_default(step=step):
            tf.summary.image("strip", np.asarray(strip.convert("RGB"))[np.newaxis])
            summary = tf.compat.v1.Summary()
            value = summary.value.add(tag="futures")
            value.metadata.plugin_data.plugin_name = "images"
            value.image.encoded_image_string = visualization.gif_bytes(images)
            value.image.width, value.image.height = images[0].size
            tf.summary.experimental.write_raw_pb(summary.SerializeToString())
        self._writer.flush()


def _read_rows(path: str) -> list[dict[str, str]]:
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
