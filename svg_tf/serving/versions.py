"""Version folders `BASE/<integer>`, which a server watches."""

import os
import re
import shutil
import time
import uuid
from collections.abc import Callable

from svg_tf import files
from svg_tf.serving import ExportError

_TEMPORARY = ".tmp-"  # not an integer, so a server ignores it


def check(base: str, version: int | None) -> None:
    """Raise ExportError if `base` is not a local folder or the version exists."""
    if "://" in base:
        raise ExportError(f"{base} is not a local folder; export to a local one and copy it, version folder and all")
    if version is not None and os.path.lexists(os.path.join(base, str(version))):
        raise ExportError(f"version {version} already exists in {base}; choose another, or leave --version out")


def latest(base: str) -> int | None:
    """Return the largest version in a folder, which is the one that a server loads, or None."""
    names = os.listdir(base) if os.path.isdir(base) else []
    return max((int(name) for name in names if re.fullmatch(r"[0-9]+", name)), default=None)


def publish(base: str, version: int | None, write: Callable[[str], None]) -> str:
    """Call write(folder) with an empty temporary folder, rename it once it is on the disk, and return its path.

    The version None is the latest plus one at the moment of the rename. A rename onto a folder with files fails, so two
    exports at the same time get different versions without file locks, which some network mounts lack. Temporary
    folders older than a day are removed.

    Raises:
        ExportError: the version exists, or the folder cannot be written.
    """
    check(base, version)
    temporary = os.path.join(base, _TEMPORARY + uuid.uuid4().hex)
    try:
        os.makedirs(base, exist_ok=True)
        for name in os.listdir(base):
            path = os.path.join(base, name)
            if name.startswith(_TEMPORARY) and time.time() - os.path.getmtime(path) > 24 * 3600:
                shutil.rmtree(path, ignore_errors=True)
        os.mkdir(temporary)
        write(temporary)
        for parent, _, names in os.walk(temporary):
            for path in (parent, *(os.path.join(parent, name) for name in names)):
                files.flush(path)
        return _rename(temporary, base, version)
    except OSError as error:
        raise ExportError(f"{base} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # no longer there after a rename


def _rename(temporary: str, base: str, version: int | None) -> str:
    while True:
        path = os.path.join(base, str(version or (latest(base) or 0) + 1))
        try:
            os.rename(temporary, path)
        except OSError:
            if not os.path.lexists(path):
                raise
            check(base, version)  # raises if a version was named; otherwise try the next
            continue
        files.flush(base)
        return path
