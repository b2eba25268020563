"""The two file formats of torch.save: the stream of PyTorch 0.3 to 1.5, and the zip archive since 1.6.

Both hold one pickle, in which a tensor is a view of a storage named by a key, and the storages' raw numbers. The
stream is: magic number, protocol version, system information, the object and the list of storage keys, each a
pickle of its own, then for every key an int64 element count and the numbers, all little-endian. The archive has,
under one folder, data.pkl, data/KEY for every storage and, since 2.1, byteorder.
"""

import contextlib
import io
import os
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, Literal

import numpy as np

from svg_tf.torch_import.old_unpickler import MAX_BYTES, PickleStream, Unpickler
from svg_tf.torch_import.records import Storage, TorchFileError, quoted

_STREAM_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_STREAM_PROTOCOL = 1001
_ZIP_MAGIC = b"PK\x03\x04"
_BYTEORDERS: dict[bytes, Literal["<", ">"]] = {b"little": "<", b"big": ">"}
_MAX_DIRECTORY = 4 * 2**20
# Weights hardly compress: an archive that unpacks to more than this and ten times its size is a zip bomb.
_MAX_SMALL_ARCHIVE = 64 * 2**20
_MAX_RATIO = 10
_CHUNK = 2**20


def read(path: str) -> tuple[object, dict[str, np.ndarray]]:
    """The object of a file, in plain values and inert records, and its storages, by key.

    Returns:
        The object, and for every storage a read-only array [numel] in this machine's byte order.

    Raises:
        TorchFileError: the file is of neither format, damaged, or asks for anything that is not listed.
        OSError: the file cannot be read.
    """
    if not os.path.isfile(path):
        raise TorchFileError("it is not a file" if os.path.exists(path) else "there is no such file")
    with open(path, "rb") as file:
        begin = file.read(len(_STREAM_MAGIC))
        if begin == _STREAM_MAGIC:
            return _read_stream(file)
    if not begin.startswith(_ZIP_MAGIC):
        raise TorchFileError("it is not a checkpoint of PyTorch 0.3 or later: it begins like neither of their formats")
    with _BoundedFile(io.FileIO(path)) as bounded:
        return _read_zip(bounded)


def _read_stream(file: BinaryIO) -> tuple[object, dict[str, np.ndarray]]:
    size = os.fstat(file.fileno()).st_size
    stream = PickleStream(file)
    protocol = Unpickler(stream).load()
    if type(protocol) is not int or protocol != _STREAM_PROTOCOL:
        raise TorchFileError(f"it is not of stream protocol {_STREAM_PROTOCOL}, that of PyTorch 0.3 to 1.5")
    Unpickler(stream).load()  # the writer's system; the numbers are little-endian whatever it says
    pickled = Unpickler(stream)
    root = pickled.load()
    keys = Unpickler(stream).load()
    if type(keys) is not list or any(type(key) is not str for key in keys) or len(keys) != len(set(keys)):
        raise TorchFileError("its list of storages is damaged")
    if set(keys) != set(pickled.storages):
        key = min(set(keys) ^ set(pickled.storages))
        raise TorchFileError(f"its storage {quoted(key)} is not both described and present")
    return root, {key: _next_array(file, size, pickled.storages[key]) for key in keys}


def _next_array(file: BinaryIO, size: int, storage: Storage) -> np.ndarray:
    count = file.read(8)
    if len(count) == 8 and struct.unpack("<q", count)[0] != storage.numel:
        raise TorchFileError(f"its storage {quoted(storage.key)} has another element count than its description")
    if len(count) < 8 or storage.nbytes > size - file.tell():
        raise TorchFileError(
            f"its storage {quoted(storage.key)} of {storage.numel} elements is larger than what is left of the file; "
            "copy or download the file again"
        )
    return storage.array(file.read(storage.nbytes), "<")


def _read_zip(file: BinaryIO) -> tuple[object, dict[str, np.ndarray]]:
    with _damage_told():
        archive = zipfile.ZipFile(file)
    members = _members(archive, os.fstat(file.fileno()).st_size)
    if "data.pkl" not in members:
        raise TorchFileError("it is a zip archive without data.pkl, not a checkpoint")
    if members["data.pkl"].file_size > MAX_BYTES:
        raise TorchFileError(f"its data.pkl has more than {MAX_BYTES} bytes, far more than any checkpoint")
    pickled = Unpickler(PickleStream(io.BytesIO(_content(archive, members["data.pkl"]))))
    root = pickled.load()
    byteorder: Literal["<", ">"] = "<"
    if "byteorder" in members:
        record = _content(archive, members["byteorder"])
        if record not in _BYTEORDERS:
            raise TorchFileError(f"its byteorder is {quoted(record)}, but must be little or big")
        byteorder = _BYTEORDERS[record]
    arrays = {}
    for key, storage in pickled.storages.items():
        member = members.get(f"data/{key}")
        if member is None or member.file_size != storage.nbytes:
            found = "is missing" if member is None else f"has {member.file_size} bytes"
            raise TorchFileError(f"its storage {quoted(key)} {found}, but must have {storage.nbytes} bytes")
        arrays[key] = storage.array(_content(archive, member), byteorder)
    return root, arrays


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by their path below its one folder, once their names and sizes have been checked."""
    members: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for member in archive.infolist():
        folder, *path = member.filename.split("/")
        is_folder = member.filename.endswith("/")
        if is_folder:
            path.pop()
        name = "/".join(path)
        folders.add(folder)
        if len(folders) > 1 or "\\" in member.filename or any(part in ("", ".", "..") for part in (folder, *path)):
            raise TorchFileError(f"its zip archive has the file {quoted(member.filename)}, as no checkpoint has")
        if not is_folder and members.setdefault(name, member) is not member:
            raise TorchFileError(f"its zip archive has the file {quoted(member.filename)} twice")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
            raise TorchFileError(f"its file {quoted(member.filename)} is neither stored nor deflated")
    total = sum(member.file_size for member in archive.infolist())
    if total > max(_MAX_SMALL_ARCHIVE, _MAX_RATIO * size):
        raise TorchFileError(f"its zip archive of {size} bytes unpacks to {total}, far more than weights do")
    return members


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with _damage_told(), archive.open(member) as file:
        content = b"".join(iter(lambda: file.read(_CHUNK), b""))
    if len(content) != member.file_size:
        raise TorchFileError(f"its file {quoted(member.filename)} is cut short; copy or download the file again")
    return content


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except TorchFileError:
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds on damage, and more from version to version
        raise TorchFileError(f"its zip archive is damaged ({quoted(error)}); copy or download it again") from None


class _BoundedFile(io.BufferedReader):
    """A file whose parts zipfile cannot read at any size that the archive declares."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _MAX_DIRECTORY:
            raise TorchFileError("its zip directory is far larger than that of any checkpoint")
        return super().read(size)
