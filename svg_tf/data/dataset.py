"""Batches of clips for training, validation and test."""

from typing import Any

import tensorflow as tf

from svg_tf import registry
from svg_tf.config import Config

TEST_CLIPS = 1_000


def make_dataset(
    config: Config,
    split: str,
    first_step: int = 0,
    n_clips: int | None = None,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Batches of uint8 frames [B, T, H, W, C], B = config.batch_size, batch i made of the clips i*B to i*B+B-1.

    Clips have n_frames frames in training and validation, n_eval in the test. A batch is a pure function of its
    number, the split and, in training, config.seed; order and content do not depend on the threads that make it.

    Args:
        config: the run's configuration.
        split: train, validation or test.
        first_step: number of the first batch: a run resumed at step k goes on with first_step=k.
        n_clips: clips in all, the last batch being smaller if need be; default: without end for train,
            validation_steps batches for validation, and for test 1,000. A test that has fewer clips ends with them.
        context: of a process that feeds some of the R replicas that share each batch, whose B / R clips follow the
            replica's number in each of the config.accumulation parts of the batch. It makes its own replicas' clips
            only, one replica's after the other's; default: whole batches.

    Raises:
        DataError: the split is unknown, or data is missing or damaged.
    """
    source = make_source(config, split)
    if split == "test":
        there = getattr(source, "test_clips", None)
        n_clips = min(count for count in (n_clips or TEST_CLIPS, there) if count is not None)
    elif n_clips is None and split == "validation":
        n_clips = config.validation_steps * config.batch_size
    start = first_step * config.batch_size
    indices = tf.data.Dataset.counter(start) if n_clips is None else tf.data.Dataset.range(start, n_clips)
    whole = n_clips is None or n_clips % config.batch_size == 0
    batches = indices.batch(config.batch_size, drop_remainder=whole)  # int64 [B]
    if context is not None and context.num_replicas_in_sync > 1:
        batches = batches.map(lambda batch: _own_shares(batch, config, context)).unbatch()  # int64 [B / R]
    return batches.map(source.frames, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def _own_shares(batch: tf.Tensor, config: Config, context: tf.distribute.InputContext) -> tf.Tensor:
    """The clips of a process' replicas: indices int64 [B] -> [replicas of this process, B / R]."""
    replicas = context.num_replicas_in_sync
    shares = tf.transpose(tf.reshape(batch, [config.accumulation, replicas, -1]), [1, 0, 2])
    local = replicas // context.num_input_pipelines
    first = context.input_pipeline_id * local
    return tf.reshape(shares, [replicas, config.batch_size // replicas])[first : first + local]


def make_source(config: Config, split: str) -> Any:
    """The source of the clips of a split; see make_dataset."""
    return registry.load(registry.DATASETS[config.dataset])(config, split)
