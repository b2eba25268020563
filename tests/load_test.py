"""Measures an exported model under load: python export/load_test.py --run_dir=runs/demo

Runs the C++ runtime in this process, then a loopback server over gRPC and REST, without and with merging of requests;
or a server that is there, --server=localhost:8500. Every client checks that the frames it gets are its own.
"""

import contextlib
import os
import sys
from collections.abc import Iterator

from absl import flags

from svg_tf.cli import flags as command
from svg_tf.serving.error import ExportError

_RUN_DIR = flags.DEFINE_string("run_dir", None, "folder of the run that was exported", required=True)
_VERSION = flags.DEFINE_integer("version", 0, "exported version; 0 is the latest", lower_bound=0)
_CLIENTS = flags.DEFINE_list("clients", ["1", "8", "64"], "numbers of clients at once, 1 or more each")
_REQUESTS = flags.DEFINE_integer("requests", 128, "requests of all clients together, at least one each", lower_bound=1)
_N_SAMPLES = flags.DEFINE_integer("n_samples", 2, "futures in a request", lower_bound=1)
_WRONG_EVERY = flags.DEFINE_integer(
    "wrong_every",
    8,
    "every n-th request of a client is wrong and must be refused; 0 sends none. Not where requests are merged",
    lower_bound=0,
)
_SERVER = flags.DEFINE_string("server", "", "host:port of the gRPC interface of a running server; empty: see above")
_MODEL = flags.DEFINE_string("model", "svg", "name of the model on --server")
_TARGETS = ("C++ runtime", "gRPC", "REST", "gRPC, merging")


def main() -> None:
    """Parses, measures and prints a table."""
    if not all(count.isdigit() and int(count) > 0 for count in _CLIENTS.value):
        raise ExportError(f"clients is {','.join(_CLIENTS.value)}, but must be numbers of 1 or more")
    from svg_tf.serving import versions

    base = os.path.join(_RUN_DIR.value, "export")
    version = _VERSION.value or versions.latest(base)
    folder = os.path.join(base, str(version))
    if not os.path.isdir(folder):
        raise ExportError(f"{base} has no version to load; export the run with export/saved_model.py")
    import load
    from cpp_runtime import CppRuntimeError, SavedModel, disable_xla

    disable_xla()
    counts = sorted({int(count) for count in _CLIENTS.value})
    runtime = SavedModel(folder)
    sizes = runtime.signatures[load.SIGNATURE].inputs["context"].shape[1:]
    shape = tuple(size for size in sizes if size is not None)  # only the batch is left open
    cases = load.make_cases(runtime.run, shape, counts[-1], _N_SAMPLES.value)
    print(f"{folder}, {_N_SAMPLES.value} futures of {cases[0].frames.shape[2]} frames a request")
    print(f"{'':<16}{'clients':>8}{'requests/s':>12}{'frames/s':>10}{'p50 ms':>9}{'p99 ms':>9}")
    clean = True
    for target in (_SERVER.value,) if _SERVER.value else _TARGETS:
        wrong_every = 0 if "merging" in target else _WRONG_EVERY.value
        with _asked(target, runtime) as ask:
            for clients in counts:
                requests = -(-_REQUESTS.value // clients)
                result = load.run(ask, cases[:clients], requests, wrong_every, (CppRuntimeError, ExportError))
                rates = f"{result.answered / result.seconds:>12.1f}{result.frames / result.seconds:>10.0f}"
                print(f"{target:<16}{clients:>8}{rates}{1e3 * result.p50:>9.1f}{1e3 * result.p99:>9.1f}", flush=True)
                if not result.clean:
                    clean = False
                    print(f"  lost {result.lost}, mixed up {result.mixed_up}, wrong accepted {result.accepted}")
    if not clean:
        sys.exit("error: not every client got its own answer")
    print("every client got its own frames; every wrong request was refused")


@contextlib.contextmanager
def _asked(target: str, runtime) -> Iterator:
    """What answers: a function of a signature's name and inputs."""
    if target == "C++ runtime":
        yield runtime.run
        return
    from svg_tf.serving.grpc_client import GrpcClient
    from svg_tf.serving.rest_client import RestClient

    if target not in _TARGETS:
        with contextlib.closing(GrpcClient(target, _MODEL.value, timeout=600)) as client:
            yield client.predict
        return
    import loopback

    with loopback.serve(runtime, batching="merging" in target) as (grpc_server, rest_server):
        if target == "REST":
            yield RestClient(rest_server, "svg", timeout=600).predict
        else:
            with contextlib.closing(GrpcClient(grpc_server, "svg", timeout=600)) as client:
                yield client.predict


if __name__ == "__main__":
    command.run(main)
