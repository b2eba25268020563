"""Atomic writes: after a crash, a file has its old content or its new one, never a part of it."""

import contextlib
import fcntl
import glob
import os
import tempfile
from collections.abc import Callable
from typing import IO

_PREFIX = ".temporary-"


def write_bytes(path: str, data: bytes) -> None:
    """Write a file atomically; see `write_with`."""

    def write(temporary: str) -> None:
        with open(temporary, "wb") as file:
            file.write(data)

    write_with(path, write)


def write_text(path: str, text: str) -> None:
    """Write a UTF-8 text file atomically; see `write_with`."""
    write_bytes(path, text.encode("utf-8"))


def write_with(path: str, writer: Callable[[str], object]) -> None:
    """Call writer(path of a temporary file) and rename that file to `path`, whose folder is created.

    The temporary file has the extension of `path`. Its lock tells `remove_temporary_files` that it is in use. After an
    OSError (the disk is full, or the folder cannot be written) an old file at `path` is unchanged.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=_PREFIX, suffix=os.path.splitext(path)[1])
        try:
            lock(handle)
            writer(temporary)
            flush(temporary)
            mask = os.umask(0)  # the only way to read it
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(temporary)
            raise
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = path, None  # users do not know the temporary file
        raise
    with contextlib.suppress(OSError):  # not every file system can flush a folder
        flush(folder)  # make the new name durable before the caller removes older files


def remove_temporary_files(folder: str) -> None:
    """Remove the temporary files of killed processes directly in `folder`, not those still being written."""
    for path in glob.glob(os.path.join(glob.escape(folder), f"{_PREFIX}*")):
        # NFS locks only files that are open for writing.
        with contextlib.suppress(OSError), open(path, "r+b") as file:
            if lock(file):
                os.remove(path)


def flush(path: str) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(file: int | IO) -> bool:
    """Lock an open file until it is closed or the process ends; return False if it is locked already."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # a file system without locks does not hinder
        return not isinstance(error, BlockingIOError)
    return True
