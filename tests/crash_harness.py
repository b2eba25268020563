"""Processes that come to grief at a chosen moment, for the tests of crashes.

`python crash_harness.py` imports TensorFlow, does nothing with it and forks a child for each trial, so that a trial
costs no import. A child runs a command, counts the moments of a kind and, at the one it was told, is killed, gets a
signal or sees a call of the system fail.
"""

import builtins
import errno
import functools
import io
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
KILLED = -signal.SIGKILL
SURPRISED = 70  # exit status of a child that raised what no user is meant to see

# The system's calls by which files are made. The kinds of moments are the calls themselves, what is just after them
# ("replaced" and so on), the middle of a write, the beginning of a training step, and the start of the process.
CALLS = {"create": "created", "write": "written", "flush": "flushed", "replace": "replaced", "remove": "removed"}


class Fault(NamedTuple):
    """What happens to a child, and when."""

    action: str = "none"  # SIGKILL, SIGTERM, SIGINT, ENOSPC, EIO; or EFBIG, no file may grow beyond `limit` bytes
    moment: str = "start"  # start, step, any, or of CALLS
    count: int = 1  # the how manieth of them
    after_step: int = 0  # those before this many steps were begun do not count
    delay: float | None = None  # seconds from the moment to the signal; None: none, and from within the call
    limit: int = 0


class Outcome(NamedTuple):
    """How a child ended."""

    status: int  # exit status, or less the number of the signal that ended it
    text: str  # what it printed
    moments: int  # of the fault's kind that there were


class Harness:
    """The process that forks the children; a context."""

    def __enter__(self):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def run(self, script, fault=None, **flags):
        """Runs a command, such as bin/train.py, in a child with a fault and waits for its end."""
        flags = [f"--{name}={value}" for name, value in flags.items()]
        request = {"script": script, "flags": flags, "fault": (fault or Fault())._asdict()}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def _serve():
    for name in ("bin", "export"):
        sys.path.append(str(ROOT / name))
    from tensorflow.python.eager import context

    import svg_tf.report  # noqa: F401
    from svg_tf.data import digits, moving_mnist, videos  # noqa: F401
    from svg_tf.evaluation import evaluate  # noqa: F401
    from svg_tf.serving import exporting  # noqa: F401 so that the children need not

    assert context._context is None or not context._context._initialized  # its threads would not survive a fork
    for line in sys.stdin:
        request = json.loads(line)
        command = functools.partial(_command, request["script"], request["flags"])
        outcome = in_fork(command, Fault(**request["fault"]))
        print(json.dumps(outcome._asdict()), flush=True)


def in_fork(work, fault=None):
    """Calls work in a child of this process with a fault, and waits for its end.

    In a process that has used TensorFlow, work must not.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as counted:
        child = os.fork()
        if not child:
            _be_child(work, fault or Fault(), output, counted)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        text, moments = output.read().decode(errors="replace"), os.fstat(counted.fileno()).st_size
    return Outcome(os.waitstatus_to_exitcode(status), text, moments)


def _be_child(work, fault, output, counted):
    status = SURPRISED
    try:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))  # not the tests'
        tqdm.set_lock(threading.RLock())  # not that of all forks, which one that is killed may hold for ever
        _Child(fault, counted)
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
        if isinstance(end.code, str):
            print(end.code)
    except OSError as error:
        print(f"error: {error}")
        status = 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _command(script, flags):
    path = str(ROOT / script)
    sys.argv = [path, *flags]
    runpy.run_path(path, run_name="__main__")


class _Child:
    """Counts the moments of a fault's kind, and strikes."""

    def __init__(self, fault, counted):
        self._fault, self._counted = fault, counted.fileno()
        self._steps = self._seen = 0
        self._patch_steps()
        self._patch(tempfile, "mkstemp", "create")
        self._patch(tempfile, "mkdtemp", "create")
        self._patch(os, "fsync", "flush")
        for name in ("replace", "rename"):
            self._patch(os, name, "replace")
        for name in ("remove", "unlink"):
            self._patch(os, name, "remove")
        self._patch_open()
        self.passed("start")

    def passed(self, moment, path=None, part=lambda: None):
        """Counts a moment, of a call for path, and where it is the one, does part of the call and strikes."""
        fault = self._fault
        if fault.moment not in (moment, "any" if moment != "start" else None) or self._steps < fault.after_step:
            return
        os.write(self._counted, b".")
        self._seen += 1
        if self._seen != fault.count or fault.action == "none":
            return
        if fault.delay is None:
            part()
            self._strike(path)
        else:
            threading.Timer(fault.delay, self._strike).start()

    def _strike(self, path=None):
        action = self._fault.action
        if action.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, action))
            if action == "SIGKILL":
                time.sleep(60)  # a signal may take its time
        elif action == "EFBIG":
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (self._fault.limit, self._fault.limit))
        else:
            number = getattr(errno, action)
            raise OSError(number, os.strerror(number), path)

    def _patch(self, module, name, moment):
        original = getattr(module, name)

        def call(*arguments, **options):
            path = next((argument for argument in arguments if isinstance(argument, str)), None)
            self.passed(moment, path)
            result = original(*arguments, **options)
            self.passed(CALLS[moment], path)
            return result

        setattr(module, name, call)

    def _patch_steps(self):
        from svg_tf.training.callbacks import Saver

        def begin(callback, batch, logs=None):
            self._steps += 1
            self.passed("step")

        Saver.on_train_batch_begin = begin

    def _patch_open(self):
        child = self

        class Written(io.FileIO):
            def write(self, data):
                child.passed("write", part=lambda: self.write_half(data))
                count = super().write(data)
                child.passed("written")
                return count

            def write_half(self, data):
                super().write(memoryview(data).cast("B")[: len(data) // 2])

        def opened(path, mode="r", *arguments, **options):
            if mode not in ("wb", "r+b"):
                return original(path, mode, *arguments, **options)
            kind = io.BufferedWriter if mode == "wb" else io.BufferedRandom
            return kind(Written(path, "w" if mode == "wb" else "r+"))

        original, builtins.open = builtins.open, opened


if __name__ == "__main__":
    _serve()
