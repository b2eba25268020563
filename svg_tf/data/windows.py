"""Clips cut out of stored videos: which video and which frames, as a pure function of the clip's number."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.errors import DataError
from svg_tf.data.exit_guard import ExitGuard
from svg_tf.data.stored_video import Collection, StoredVideo

SPLITS = ("train", "validation", "test")

_MOST_TEST_CLIPS = 1_000
_GUARD = ExitGuard()


class Windows:
    """Clips of n_frames frames (n_eval in the test split), frame_stride apart, that lie anywhere in the videos.

    Training goes through the videos in epochs, each in an order of its own, and starts anywhere in each. A clip is a
    pure function of its index, the split and, in training, config.seed. Validation and test do the same with a seed
    of their own, so that all runs are judged by the same clips; with in_order, the test takes the videos one after
    the other, from their first frame.

    Args:
        videos: of one shape.
        config: n_past, n_future, n_eval, frame_stride, seed.
        split: train, validation or test.
        collection: what the videos were taken from.
        by_length: visit long videos more often, once an epoch for every clip that fits; by default once each.
        in_order: as above.

    Attributes:
        videos: those long enough.
        too_short: the others.
        collection: as given.
        test_clips: how many clips make the test: every video with in_order, else as many as there are, to 1,000.

    Raises:
        DataError: no video is long enough.
    """

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
            raise DataError(_none_left(videos, config, split, span))
        starts = np.array([len(video) - span + 1 for video in self.videos], np.int64)
        visits = np.array([len(video) // span if by_length else 1 for video in self.videos])
        with tf.device("CPU"):  # where tf.data runs
            self._starts = tf.constant(starts)
            self._visited = tf.constant(np.repeat(np.arange(len(visits), dtype=np.int64), visits))
        self._in_order = in_order and split == "test"
        self.test_clips = len(self.videos) if self._in_order else min(int(starts.sum()), _MOST_TEST_CLIPS)
        self._seed = (config.seed if split == "train" else 0, SPLITS.index(split))
        self._clip_shape = (self._n_frames, *self.videos[0].shape)

    def frames(self, indices: tf.Tensor) -> tf.Tensor:
        """The clips of these indices, int64 [B], 0 or more: uint8 [B, T, H, W, C] as they are stored."""
        video, start = self.places(indices)
        clips = tf.numpy_function(self._read, [video, start], tf.uint8, stateful=False)
        return tf.ensure_shape(clips, [None, *self._clip_shape])

    def places(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Which of self.videos each clip comes from, and its first frame there: both int64 [B]."""
        indices = tf.cast(indices, tf.int64)
        visits = tf.shape(self._visited, tf.int64)[0]
        epoch, place = indices // visits, indices % visits
        if self._in_order:
            return tf.gather(self._visited, place), tf.zeros_like(place)

        def draw(values: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            index, epoch, place = values
            seed, split = self._seed
            # Mixed by Philox first: the shuffle takes two words, and seeds that are near must not give orders alike.
            key = tf.random.stateless_uniform([2], [(split << 32) + seed, -1 - epoch], None, None, tf.int32, "philox")
            shuffled = tf.random.experimental.index_shuffle(place, key, visits - 1)
            bits = tf.random.stateless_uniform([], [(split << 32) + seed, index], None, None, tf.uint32, "philox")
            return shuffled, tf.cast(bits, tf.int64)

        signature = (tf.TensorSpec([], tf.int64), tf.TensorSpec([], tf.int64))
        shuffled, bits = tf.map_fn(draw, (indices, epoch, place), fn_output_signature=signature)
        video = tf.gather(self._visited, shuffled)
        return video, bits % tf.gather(self._starts, video)

    def _read(self, videos: np.ndarray, starts: np.ndarray) -> np.ndarray:
        with _GUARD:
            if _GUARD.closing:
                return np.zeros([len(videos), *self._clip_shape], np.uint8)
            places = zip(videos, starts, strict=True)
            return np.stack([self.videos[video].read(start, self._n_frames, self._stride) for video, start in places])


def _none_left(videos: Sequence[StoredVideo], config: Config, split: str, span: int) -> str:
    if not videos:
        return f"the {split} split of data_dir {config.data_dir} has no videos; add some"
    longest = max(len(video) for video in videos)
    flags = "n_eval" if split == "test" else "n_past and n_future"
    stride = f" at --frame_stride={config.frame_stride}" if config.frame_stride > 1 else ""
    return (
        f"the {split} split of data_dir {config.data_dir} has no video that is long enough: {flags} need {span} "
        f"frames{stride}, and the longest of {len(videos)} has {longest}; lower them or add videos"
    )
