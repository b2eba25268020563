"""Where the processes of a run meet before TensorFlow connects them.

TensorFlow waits for a process that never comes without end and without a word, and trains whatever configurations come
together. So process 0 listens at its own address until all others have said who they are and what they are about to
do, and lets all go at once.
"""

import contextlib
import json
import os
import socket
import time
from typing import Any, NamedTuple

from absl import logging

from svg_tf.config import ConfigError

_PATIENCE = 2.0  # seconds that a greeting may take
_PAUSE = 0.2  # seconds between two looks


class PeerError(RuntimeError):
    """The other processes of a run are not there, are gone or do something else."""


class Cluster(NamedTuple):
    """The processes of a run, of which process 0 is the chief, and which of them this is."""

    addresses: tuple[str, ...]  # host:port
    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody asks of a cluster

    @classmethod
    def from_environment(cls) -> "Cluster":
        """As TF_CONFIG says: {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.

        A chief, where there is one, comes before the workers.

        Raises:
            ConfigError: TF_CONFIG is missing or wrong.
        """
        text = os.environ.get("TF_CONFIG", "")
        try:
            value = json.loads(text)
            jobs = {job: list(addresses) for job, addresses in value["cluster"].items()}
            job, index = value["task"]["type"], value["task"]["index"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(
                f"strategy=multi_worker needs the environment variable TF_CONFIG, which is {text!r}, to be like "
                '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
            ) from None
        if not set(jobs) <= {"chief", "worker"} or len(jobs.get("chief", ())) > 1:
            raise ConfigError(f"TF_CONFIG has the jobs {', '.join(jobs)}, but there are workers and at most one chief")
        if type(index) is not int or not 0 <= index < len(jobs.get(job, ())):
            raise ConfigError(f"TF_CONFIG says that this is {job} {index!r}, but its cluster is {json.dumps(jobs)}")
        addresses = (*jobs.get("chief", ()), *jobs.get("worker", ()))
        for address in addresses:
            host, _, port = str(address).rpartition(":")
            if not host or not (port.isdecimal() and 0 < int(port) < 2**16) or addresses.count(address) > 1:
                raise ConfigError(f"TF_CONFIG has the address {address!r}, but each must be a host:port of its own")
        return cls(addresses, index + (len(jobs.get("chief", ())) if job == "worker" else 0))


def meet(cluster: Cluster, terms: dict[str, Any], timeout: float) -> None:
    """Returns as soon as all processes of the cluster are here, at the same time and with the same terms.

    Args:
        cluster: the processes.
        terms: what must be the same everywhere, by name; values fit for JSON.
        timeout: seconds to wait for the others.

    Raises:
        PeerError: they were not here in time, or their terms differ.
    """
    if len(cluster.addresses) == 1:
        return
    end = time.monotonic() + timeout
    logging.info(
        "process %d of %d waits for the others, for up to %g s", cluster.index, len(cluster.addresses), timeout
    )
    try:
        if cluster.index == 0:
            _gather(cluster, terms, end)
        else:
            _join(cluster, terms, end)
    except TimeoutError as error:
        raise PeerError(
            f"{error} within {timeout:g} s; start all processes, see that TF_CONFIG and the network let them reach "
            "each other, or raise --connect_timeout"
        ) from None


def _gather(cluster: Cluster, terms: dict[str, Any], end: float) -> None:
    """Process 0's side."""
    port = int(cluster.addresses[0].rpartition(":")[2])
    here: dict[int, socket.socket] = {}
    verdict = "process 0 ended"
    try:
        with socket.create_server(("", port)) as listener:
            listener.settimeout(_PAUSE)
            while missing := [index for index in range(1, len(cluster.addresses)) if index not in here]:
                if time.monotonic() > end:
                    names = ", ".join(f"process {index} ({cluster.addresses[index]})" for index in missing)
                    raise TimeoutError(f"{names} did not come")
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    _welcome(connection, cluster, terms, here)
                for index in [index for index, connection in here.items() if _is_closed(connection)]:
                    here.pop(index).close()
        verdict = "go"
    except (PeerError, TimeoutError) as error:
        verdict = str(error)
        raise
    except OSError as error:
        raise PeerError(f"TF_CONFIG gives process 0 the port {port}, which cannot be used: {error.strerror}") from None
    finally:
        for connection in here.values():
            with contextlib.suppress(OSError), connection:
                _send(connection, {"verdict": verdict})


def _welcome(
    connection: socket.socket, cluster: Cluster, terms: dict[str, Any], here: dict[int, socket.socket]
) -> None:
    greeting = _receive(connection, _PATIENCE)
    index = greeting.get("process")
    if type(index) is not int or not 0 < index < len(cluster.addresses):
        connection.close()  # whoever that was
        return
    if index in here:
        here.pop(index).close()  # it was started again
    here[index] = connection
    theirs = greeting.get("terms", {})
    for name in sorted(set(terms) | set(theirs)):
        if terms.get(name) != theirs.get(name):
            raise PeerError(
                f"process {index} has {name}={theirs.get(name)}, but process 0 has {name}={terms.get(name)}; start "
                "all with the same flags, the same version and one run_dir that they share"
            )


def _join(cluster: Cluster, terms: dict[str, Any], end: float) -> None:
    """The other processes' side."""
    host, _, port = cluster.addresses[0].rpartition(":")
    failure = f"process 0 ({cluster.addresses[0]}) was not reached"
    while (left := end - time.monotonic()) > 0:
        verdict = None
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host.strip("[]"), int(port)), timeout=left) as connection,
        ):
            _send(connection, {"process": cluster.index, "terms": terms})
            verdict = _receive(connection, left).get("verdict")
        if verdict == "go":
            return
        if verdict is not None:
            raise PeerError(f"process 0 says: {verdict}")
        time.sleep(_PAUSE)
    raise TimeoutError(failure)


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket, seconds: float) -> dict[str, Any]:
    """The next line's message; empty where none comes that is one."""
    connection.settimeout(seconds)
    with contextlib.suppress(OSError, ValueError), connection.makefile("rb") as file:
        message = json.loads(file.readline(1 << 16))
        return message if isinstance(message, dict) else {}
    return {}


def _is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
