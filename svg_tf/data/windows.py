"""Clips cut out of stored videos, and the division of the videos into splits."""

import atexit
import dataclasses
import hashlib
import io
import os
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from svg_tf.config import Config
from svg_tf.data.errors import DataError
from svg_tf.data.philox import random_bits

SPLITS = ("train", "validation", "test")
ENOUGH_VIDEOS = 10  # with fewer, `divide` cuts each video in time instead of holding out whole videos
_HELD_OUT_SHARE = 0.15


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class StoredVideo:
    """The positions of one video's frames in a file, which is opened only to read frames."""

    name: str  # unique within the data set
    path: str
    spans: np.ndarray  # int64 [T, 2], the first byte of each frame and the byte after its last one
    shape: tuple[int, int, int]  # (H, W, C) of a frame; C is 1 or 3
    encoded: bool = False  # True: each frame is an image file such as PNG; False: H * W * C raw bytes

    def __len__(self) -> int:
        return len(self.spans)

    def part(self, start: int, stop: int, name: str = "") -> "StoredVideo":
        """Return the frames start to stop - 1 as a video, by default of the same name."""
        return dataclasses.replace(self, spans=self.spans[start:stop], name=name or self.name)

    def read(self, start: int, count: int, stride: int = 1) -> np.ndarray:
        """Read the frames start, start + stride, ...: uint8 [count, H, W, C]. DataError if the file is damaged."""
        spans = self.spans[start : start + stride * (count - 1) + 1 : stride].tolist()
        try:
            with open(self.path, "rb", buffering=0) as file:
                frames = [os.pread(file.fileno(), stop - first, first) for first, stop in spans]
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}; prepare the data again") from None
        if any(len(frame) != stop - first for frame, (first, stop) in zip(frames, spans, strict=True)):
            raise DataError(f"{self.path} became shorter after it was indexed; prepare the data again")
        if self.encoded:
            return np.stack([self._decode(frame) for frame in frames])
        return np.frombuffer(b"".join(frames), np.uint8).reshape(count, *self.shape)

    def _decode(self, data: bytes) -> np.ndarray:
        try:
            frame = np.asarray(Image.open(io.BytesIO(data)))
        except Exception as error:  # Pillow raises many types for damaged images
            raise DataError(f"{self.path} contains a broken image in {self.name}: {error}") from None
        if frame.shape != self.shape or frame.dtype != np.uint8:
            raise DataError(f"{self.path}: {self.name} is {frame.dtype} {frame.shape}, expected uint8 {self.shape}")
        return frame


class Collection(NamedTuple):
    """The usable videos of a folder, sorted by name or file."""

    videos: list[StoredVideo]
    skipped: dict[str, str]  # {path relative to the data folder: reason} of unusable files
    skipped_path: str  # JSON file that lists them


