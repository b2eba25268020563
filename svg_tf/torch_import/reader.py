"""Read files of `torch.save` into dictionaries and NumPy arrays, without PyTorch.

There are two formats. Both hold a pickle, in which tensors are views of storages named by keys, and the raw storages.

* Zip archive, PyTorch 1.6 and later. In one folder: `data.pkl`, `data/KEY` for each storage, and `byteorder`.
* Stream, PyTorch 0.3 to 1.5. Five pickles: magic number, protocol version, system information, the object, and the
  list of storage keys. Then each storage: int64 element count and the elements, always little-endian.
"""

import io
import mmap
import os
import struct
import zipfile
from typing import Any, BinaryIO

import numpy as np

from svg_tf.torch_import.unpickler import Object, Tensor, TorchFileError, unpickle

_STREAM_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled magic number


def read(path: str | os.PathLike[str]) -> Any:
    """Read a file of `torch.save`, of PyTorch 0.3 or later and tensors of any device. Nothing in the file is run.

    Returns:
        The saved object as a tree of dictionaries, lists, plain values and arrays. A module becomes its state
        dictionary, another object the dictionary of its attributes, a class the text `<class>`.

    Raises:
        TorchFileError: the file is of another format, damaged, big-endian, or refers to a name that is not allowed.
        OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            start = file.read(len(_STREAM_START))
            if start == _STREAM_START:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    root, storages = _read_stream(data)
            elif start.startswith(b"PK\x03\x04"):
                root, storages = _read_zip(file)
            else:
                raise TorchFileError("it is in neither of the formats of PyTorch 0.3 and later")
            return _plain(root, storages)
        except Exception as error:  # a damaged file can raise any error in pickle, zipfile and NumPy
            reason = " ".join(str(error).split()) or type(error).__name__
            if not isinstance(error, TorchFileError):
                reason = f"it is damaged ({ascii(reason)[1:-1][:80]}); copy or download it again"
            raise TorchFileError(f"{path} is not a PyTorch file that can be read: {reason}") from None


def _read_stream(data: mmap.mmap) -> tuple[Any, dict[str, np.ndarray]]:
    for _ in ("magic number", "protocol version", "system information"):
        unpickle(data)
    root, described = unpickle(data)
    keys, _ = unpickle(data)
    storages, position = {}, data.tell()
    for key in keys:
        (count,) = struct.unpack_from("<q", data, position)
        if count != described[key].numel:
            raise ValueError("a storage has two sizes")
        storages[key] = described[key].array(data, offset=position + 8)
        position += 8 + storages[key].nbytes
    return root, storages


def _read_zip(file: BinaryIO) -> tuple[Any, dict[str, np.ndarray]]:
    with zipfile.ZipFile(file) as archive:
        pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise TorchFileError(f"it is a zip archive with {len(pickles)} data.pkl, not a file of torch.save")
        folder = pickles[0].removesuffix("data.pkl")
        members = {member.filename.removeprefix(folder): member for member in archive.infolist()}
        # Stored members are as large as their share of the file, so a small file cannot unpack to a large one.
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
            raise TorchFileError("its zip archive is compressed or damaged; PyTorch writes it uncompressed")
        if "byteorder" in members and archive.read(members["byteorder"]) != b"little":  # missing before PyTorch 2.1
            raise TorchFileError("its numbers are not little-endian; save it on a little-endian machine")
        root, described = unpickle(io.BytesIO(archive.read(members["data.pkl"])))
        storages = {key: storage.array(archive.read(members[f"data/{key}"])) for key, storage in described.items()}
    return root, storages


def _plain(value: Any, storages: dict[str, np.ndarray]) -> Any:
    """Replace the stand-ins in a tree by arrays, dictionaries and text."""
    if isinstance(value, Tensor):
        return value.array(storages)
    if isinstance(value, Object):
        value = value.state_dict() if "_modules" in value.attributes else value.attributes
    if isinstance(value, dict):
        return {key: _plain(item, storages) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item, storages) for item in value]
    return "<class>" if isinstance(value, type) else value
