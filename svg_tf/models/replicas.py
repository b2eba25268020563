"""Helpers for code that runs in each replica of a `tf.distribute` strategy; without a strategy there is one replica."""

import tensorflow as tf


def count() -> int:
    """Return the number of replicas that share a batch; 1 outside `strategy.run`."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def average(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """Return the mean over the replicas of each float tensor."""
    if count() == 1:
        return tensors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tensors)


def own_share(noise: tf.Tensor) -> tf.Tensor:
    """Return this replica's part of noise for the whole batch: float [T, R * B, Z] -> [T, B, Z]."""
    if count() == 1:
        return noise
    parts = tf.reshape(noise, [noise.shape[0], count(), -1, noise.shape[-1]])
    return parts[:, tf.distribute.get_replica_context().replica_id_in_sync_group]
