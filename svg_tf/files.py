"""Files that are whole or not there: written aside, flushed to the disk and renamed."""

import contextlib
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


def write_with(path: str, writer: Callable[[str], None]) -> None:
    """Calls writer(path of a temporary file) and renames what it wrote to path.

    The temporary file has the same ending, for writers that go by it.
    """
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=folder, prefix=_ASIDE, suffix=os.path.splitext(path)[1])
    os.close(handle)
    try:
        writer(aside)
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(aside)
        raise


def remove_asides(folder: str) -> None:
    """Removes the temporary files that a killed process left in a folder."""
    for path in glob.glob(os.path.join(glob.escape(folder), f"{_ASIDE}*")):
        with contextlib.suppress(OSError):
            os.remove(path)


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
