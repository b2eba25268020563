"""Records of scored clips on disk, so that an interrupted evaluation resumes."""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from svg_tf import files
from svg_tf.config import ConfigError

_FORMAT = 2  # increase it when the same settings give other scores


class Store:
    """Append-only file with one record per clip, named by a digest of everything that determines the records.

    Each record has a checksum. Opening the file truncates it at the first incomplete or damaged record.

    Args:
        folder: folder of the file, created if missing.
        key: everything that determines the records, for JSON.
        record: dtype of a record.

    Raises:
        ConfigError: the folder is not writable.
    """

    def __init__(self, folder: str, key: Mapping[str, Any], record: np.dtype) -> None:
        header = json.dumps({"format": _FORMAT, "key": key, "record": str(record.descr)}, sort_keys=True).encode()
        header += b"\n"
        self._record, self._size, self._start = record, record.itemsize + 4, len(header)
        self.path = os.path.join(folder, f"{hashlib.sha256(header).hexdigest()[:16]}.scores")
        try:
            if not self._begins_with(header):
                files.write_bytes(self.path, header)
            self._count = sum(1 for _ in self._read())
            os.truncate(self.path, self._start + self._count * self._size)
        except OSError as error:
            raise ConfigError(f"{folder} is not writable ({error.strerror}). Set another --out.") from None

    def __len__(self) -> int:
        return self._count

    def append(self, record: np.ndarray) -> None:
        """Write the record of clip number len(self) and flush it to disk.

        Raises:
            ConfigError: the disk is full, or another process writes to the same file. Earlier records stay.
        """
        data = record.tobytes()
        try:
            with open(self.path, "r+b") as file:
                if file.seek(0, os.SEEK_END) != self._start + self._count * self._size:
                    raise ConfigError(f"Another process writes to {self.path}. Wait for it, or set another --out.")
                file.write(data + self._checksum(self._count, data))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigError(
                f"{self.path} is not writable ({error.strerror}). The same command resumes from the last scored clip."
            ) from None
        self._count += 1

    def records(self, count: int) -> Iterator[np.ndarray]:
        """Yield the first `count` records."""
        for _, data in zip(range(count), self._read(), strict=False):
            yield np.frombuffer(data, self._record)[0]

    def _begins_with(self, header: bytes) -> bool:
        if not os.path.exists(self.path):
            return False
        with open(self.path, "rb") as file:
            return file.read(len(header)) == header

    def _read(self) -> Iterator[bytes]:
        """Yield the records before the first incomplete or damaged one."""
        with open(self.path, "rb") as file:
            file.seek(self._start)
            number = 0
            while len(found := file.read(self._size)) == self._size:
                data = found[:-4]
                if found[-4:] != self._checksum(number, data):
                    return
                yield data
                number += 1

    @staticmethod
    def _checksum(number: int, data: bytes) -> bytes:
        return zlib.crc32(data, number).to_bytes(4, "little")  # the number detects records in another order
