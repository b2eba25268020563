"""Records of scored clips on disk, so that an interrupted evaluation resumes."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from svg_tf import files

_FORMAT = 2  # increase it when the same settings give other scores


class Store:
    """One file per batch of clips, in a folder named by a digest of everything that determines the records.

    Args:
        folder: folder of all scores.
        key: everything that determines the records, for JSON.
        batch: clips per file.
    """

    def __init__(self, folder: str, key: Mapping[str, Any], batch: int) -> None:
        settings = json.dumps({"format": _FORMAT, "batch": batch, "key": key}, sort_keys=True)
        self._folder = os.path.join(folder, hashlib.sha256(settings.encode()).hexdigest()[:16])
        self._batch = batch

    def read(self, first: int) -> np.ndarray:
        """Return the records of the batch that begins with clip `first`, [0] if they are missing or damaged."""
        try:
            return np.load(self._path(first), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return np.empty(0)

    def write(self, first: int, records: np.ndarray) -> None:
        """Write the records of a batch atomically.

        Raises:
            OSError: the folder is not writable, or the disk is full.
        """
        files.write_with(self._path(first), lambda temporary: np.save(temporary, records))

    def records(self, count: int) -> Iterator[np.ndarray]:
        """Yield the records of the first `count` clips, all of which are stored."""
        for first in range(0, count, self._batch):
            yield from self.read(first)[: count - first]

    def _path(self, first: int) -> str:
        return os.path.join(self._folder, f"{first:06d}.npy")
