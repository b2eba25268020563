"""Files that are whole or not there: written aside, flushed to the disk and renamed."""

import contextlib
import fcntl
import glob
import os
import tempfile
from collections.abc import Callable

_ASIDE = ".aside-"


def write_bytes(path: str, data: bytes) -> None:
    """Writes a file so that a crash leaves either the old one or the new one, never a part.

    Folders on the way are made.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file is as it was.
    """
    write_with(path, lambda aside: _write(aside, data))


def write_text(path: str, text: str) -> None:
    """As write_bytes, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_with(path: str, writer: Callable[[str], object]) -> None:
    """Calls writer(path of a temporary file) and renames what it wrote to path.

    The temporary file has the same ending, for writers that go by it.

    Raises:
        OSError: as write_bytes; it names path.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=folder, prefix=_ASIDE, suffix=os.path.splitext(path)[1])
        try:
            with contextlib.suppress(OSError):  # not every file system has locks
                fcntl.flock(handle, fcntl.LOCK_EX)  # for as long as this process lives
            writer(aside)
            flush(aside)
            os.chmod(aside, 0o666 & ~umask())
            os.replace(aside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(aside)
            raise
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = path, None  # the temporary file's name says nothing
        raise
    with contextlib.suppress(OSError):  # nor does every one flush a folder
        flush(folder)  # the new name, before an older file that it replaces is removed


def remove_asides(folder: str) -> None:
    """Removes the temporary files that killed processes left in a folder; those that still are written stay."""
    for path in glob.glob(os.path.join(glob.escape(folder), f"{_ASIDE}*")):
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            try:
                if not _is_locked(handle):
                    os.remove(path)
            finally:
                os.close(handle)


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks here
        return False
    return False


def flush(path: str) -> None:
    """Waits until the disk has a file, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def umask() -> int:
    """The rights that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
