"""LiteRT.js, Google's runtime for TFLite models in browsers: pinned npm packages, downloaded once and verified."""

import base64
import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
from typing import NamedTuple

from svg_tf import files
from svg_tf.playground import PlaygroundError

VERSION = "2.5.3"
_COMMAND = f"npm pack @litertjs/core@{VERSION} @litertjs/wasm-utils@{VERSION}"
_REMEDY = f"run `{_COMMAND}` where there is a network, and pass the folder of the two files as --runtime_dir"
_CORE, _UTILS = f"litertjs-core-{VERSION}.tgz", f"litertjs-wasm-utils-{VERSION}.tgz"
_INTEGRITY = {  # as `npm view PACKAGE@VERSION dist.integrity` prints it
    _CORE: "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
    _UTILS: "sha512-4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
}


class Runtime(NamedTuple):
    """The files of LiteRT.js that a page needs."""

    core: bytes  # ES module "@litertjs/core"
    wasm_utils: bytes  # ES module "@litertjs/wasm-utils", which core imports
    loader: bytes  # classic script that defines ModuleFactory
    wasm: bytes  # the runtime itself, without instructions that some browsers lack ("compat")


def load(folder: str = "") -> Runtime:
    """Return the runtime from a folder of the packages; empty: ~/.cache/svg_tf, filled by npm if needed.

    Raises:
        PlaygroundError: a package is missing and npm cannot download it, or its checksum is wrong.
    """
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "svg_tf")
    if not folder and not all(os.path.exists(os.path.join(cache, name)) for name in _INTEGRITY):
        _download(cache)
    core, utils = (_read(os.path.join(os.path.expanduser(folder) or cache, name)) for name in (_CORE, _UTILS))
    return Runtime(
        core=_member(core, "dist/index.js"),
        wasm_utils=_member(utils, "dist/bundle.js"),
        loader=_member(core, "wasm/litert_wasm_compat_internal.js"),
        wasm=_member(core, "wasm/litert_wasm_compat_internal.wasm"),
    )


def _download(cache: str) -> None:
    """Download the archives with npm, from the registry that npm is configured for."""
    with tempfile.TemporaryDirectory(prefix="svg_tf_") as folder:
        command = [*_COMMAND.split(), "--silent", "--pack-destination", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            reason = (done.stderr.strip().splitlines() or ["npm failed"])[-1] if done.returncode else ""
        except FileNotFoundError:
            reason = "npm is not installed"
        if reason:
            raise PlaygroundError(f"LiteRT.js {VERSION} cannot be downloaded ({reason}); {_REMEDY}")
        for name in _INTEGRITY:
            files.write_bytes(os.path.join(cache, name), _read(os.path.join(folder, name)))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise PlaygroundError(f"{path} does not exist; {_REMEDY}") from None
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if f"sha512-{digest}" != _INTEGRITY[os.path.basename(path)]:
        raise PlaygroundError(f"{path} is not the published package: its checksum is wrong; delete it and {_REMEDY}")
    return content


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        file = package.extractfile(f"package/{name}")
        assert file is not None, name  # the checksum has been verified
        return file.read()
