"""What was scored so far: one record a clip, on the disk before the next clip is drawn."""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from svg_tf import files
from svg_tf.config import ConfigError

_FORMAT = 1  # to be raised when the same settings come to score otherwise


class Store:
    """Records of the clips 0, 1, 2 and so on, appended to a file whose name is a digest of all that decides them.

    Other settings have another file. A record that a killed process left half written, or that the disk lost, is cut
    off with all after it, and made again.

    Args:
        folder: where the files are; made if need be.
        key: all that decides the records, fit for JSON.
        record: of a record, without objects.

    Raises:
        ConfigError: the folder cannot be written.
    """

    def __init__(self, folder: str, key: Mapping[str, Any], record: np.dtype) -> None:
        decided = {"format": _FORMAT, "key": key, "record": str(record.descr)}
        header = json.dumps(decided, sort_keys=True).encode() + b"\n"
        self._record, self._size, self._start = record, record.itemsize + 4, len(header)
        self.path = os.path.join(folder, f"{hashlib.sha256(header).hexdigest()[:16]}.scores")
        try:
            files.remove_asides(folder)
            if not self._begins_with(header):
                files.write_bytes(self.path, header)
            self._count = sum(1 for _ in self._sound())
            os.truncate(self.path, self._start + self._count * self._size)
        except OSError as error:
            raise ConfigError(f"{folder} cannot be written ({error.strerror}); name another --out") from None

    def __len__(self) -> int:
        return self._count

    def append(self, record: np.ndarray) -> None:
        """Writes the record of clip number len(self).

        Raises:
            ConfigError: the disk is full, or another process writes the same records; what was written stays.
        """
        data = record.tobytes()
        end = self._start + self._count * self._size
        try:
            with open(self.path, "r+b") as file:
                if file.seek(0, os.SEEK_END) != end:
                    raise ConfigError(f"another process writes to {self.path}; wait for it, or name another --out")
                file.write(data + self._checksum(self._count, data))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written ({error.strerror}); the same command goes on") from None
        self._count += 1

    def records(self, count: int) -> Iterator[np.ndarray]:
        """The first records, one after the other."""
        for number, data in enumerate(self._sound()):
            if number == count:
                return
            yield np.frombuffer(data, self._record)[0]

    def _begins_with(self, header: bytes) -> bool:
        try:
            with open(self.path, "rb") as file:
                return file.read(len(header)) == header
        except FileNotFoundError:
            return False

    def _sound(self) -> Iterator[bytes]:
        """The records up to the first that is not whole."""
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
        return zlib.crc32(data, number).to_bytes(4, "little")
