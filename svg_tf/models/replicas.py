"""The replicas that share a batch, as one of them sees it.

Without a strategy there is one replica, and all of this changes nothing.
"""

import tensorflow as tf


def count() -> int:
    """How many replicas share the batch, R; 1 outside of `strategy.run`."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def average(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """The mean over the replicas of each float tensor; all replicas get the same numbers."""
    if count() == 1:
        return tensors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tensors)


def gather(tensor: tf.Tensor) -> tf.Tensor:
    """All replicas' tensors of one shape, one after the other: float [...] -> [R, ...]."""
    context = tf.distribute.get_replica_context()
    mine = tf.one_hot(context.replica_id_in_sync_group, count(), dtype=tensor.dtype)
    # A sum, whose shape is known beforehand: all_gather asks around for the shapes first.
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.tensordot(mine, tensor, axes=0))


def own_share(noise: tf.Tensor, parts: int) -> tf.Tensor:
    """This replica's clips, of noise drawn for the whole batch: float [T, R * B, Z] -> [T, B, Z].

    A batch that is trained in parts has clips of each replica in each part, in the order of the replicas.
    """
    if count() == 1:
        return noise
    steps, size = noise.shape[0], noise.shape[-1]
    shares = tf.reshape(noise, [steps, parts, count(), -1, size])
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    return tf.reshape(shares[:, :, replica], [steps, -1, size])
