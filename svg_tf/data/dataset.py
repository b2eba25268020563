"""Batches of clips for training, validation and test."""

from typing import Any

import tensorflow as tf

from svg_tf import registry
from svg_tf.config import Config
from svg_tf.data.errors import DataError
from svg_tf.data.windows import SPLITS

TEST_CLIPS = 1_000


def make_dataset(
    config: Config,
    split: str,
    first_step: int = 0,
    n_clips: int | None = None,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Return a dataset of uint8 batches [B, T, H, W, C]; batch i consists of the clips i*B to i*B + B-1.

    B is config.batch_size; T is config.n_eval in the test split and config.n_frames in the others. A batch depends
    only on its number, the split and, in training, config.seed.

    Args:
        config: configuration of the run.
        split: train, validation or test.
        first_step: number of the first batch; a run resumed at step k passes first_step=k.
        n_clips: total number of clips; the last batch may be smaller. Default: infinite for train, validation_steps
            batches for validation, 1,000 clips for test. A test split that has fewer clips ends with them.
        context: the input pipeline of one process out of several that share each batch between R replicas. The process
            gets only the clips of its own replicas, one batch of B / R clips per replica. Default: whole batches.

    Raises:
        DataError: the split is unknown, or data is missing or damaged.
    """
    source = make_source(config, split)
    if split == "test":
        n_clips = count_test_clips(source, n_clips)
    elif n_clips is None and split == "validation":
        n_clips = config.validation_steps * config.batch_size
    start = first_step * config.batch_size
    indices = tf.data.Dataset.counter(start) if n_clips is None else tf.data.Dataset.range(start, n_clips)
    whole = n_clips is None or n_clips % config.batch_size == 0
    batches = indices.batch(config.batch_size, drop_remainder=whole)  # int64 [B]
    if context is not None and context.num_replicas_in_sync > 1:
        replicas = context.num_replicas_in_sync
        local = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * local
        batches = batches.map(lambda batch: tf.reshape(batch, [replicas, -1])[first : first + local])
        batches = batches.unbatch()  # int64 [B / R]
    return batches.map(source.frames, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def make_source(config: Config, split: str) -> Any:
    """Return the source of a split's clips: an instance of the class that registry.DATASETS names."""
    if split not in SPLITS:
        raise DataError(f"split is {split!r}; it must be one of {', '.join(SPLITS)}")
    return registry.load(registry.DATASETS[config.dataset])(config, split)


def count_test_clips(source: Any, n_clips: int | None = None) -> int:
    """Return the number of test clips: n_clips, by default 1,000, or all of a source that has fewer distinct ones."""
    wanted = n_clips or TEST_CLIPS
    return min(wanted, getattr(source, "test_clips", wanted))
