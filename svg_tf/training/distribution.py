"""Training on several devices: the strategy of a run, and the state that its processes share."""

import contextlib
import dataclasses
import functools
import json
import os
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator

import tensorflow as tf
from absl import logging

from svg_tf.config import Config, ConfigError
from svg_tf.training import checkpoints

# Errors of TensorFlow when another process no longer answers.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)
# Processes may reach the same files by different paths.
_PER_PROCESS = frozenset({"run_dir", "data_dir", "cache_dir", "connect_timeout"})


class PeerError(RuntimeError):
    """Another process of the run did not start, is gone, or has other flags."""


def make_strategy(config: Config) -> tf.distribute.Strategy:
    """Return the strategy of config.strategy. multi_worker must come before any other use of TensorFlow.

    Raises ConfigError if TF_CONFIG is malformed, or batch_size or jit_compile does not fit the devices, and PeerError
    if another process did not start in time or has other flags.
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
    addresses, index = read_cluster()
    wait_for_peers(addresses, index, config.connect_timeout)
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
    checksum = float(zlib.crc32(state.encode()))
    if any_process(strategy, _sum(strategy, checksum) / strategy.num_replicas_in_sync != checksum):
        raise PeerError(
            "The processes have different flags or different checkpoints. Start all with the same flags and a run_dir "
            "on storage that they share."
        )
    return strategy


def read_cluster() -> tuple[list[str], int]:
    """Return the addresses host:port of all processes and the number of this one, from TF_CONFIG; 0 is the chief."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        value = json.loads(text)
        jobs, task = value["cluster"], value["task"]
        addresses = [address for name in ("chief", "worker") for address in jobs.get(name, ())]
        for address in addresses:
            int(address.rpartition(":")[2])
        return addresses, addresses.index(jobs[task["type"]][task["index"]])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise ConfigError(
            f"TF_CONFIG is {text!r}; strategy=multi_worker needs this environment variable in the form "
            '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}, with a '
            "different host:port for each process and the index of this one."
        ) from None


def wait_for_peers(addresses: list[str], index: int, timeout: float) -> None:
    """Wait until this process has reached all others at their addresses. Raises PeerError after timeout seconds.

    TensorFlow itself waits for a missing process forever and says nothing.
    """
    missing = {number: address for number, address in enumerate(addresses) if number != index}
    end, port = time.monotonic() + timeout, int(addresses[index].rpartition(":")[2])
    logging.info("process %d waits up to %g s for %d others", index, timeout, len(missing))
    both, family = (True, socket.AF_INET6) if socket.has_dualstack_ipv6() else (False, socket.AF_INET)
    try:
        listener = socket.create_server(("", port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise PeerError(f"Port {port} of this process in TF_CONFIG is not free ({error.strerror}).") from None
    with listener:  # until the server of TensorFlow answers at this port
        while missing and time.monotonic() < end:
            for number, address in list(missing.items()):
                host, _, peer_port = address.rpartition(":")
                with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(peer_port)), 1):
                    del missing[number]
            time.sleep(0.2)
    if missing:
        names = ", ".join(f"process {number} ({address})" for number, address in missing.items())
        raise PeerError(
            f"{names} did not start within {timeout:g} s. Start all processes, check that TF_CONFIG and the network "
            "let them reach each other, or raise --connect_timeout."
        )


def _sum(strategy: tf.distribute.Strategy, value: float) -> float:
    """Return the sum over all replicas of all processes."""
    return float(_sum_function(strategy)(tf.constant(value, tf.float64)))


@functools.cache
def _sum_function(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    def total(value: tf.Tensor) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(tf.identity, (value,)), axis=None)

    return tf.function(total, autograph=False)


def _has_peers(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
