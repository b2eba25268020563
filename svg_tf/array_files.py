"""NumPy's array files, .npy and .npz, taken for what they hold and not for what they claim to hold.

`numpy.load` reserves memory for whatever shape a header says and unpacks whatever an archive says.
"""

import math
import os
import zipfile
from typing import IO, NamedTuple

import numpy as np

_ENDING = ".npy"
_MOST_SHOWN = 120


class ArrayFileError(ValueError):
    """A file that is not a sound array file; the message says why, without the path."""


class Header(NamedTuple):
    """What an array file says of its array."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the array's numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes]) -> Header:
    """Reads the header of an .npy file, at most 64 KiB, and leaves the file where the numbers begin.

    Raises:
        ArrayFileError: it has none, or another than numpy.save writes.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ArrayFileError(f"its format is of version {version[0]}.{version[1]}, not 1.0")
        header = Header(*np.lib.format.read_array_header_1_0(file))
    except Exception as error:  # of struct, ast and tokenize, a dozen kinds
        raise ArrayFileError(reason_of(error)) from None
    if min(header.shape, default=0) < 0:
        raise ArrayFileError(f"its shape is {list(header.shape)}")
    return header


def read_archive(path: str) -> dict[str, np.ndarray]:
    """The arrays of an archive that numpy.savez wrote, by name, with their checksums verified; read-only.

    Memory is taken for what is in the file alone: archives that are compressed are refused.

    Raises:
        ArrayFileError: the file is not such an archive, or is damaged.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ArrayFileError("its arrays are compressed")
            if sum(max(member.file_size, member.compress_size) for member in members) > os.path.getsize(path):
                raise ArrayFileError("its arrays are larger than the file")
            arrays = {member.filename.removesuffix(_ENDING): _array(archive, member) for member in members}
    except (ArrayFileError, OSError):
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds on damage
        raise ArrayFileError(reason_of(error)) from None
    if len(arrays) != len(members):
        raise ArrayFileError("it has two arrays of one name")
    return arrays


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        header = read_header(file)
        data = file.read()
    if header.dtype.hasobject or len(data) != header.nbytes:
        raise ArrayFileError(f"its array {member.filename!r} is not {header.dtype} {list(header.shape)}, as it says")
    return np.ndarray(header.shape, header.dtype, data, order="F" if header.fortran_order else "C")


def reason_of(error: Exception) -> str:
    """What a library says of a damaged file, in one line that is not too long; its name where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."
