"""Version folders: `<base>/<integer>`, which a server watches. One appears by a rename, whole, or not at all."""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator

from svg_tf import files
from svg_tf.serving.error import ExportError

# No integer, so a server passes it over.
_ASIDE = ".aside-"


def latest(base: str) -> int | None:
    """The largest version in a folder, which is the one that a server serves; None where there is none."""
    names = os.listdir(base) if os.path.isdir(base) else []
    return max((int(name) for name in names if re.fullmatch(r"\d+", name)), default=None)


def check_free(base: str, version: int | None) -> None:
    """Tells early of a version that is there already.

    Raises:
        ExportError: it is.
    """
    if version is not None and os.path.lexists(os.path.join(base, str(version))):
        raise ExportError(f"version {version} is already in {base}; name another, or none for the next")


def publish(base: str, version: int | None, write: Callable[[str], None]) -> str:
    """Calls write(folder), flushes what it wrote to the disk and gives the folder its version; returns its path.

    Folders that killed processes left behind are removed; those of processes that still write are not.

    Args:
        base: where the versions are.
        version: 1 or more; None is the latest plus one, at the moment of the rename.
        write: fills an empty folder. When it raises, nothing remains.

    Raises:
        ExportError: the version is there already, or the folder cannot be written.
    """
    try:
        return _publish(base, version, write)
    except OSError as error:
        raise ExportError(f"{base} cannot be written: {error.strerror or error}") from None


def _publish(base: str, version: int | None, write: Callable[[str], None]) -> str:
    os.makedirs(base, exist_ok=True)
    check_free(base, version)
    with _locked(base):
        _remove_abandoned(base)
        aside = tempfile.mkdtemp(dir=base, prefix=_ASIDE)
        held = _lock(aside)  # for as long as this process lives
    try:
        write(aside)
        _open_to_others(aside)
        _flush(aside)
        with _locked(base):
            check_free(base, version)
            path = os.path.join(base, str(version or (latest(base) or 0) + 1))
            os.rename(aside, path)
            files.flush(base)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    finally:
        os.close(held)
    return path


def _remove_abandoned(base: str) -> None:
    for name in os.listdir(base):
        if not name.startswith(_ASIDE):
            continue
        path = os.path.join(base, name)
        try:
            lock = _lock(path, fcntl.LOCK_NB)
        except OSError:  # its process lives
            continue
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    lock = _lock(folder)
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: str, options: int = 0) -> int:
    """Locks a folder for this process: until the descriptor is closed, or the process ends however it does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | options)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _open_to_others(folder: str) -> None:
    """A temporary folder is its owner's alone; a server is often another user."""
    os.chmod(folder, 0o777 & ~files.umask())


def _flush(folder: str) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            files.flush(os.path.join(parent, name))
        files.flush(parent)
