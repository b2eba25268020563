"""Videos as they lie on the disk: uncompressed or as images, frame by frame at known places of a file."""

import dataclasses
import io
import os
from typing import NamedTuple

import numpy as np
from PIL import Image

from svg_tf.data.errors import DataError


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class StoredVideo:
    """Where the frames of one video lie. Nothing is open and nothing is read until frames are wanted.

    Attributes:
        name: what people call it; unique in its data set.
        path: the file that holds it.
        spans: int64 [T, 2] first byte of each frame in the file, and the byte after its last.
        shape: (H, W, C) of a frame, C is 1 or 3.
        encoded: a frame is an image file such as PNG, not its H * W * C pixels.
    """

    name: str
    path: str
    spans: np.ndarray
    shape: tuple[int, int, int]
    encoded: bool = False

    def __len__(self) -> int:
        return len(self.spans)

    def part(self, start: int, stop: int) -> "StoredVideo":
        """The frames start to stop - 1, as a video of the same name."""
        return dataclasses.replace(self, spans=self.spans[start:stop])

    def read(self, start: int, count: int, stride: int = 1) -> np.ndarray:
        """The frames start, start + stride, ... as they are stored: uint8 [count, H, W, C].

        Raises:
            DataError: the file has gone or changed.
        """
        spans = self.spans[start : start + stride * (count - 1) + 1 : stride]
        if len(spans) != count:
            raise IndexError(f"{self.name} has {len(self)} frames, not {count} from {start} by {stride}")
        try:
            with open(self.path, "rb", buffering=0) as file:
                contiguous = (spans[1:, 0] == spans[:-1, 1]).all()
                pieces = [(spans[0, 0], spans[-1, 1])] if contiguous else spans
                data = [os.pread(file.fileno(), int(stop - first), int(first)) for first, stop in pieces]
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}; prepare the data again") from None
        whole, lengths = b"".join(data), spans[:, 1] - spans[:, 0]
        if len(whole) != lengths.sum():
            raise DataError(f"{self.path} has become shorter since it was indexed; prepare the data again")
        if not self.encoded:
            return np.frombuffer(whole, np.uint8).reshape(count, *self.shape)
        stops = np.cumsum(lengths)
        return np.stack([self._decode(whole[stop - n : stop]) for stop, n in zip(stops, lengths, strict=True)])

    def _decode(self, data: bytes) -> np.ndarray:
        try:
            frame = np.asarray(Image.open(io.BytesIO(data)))
        except Exception as error:  # Pillow's readers raise a dozen kinds on damage
            raise DataError(f"{self.path} holds a broken image in {self.name}: {error}") from None
        if frame.size != np.prod(self.shape) or frame.dtype != np.uint8:
            raise DataError(f"{self.path} holds {frame.dtype} {frame.shape} in {self.name}, not uint8 {self.shape}")
        return frame.reshape(self.shape)


class Collection(NamedTuple):
    """What a folder of data has to give.

    Attributes:
        videos: those that can be used, in the order of their names or files.
        skipped: {path, relative to the data: reason} of the others.
        skipped_path: the file that lists them.
    """

    videos: list[StoredVideo]
    skipped: dict[str, str]
    skipped_path: str


def contiguous_spans(first: int, count: int, size: int) -> np.ndarray:
    """The spans of count frames of size bytes, one after the other from the byte first: int64 [count, 2]."""
    edges = first + size * np.arange(count + 1, dtype=np.int64)
    return np.stack([edges[:-1], edges[1:]], axis=1)
