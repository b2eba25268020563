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
# {package: Subresource Integrity of its archive}, as `npm view PACKAGE@VERSION dist.integrity` prints it.
_INTEGRITY = {
    "@litertjs/core": "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
    "@litertjs/wasm-utils": (
        "sha512-4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ=="
    ),
}


class Runtime(NamedTuple):
    """The files of LiteRT.js that a page needs."""

    core: bytes  # ES module "@litertjs/core"
    wasm_utils: bytes  # ES module "@litertjs/wasm-utils", which core imports
    loader: bytes  # classic script that defines ModuleFactory
    wasm: bytes  # the runtime itself, without instructions that some browsers lack ("compat")


def load(folder: str = "") -> Runtime:
    """Return the runtime.

    Args:
        folder: folder of the packages as `npm pack` writes them. Empty: ~/.cache/svg_tf, filled by npm if needed.

    Raises:
        PlaygroundError: a package is missing and npm cannot download it, or its checksum is wrong.
    """
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "svg_tf")
    place = os.path.expanduser(folder) or cache
    archives = {}
    for package in _INTEGRITY:
        path = os.path.join(place, archive_name(package))
        if not folder and not os.path.exists(path):
            _download(package, path)
        archives[package] = _read(path, package)
    core, utils = archives["@litertjs/core"], archives["@litertjs/wasm-utils"]
    return Runtime(
        core=_member(core, "dist/index.js"),
        wasm_utils=_member(utils, "dist/bundle.js"),
        loader=_member(core, "wasm/litert_wasm_compat_internal.js"),
        wasm=_member(core, "wasm/litert_wasm_compat_internal.wasm"),
    )


def archive_name(package: str) -> str:
    """Return the file name that `npm pack` gives a package."""
    return f"{package.removeprefix('@').replace('/', '-')}-{VERSION}.tgz"


def _download(package: str, path: str) -> None:
    """Download an archive with npm, from the registry that npm is configured for."""
    with tempfile.TemporaryDirectory(prefix="svg_tf_") as folder:
        command = ["npm", "pack", f"{package}@{VERSION}", "--silent", "--pack-destination", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=600)
            reason = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["npm failed"])[-1]
        except FileNotFoundError:
            reason = "npm is not installed"
        except subprocess.TimeoutExpired:
            reason = "npm took more than ten minutes"
        if reason:
            raise PlaygroundError(f"{package} {VERSION} cannot be downloaded ({reason}); {_remedy()}")
        files.write_bytes(path, _read(os.path.join(folder, archive_name(package)), package))


def _read(path: str, package: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise PlaygroundError(f"{path} does not exist; {_remedy()}") from None
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if f"sha512-{digest}" != _INTEGRITY[package]:
        raise PlaygroundError(f"{path} is not {package} {VERSION}: its checksum is wrong; delete it and {_remedy()}")
    return content


def _remedy() -> str:
    packages = " ".join(f"{package}@{VERSION}" for package in _INTEGRITY)
    return f"run `npm pack {packages}` where there is a network, and pass the folder of the two files as --runtime_dir"


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        file = package.extractfile(f"package/{name}")
        assert file is not None, name  # the checksum has been verified
        return file.read()
