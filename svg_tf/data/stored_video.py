"""Videos whose frames are read from known positions of a file, and their division into splits."""

import dataclasses
import hashlib
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from svg_tf.data.errors import DataError

ENOUGH_VIDEOS = 10  # with fewer, `divide` cuts each video in time instead of holding out whole videos
_HELD_OUT_SHARE = 0.15


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class StoredVideo:
    """The positions of one video's frames in a file, which is opened only to read frames.

    Attributes:
        name: unique name within the data set.
        path: file that contains the frames.
        spans: int64 [T, 2], the first byte of each frame and the byte after its last one.
        shape: (H, W, C) of a frame; C is 1 or 3.
        encoded: True if each frame is an image file such as PNG, False for H * W * C raw bytes.
    """

    name: str
    path: str
    spans: np.ndarray
    shape: tuple[int, int, int]
    encoded: bool = False

    def __len__(self) -> int:
        return len(self.spans)

    def part(self, start: int, stop: int) -> "StoredVideo":
        """Return frames start to stop - 1 as a video of the same name."""
        return dataclasses.replace(self, spans=self.spans[start:stop])

    def read(self, start: int, count: int, stride: int = 1) -> np.ndarray:
        """Read the frames start, start + stride, ...: uint8 [count, H, W, C].

        Raises:
            DataError: the file was removed, truncated or damaged.
            IndexError: the video is too short.
        """
        spans = self.spans[start : start + stride * (count - 1) + 1 : stride]
        if len(spans) != count:
            raise IndexError(f"{self.name} has {len(self)} frames, not {count} from {start} by {stride}")
        sizes = spans[:, 1] - spans[:, 0]
        stops = np.cumsum(sizes)
        data = np.empty(stops[-1], np.uint8)
        contiguous = (spans[1:, 0] == spans[:-1, 1]).all()
        reads = [(0, stops[-1], spans[0, 0])] if contiguous else zip(stops - sizes, stops, spans[:, 0], strict=True)
        try:
            with open(self.path, "rb") as file:  # buffered: one system call reads at most 2 GiB, `readinto` repeats it
                for first, stop, position in reads:
                    file.seek(position)
                    if file.readinto(data[first:stop].data) != stop - first:
                        raise DataError(f"{self.path} became shorter after it was indexed; prepare the data again")
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}; prepare the data again") from None
        if not self.encoded:
            return data.reshape(count, *self.shape)
        return np.stack([self._decode(data[stop - size : stop]) for stop, size in zip(stops, sizes, strict=True)])

    def _decode(self, data: np.ndarray) -> np.ndarray:
        try:
            frame = np.asarray(Image.open(io.BytesIO(data.data)))
        except Exception as error:  # Pillow raises many types for damaged images
            raise DataError(f"{self.path} contains a broken image in {self.name}: {error}") from None
        if frame.size != np.prod(self.shape) or frame.dtype != np.uint8:
            raise DataError(f"{self.path}: {self.name} is {frame.dtype} {frame.shape}, expected uint8 {self.shape}")
        return frame.reshape(self.shape)


class Collection(NamedTuple):
    """The usable videos of a folder.

    Attributes:
        videos: sorted by name or file.
        skipped: {path relative to the data folder: reason} of unusable files.
        skipped_path: JSON file that lists `skipped`.
    """

    videos: list[StoredVideo]
    skipped: dict[str, str]
    skipped_path: str


def contiguous_spans(first: int, count: int, size: int) -> np.ndarray:
    """Return the spans of count adjacent frames of size bytes that start at byte first: int64 [count, 2]."""
    edges = first + size * np.arange(count + 1, dtype=np.int64)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def divide(videos: Sequence[StoredVideo], held_out: Sequence[str]) -> dict[str, list[StoredVideo]]:
    """Divide videos between train and held-out splits, identically in every run and for every seed.

    Of ten videos or more, each held-out split gets 15 % of them, chosen by the hashes of their names. Fewer videos are
    cut in time: train has the beginning of each, the first held-out split the next 15 %, and so on. Such a split is
    easier to predict than unseen videos.

    Args:
        videos: videos with unique names.
        held_out: names of the held-out splits.

    Returns:
        The videos of train and of each held-out split, in their given order.
    """
    divided: dict[str, list[StoredVideo]] = {split: [] for split in ("train", *held_out)}
    if len(videos) < ENOUGH_VIDEOS:
        for video in videos:
            parts = range(len(held_out), 0, -1)
            cuts = [0, *(round(len(video) * (1 - _HELD_OUT_SHARE * part)) for part in parts), len(video)]
            for split, start, stop in zip(divided, cuts, cuts[1:], strict=False):
                divided[split].append(video.part(start, stop))
        return divided
    ranked = sorted(videos, key=lambda video: hashlib.sha256(video.name.encode()).digest())
    count = round(_HELD_OUT_SHARE * len(videos))
    split_of = {video.name: split for n, split in enumerate(held_out) for video in ranked[n * count : (n + 1) * count]}
    for video in videos:
        divided[split_of.get(video.name, "train")].append(video)
    return divided