class Windows:
    """Clips of consecutive frames, `frame_stride` apart, that start anywhere in the videos.

    Training visits the videos in epochs, each in a different order, and draws the first frame of every clip.
    Validation does the same with a fixed seed. The test split is all windows of the videos in a fixed random order. A
    clip depends only on its index, the split and, in training, config.seed.

    Args:
        videos: videos with frames of one shape. `self.too_short` has those that are too short for a clip.
        config: fields n_past, n_future, n_eval, frame_stride and seed.
        split: train, validation or test; clips have n_eval frames in the test split and n_frames in the others.
        collection: all videos and skipped files of the folder, kept as an attribute.
        by_length: visit a long video once per epoch for each clip that fits into it, instead of once.
        in_order: test each video once, in order, from its first frame.

    Raises:
        DataError: no video is long enough.
    """

    test_clips: int | None = None  # number of distinct clips of the test split

    def __init__(
        self,
        videos: Sequence[StoredVideo],
        config: Config,
        split: str,
        collection: Collection,
        *,
        by_length: bool = False,
        in_order: bool = False,
    ) -> None:
        self.collection = collection
        self._n_frames = config.n_eval if split == "test" else config.n_frames
        self._stride = config.frame_stride
        span = (self._n_frames - 1) * self._stride + 1
        self.videos = [video for video in videos if len(video) >= span]
        self.too_short = [video for video in videos if len(video) < span]
        if not self.videos:
            longest = max(map(len, videos), default=0)
            flags = "--n_eval" if split == "test" else "--n_past, --n_future"
            raise DataError(
                f"the {split} split of data_dir {config.data_dir} has no video of {span} frames, the span of a clip: "
                f"the longest of {len(videos)} has {longest}. Lower {flags} or --frame_stride, or add videos"
            )
        starts = np.array([len(video) - span + 1 for video in self.videos], np.int64)
        visits = np.array([len(video) // span if by_length else 1 for video in self.videos])
        self._test = None
        with tf.device("CPU"):  # where tf.data runs
            self._starts = tf.constant(starts)
            self._visited = tf.constant(np.repeat(np.arange(len(visits), dtype=np.int64), visits))
            if split == "test":
                first_windows = np.stack([np.arange(len(starts)), np.zeros_like(starts)], axis=1)
                self._test = tf.constant(first_windows if in_order else _all_windows(starts, visits))
                self.test_clips = len(self._test)
        self._stream = (SPLITS.index(split) << 32) + (config.seed if split == "train" else 0)
        self._clip_shape = (self._n_frames, *self.videos[0].shape)

    def frames(self, indices: tf.Tensor) -> tf.Tensor:
        """Return the clips of indices, int64 [B] of at least 0: uint8 [B, T, H, W, C]."""
        video, start = self.places(indices)
        clips = tf.numpy_function(self._read, [video, start], tf.uint8, stateful=False)
        return tf.ensure_shape(clips, [None, *self._clip_shape])

    def places(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the position in self.videos and the first frame of each clip, both int64 [B]."""
        indices = tf.cast(indices, tf.int64)
        if self._test is not None:
            place = tf.gather(self._test, indices % self.test_clips)
            return place[:, 0], place[:, 1]
        visits = tf.shape(self._visited, tf.int64)[0]
        epoch = indices // visits
        # Philox scrambles the seeds, so that nearby seeds give unrelated orders. tf.random.experimental.index_shuffle
        # pads a batch of seeds along the wrong axis, so call the raw operation with the same padding.
        seeds = tf.bitcast(random_bits(self._stream, -1 - epoch, 2), tf.int32)
        seeds = tf.pad(seeds, [[0, 0], [1, 0]], constant_values=498247692)
        shuffled = tf.raw_ops.RandomIndexShuffle(index=indices % visits, seed=seeds, max_index=visits - 1, rounds=4)
        video = tf.gather(self._visited, shuffled)
        bits = tf.cast(random_bits(self._stream, indices, 1)[:, 0], tf.int64)
        return video, bits % tf.gather(self._starts, video)

    def _read(self, videos: np.ndarray, starts: np.ndarray) -> np.ndarray:
        _active_calls.add(threading.get_ident())
        try:
            clips = np.zeros([len(videos), *self._clip_shape], np.uint8)
            for clip, video, start in zip(clips, videos, starts, strict=True):
                if not _exiting.is_set():
                    clip[:] = self.videos[video].read(start, self._n_frames, self._stride)
            return clips
        finally:
            _last_call[0] = time.monotonic()
            _active_calls.discard(threading.get_ident())


def divide(videos: Sequence[StoredVideo], held_out: Sequence[str]) -> dict[str, list[StoredVideo]]:
    """Divide videos between train and the splits of `held_out`, identically in every run and for every seed.

    Of ten videos or more, each held-out split gets 15 % of them, chosen by the hashes of their names. Fewer videos are
    cut in time: train has the beginning of each, the first held-out split the next 15 %, and so on. Such a split is
    easier to predict than unseen videos.
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


def _all_windows(starts: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """Return (video, first frame) of every window once, in a fixed random order: int64 [windows, 2].

    As in training, each epoch visits video v visits[v] times while it has windows left; it has starts[v] of them.
    """
    random = np.random.RandomState(0)  # NumPy never changes the numbers that RandomState draws
    video = np.repeat(np.arange(len(starts)), starts)
    start = np.arange(len(video)) - np.repeat(np.cumsum(starts) - starts, starts)  # counts from 0 in each video
    shuffled = start[np.lexsort((random.rand(len(video)), video))]
    epoch = start // visits[video]
    return np.stack([video, shuffled], axis=1)[np.lexsort((random.rand(len(video)), epoch))]


# tf.data calls `Windows._read` from its own threads. A call that starts while the interpreter shuts down never gets
# the GIL, and the iterator that waits for it then blocks the exit of the process forever.
_exiting = threading.Event()
_active_calls: set[int] = set()
_last_call = [float("-inf")]


@atexit.register
def _finish_calls() -> None:
    """Let reads return at once, and wait until tf.data has filled its buffers and made no call for 0.25 seconds."""
    _exiting.set()
    deadline = time.monotonic() + 10
    while (now := time.monotonic()) < deadline and (_active_calls or now - _last_call[0] < 0.25):
        time.sleep(0.02)
