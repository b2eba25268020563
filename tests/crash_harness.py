"""Child processes that are killed, get a signal, or see a system call fail at a chosen moment."""

import builtins
import errno
import io
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
KILLED = -signal.SIGKILL

# The system calls that write files, and the moment just after each.
CALLS = {"create": "created", "write": "written", "flush": "flushed", "replace": "replaced", "remove": "removed"}


class Fault(NamedTuple):
    """What happens to a child, and when."""

    action: str = "none"  # SIGKILL, SIGTERM, SIGINT, ENOSPC, EIO
    moment: str = "start"  # start, step, a key or value of CALLS, or any of those
    count: int = 1  # the number of the moment, from 1
    after_step: int = 0  # moments before this many training steps do not count
    delay: float | None = None  # seconds from the moment to the signal; None: within the call


class Outcome(NamedTuple):
    """How a child ended."""

    status: int  # exit status, or minus the number of the signal that ended it
    text: str  # what it printed
    moments: int  # number of moments of the fault's kind


def in_fork(work, fault=None, method="fork"):
    """Call work in a child with a fault and wait for its end.

    A fork of a process that has used TensorFlow must not use it. With the method "forkserver" the child is a fork of a
    process that has only imported it, and work must be picklable.
    """
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(["svg_tf.cli.flags", "svg_tf.training.train", "svg_tf.data.moving_mnist"])
    with tempfile.NamedTemporaryFile() as output, tempfile.NamedTemporaryFile() as counted:
        child = context.Process(target=_run, args=(work, fault or Fault(), output.name, counted.name))
        child.start()
        child.join()
        return Outcome(child.exitcode, output.read().decode(errors="replace"), os.path.getsize(counted.name))


def command(script, **flags):
    """Run a script such as bin/train.py."""
    path = str(ROOT / script)
    sys.argv = [path, *(f"--{name}={value}" for name, value in flags.items())]
    runpy.run_path(path, run_name="__main__")


def _run(work, fault, output, counted):
    handle = os.open(output, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(handle, number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))  # not those of pytest
    tqdm.set_lock(threading.RLock())  # the default lock is shared by all forks, and a killed one keeps it
    _Child(fault, counted)
    work()


class _Child:
    """Counts the moments of a fault's kind and causes the fault."""

    def __init__(self, fault, counted):
        self._fault, self._counted = fault, os.open(counted, os.O_WRONLY | os.O_APPEND)
        self._steps = self._seen = 0
        self._patch_steps()
        for module, name, moment in (
            (tempfile, "mkstemp", "create"),
            (tempfile, "mkdtemp", "create"),
            (os, "fsync", "flush"),
            (os, "replace", "replace"),
            (os, "rename", "replace"),
            (os, "remove", "remove"),
            (os, "unlink", "remove"),
        ):
            self._patch(module, name, moment)
        self._patch_open()
        self.passed("start")

    def passed(self, moment, path=None, part=lambda: None):
        """Count a moment of a call for path. If it is the chosen one, do part of the call and cause the fault."""
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
        if not action.startswith("SIG"):
            number = getattr(errno, action)
            raise OSError(number, os.strerror(number), path)
        os.kill(os.getpid(), getattr(signal, action))
        if action == "SIGKILL":
            time.sleep(60)  # a signal may take a moment

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
        child, original = self, builtins.open

        class Written(io.FileIO):
            def write(self, data):
                child.passed("write", part=lambda: self.write_half(data))
                count = super().write(data)
                child.passed("written")
                return count

            def write_half(self, data):
                super().write(memoryview(data).cast("B")[: len(data) // 2])

        def opened(path, mode="r", *arguments, **options):
            if mode != "wb":
                return original(path, mode, *arguments, **options)
            return io.BufferedWriter(Written(path, "w"))

        builtins.open = opened
