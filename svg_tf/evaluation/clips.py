"""The test clips of a run under a protocol, by their numbers, and the program that drew them where there is one."""

import numpy as np
import tensorflow as tf

from svg_tf.data.dataset import TEST_CLIPS, make_source
from svg_tf.data.reflected_mnist import ReflectedMNIST
from svg_tf.evaluation.protocols import Setting


class TestClips:
    """Clips that are pure functions of their numbers.

    Attributes:
        count: how many there are.
        simulated: whether futures can be drawn.

    Raises:
        DataError: the test data is missing or broken.
    """

    __test__ = False  # it is no test, whatever pytest makes of the name

    def __init__(self, setting: Setting) -> None:
        self._n_past = setting.config.n_past
        source = ReflectedMNIST(setting.config) if setting.reflected else make_source(setting.config, "test")
        there = getattr(source, "test_clips", None)
        self.count = min(count for count in (setting.n_clips or there or TEST_CLIPS, there) if count is not None)
        self.simulated = hasattr(source, "futures")
        compiled = (lambda function: function) if setting.reflected else tf.function
        self._frames = compiled(source.frames)
        if self.simulated:
            self._futures = compiled(lambda index, seeds: source.futures(index, self._n_past, seeds))

    def __getitem__(self, number: int) -> np.ndarray:
        """The clip: uint8 [T, H, W, C]."""
        with tf.device("CPU"):
            return self._frames(tf.constant([number], tf.int64)).numpy()[0]

    def futures(self, number: int, seeds: np.ndarray) -> np.ndarray:
        """What may follow the clip's context, by the rules of the data: seeds int64 [S] -> uint8 [S, T', H, W, C]."""
        with tf.device("CPU"):
            return self._futures(tf.constant(number, tf.int64), tf.constant(seeds, tf.int64)).numpy()
