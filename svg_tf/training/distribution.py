"""More than one device: the strategy that a run trains by, and what its processes agree on."""

import contextlib
import dataclasses
import functools
import signal
from collections.abc import Callable, Iterator

import tensorflow as tf
from absl import logging

from svg_tf.config import Config, ConfigError
from svg_tf.training import checkpoints, rendezvous
from svg_tf.training.rendezvous import Cluster, PeerError

# What TensorFlow raises where another process stopped to answer.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
# Each process may reach the same files by a path of its own.
_OF_A_PROCESS = frozenset({"run_dir", "data_dir", "cache_dir", "connect_timeout"})


def make_strategy(config: Config) -> tf.distribute.Strategy:
    """The strategy of config.strategy; in a program that did not use TensorFlow before, where it is multi_worker.

    Raises:
        ConfigError: TF_CONFIG is wrong, or batch_size or jit_compile does not go with that many devices.
        PeerError: the other processes did not come in time, or are about to do something else.
    """
    if config.strategy == "none":
        return tf.distribute.get_strategy()
    tf.get_logger().setLevel("WARNING")  # it tells of every device several times over
    strategy = _mirrored() if config.strategy == "mirrored" else _connect(config)
    devices = strategy.num_replicas_in_sync
    if config.batch_size % (config.accumulation * devices):
        parts = f" in each of accumulation={config.accumulation} parts" if config.accumulation > 1 else ""
        raise ConfigError(
            f"batch_size is {config.batch_size}, but must be a multiple of the {devices} devices that "
            f"strategy={config.strategy} shares it among{parts}"
        )
    if config.jit_compile == "true" and strategy is not tf.distribute.get_strategy():
        raise ConfigError(
            f"jit_compile=true compiles the program of one device by itself, but strategy={config.strategy} has "
            f"{devices} that wait for each other within a step; say auto or false"
        )
    logging.info("%s: %d clips for each of %d devices", config.strategy, config.batch_size // devices, devices)
    return strategy


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this is the process that writes."""
    return not _has_peers(strategy) or Cluster.from_environment().index == 0


def any_process(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Whether a process has the flag set; each has to ask at the same point."""
    if not _has_peers(strategy):
        return flag
    return bool(_sum_over_replicas(strategy)(tf.constant(float(flag))) > 0)


@contextlib.contextmanager
def peers_needed(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Where another process may be lost: says so, in place of TensorFlow's errors.

    Raises:
        PeerError: another process is gone.
    """
    try:
        yield
    except _LOST as error:
        if not _has_peers(strategy):
            raise
        raise PeerError("another process is gone; start all again to go on from the latest checkpoint") from error


@functools.cache
def _mirrored() -> tf.distribute.Strategy:
    """One for the process: TensorFlow numbers the exchanges of each from 0, and mistakes those of two."""
    strategy = tf.distribute.MirroredStrategy()
    return strategy if strategy.num_replicas_in_sync > 1 else tf.distribute.get_strategy()


def _connect(config: Config) -> tf.distribute.Strategy:
    cluster = Cluster.from_environment()
    terms = {name: value for name, value in dataclasses.asdict(config).items() if name not in _OF_A_PROCESS}
    steps = checkpoints.steps(config.run_dir)
    rendezvous.meet(cluster, {**terms, "the latest checkpoint": steps[-1] if steps else None}, config.connect_timeout)
    # Should a process be lost now, TensorFlow waits for it without end and keeps Python from running meanwhile, so it
    # is the system that ends this one.
    signal.setitimer(signal.ITIMER_REAL, config.connect_timeout)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    # In place of a handler of TensorFlow's, by which SIGTERM has no effect.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy


@functools.cache
def _sum_over_replicas(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(autograph=False)
    def total(value: tf.Tensor) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(tf.identity, (value,)), axis=None)

    return total


def _has_peers(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
