"""Training on several devices: the strategy of a run, and the state that its processes share."""

import contextlib
import dataclasses
import functools
import json
import os
import re
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import tensorflow as tf
from absl import logging

from svg_tf.config import Config, ConfigError
from svg_tf.training import checkpoints

# Errors of TensorFlow when another process no longer answers.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)
# Processes may reach the same files by different paths.
_PER_PROCESS = frozenset({"run_dir", "data_dir", "cache_dir", "connect_timeout"})
_PAUSE = 0.2  # seconds between two attempts to reach a peer


class PeerError(RuntimeError):
    """Another process of the run did not start, is gone, or has other flags."""


class Cluster(NamedTuple):
    """The processes of a run and the number of this one; process 0 is the chief."""

    addresses: tuple[str, ...]  # host:port
    index: int  # type: ignore[assignment]  # shadows tuple.index

    @classmethod
    def from_environment(cls) -> "Cluster":
        """Read the environment variable TF_CONFIG. Raises ConfigError if it is missing or malformed."""
        text = os.environ.get("TF_CONFIG", "")
        try:
            value = json.loads(text)
            jobs, job, index = value["cluster"], value["task"]["type"], value["task"]["index"]
            addresses = tuple(address for name in ("chief", "worker") for address in jobs.get(name, ()))
            well_formed = all(re.fullmatch(r".+:\d{1,5}", address) for address in addresses)
            if not well_formed or len(set(addresses)) < len(addresses) or set(jobs) - {"chief", "worker"}:
                raise ValueError
            return cls(addresses, addresses.index(jobs[job][index]))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise ConfigError(
                f"TF_CONFIG is {text!r}; strategy=multi_worker needs this environment variable in the form "
                '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}, with a '
                "different host:port for each process and the index of this one."
            ) from None


def make_strategy(config: Config) -> tf.distribute.Strategy:
    """Return the strategy of config.strategy. multi_worker must come before any other use of TensorFlow.

    Raises:
        ConfigError: TF_CONFIG is malformed, or batch_size or jit_compile does not fit the devices.
        PeerError: another process did not start in time, or has other flags.
    """
    if config.strategy == "none":
        return tf.distribute.get_strategy()
    tf.get_logger().setLevel("WARNING")  # it lists the devices several times
    strategy = _mirrored() if config.strategy == "mirrored" else _connect(config)
    devices, parts = strategy.num_replicas_in_sync, config.gradient_accumulation_steps
    if config.batch_size % (parts * devices):
        raise ConfigError(
            f"batch_size is {config.batch_size}; it must be a multiple of {parts * devices}, for {devices} devices and "
            f"gradient_accumulation_steps={parts}."
        )
    if config.jit_compile == "true" and strategy is not tf.distribute.get_strategy():
        raise ConfigError(
            f"jit_compile=true does not work with the {devices} devices of strategy={config.strategy}, because XLA "
            "cannot compile their exchange of gradients here; use auto or false."
        )
    logging.info("%s: %d devices, %d clips each", config.strategy, devices, config.batch_size // devices)
    return strategy


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Return whether this process writes the files of the run."""
    return not _has_peers(strategy) or Cluster.from_environment().index == 0


def any_process(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Return whether the flag is set in any process; all processes must call this at the same point."""
    return _sum(strategy, float(flag)) > 0 if _has_peers(strategy) else flag


@contextlib.contextmanager
def peers_needed(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Turn TensorFlow's errors about a lost process into a PeerError."""
    try:
        yield
    except _LOST as error:
        if not _has_peers(strategy):
            raise
        raise PeerError("Another process is gone. Start all again to continue from the latest checkpoint.") from error


@functools.cache
def _mirrored() -> tf.distribute.Strategy:
    """Return the only MirroredStrategy of the process: TensorFlow confuses the exchanges of two."""
    strategy = tf.distribute.MirroredStrategy()
    return strategy if strategy.num_replicas_in_sync > 1 else tf.distribute.get_strategy()


def _connect(config: Config) -> tf.distribute.Strategy:
    cluster = Cluster.from_environment()
    wait_for_peers(cluster, config.connect_timeout)
    # If a peer is lost now, TensorFlow waits forever and blocks Python, so the system has to end this process.
    signal.setitimer(signal.ITIMER_REAL, config.connect_timeout)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))  # TensorFlow's handler ignores the signal
    same = {name: value for name, value in dataclasses.asdict(config).items() if name not in _PER_PROCESS}
    state = json.dumps([same, checkpoints.steps(config.run_dir)[-1:]])
    checksum, chief = float(zlib.crc32(state.encode())), float(cluster.index == 0)
    if any_process(strategy, _sum(strategy, checksum * chief) / _sum(strategy, chief) != checksum):
        raise PeerError(
            "The processes have different flags or different checkpoints. Start all with the same flags and a run_dir "
            "on storage that they share."
        )
    return strategy


def wait_for_peers(cluster: Cluster, timeout: float) -> None:
    """Wait until this process has reached all others of the cluster at their addresses, and they have reached it.

    TensorFlow itself waits for a missing process forever and says nothing.

    Raises:
        PeerError: a process did not start in time, or this one cannot listen at its address.
    """
    missing = {number: address for number, address in enumerate(cluster.addresses) if number != cluster.index}
    end, awaited = time.monotonic() + timeout, len(missing)
    port, both = int(cluster.addresses[cluster.index].rpartition(":")[2]), socket.has_dualstack_ipv6()
    logging.info("process %d waits up to %g s for %d others", cluster.index, timeout, awaited)
    try:
        family = socket.AF_INET6 if both else socket.AF_INET
        listener = socket.create_server(("", port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise PeerError(
            f"TF_CONFIG gives this process the port {port}, which is not free ({error.strerror})."
        ) from None
    with listener:
        listener.settimeout(_PAUSE)
        while (missing or awaited > 0) and time.monotonic() < end:
            for number, address in list(missing.items()):
                host, _, peer_port = address.rpartition(":")
                with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(peer_port)), 1):
                    del missing[number]
            with contextlib.suppress(TimeoutError):
                listener.accept()[0].close()
                awaited -= 1
    if missing or awaited > 0:
        names = ", ".join(f"process {number} ({address})" for number, address in missing.items())
        raise PeerError(
            f"{names or 'a process that reaches this one'} did not start within {timeout:g} s. Start all processes, "
            "check that TF_CONFIG and the network let them reach each other, or raise --connect_timeout."
        )


def _sum(strategy: tf.distribute.Strategy, value: float) -> float:
    """Return the sum of a number over all replicas of all processes."""
    return float(_sum_function(strategy)(tf.constant(value, tf.float64)))


@functools.cache
def _sum_function(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(autograph=False)
    def total(value: tf.Tensor) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(tf.identity, (value,)), axis=None)

    return total


def _has_peers(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
