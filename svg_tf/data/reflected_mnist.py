"""The test set of Stochastic Moving MNIST after Franceschi et al. (SRVP, ICML 2020, appendix): exact reflections.

It differs from Denton and Fergus': digits keep MNIST's 28 pixels and reach every place of the frame, one that hits a
wall spends what is left of the step on the way back, from the very point that it hit, and no test digit comes twice.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data import digits as digits_lib
from svg_tf.data.moving_mnist import render

DIGIT_SIZE = 28

_SEED = 42
_FRAMES = 100  # of every clip of the published set: how many decides which numbers the next clip draws
_TOLERANCE = 1e-8  # pixels beyond a wall that are none

Motion = tuple[float, float, float, float]  # place y, x in pixels; velocity y, x in pixels a frame


class ReflectedMNIST:
    """The published test clips, drawn from NumPy's seed 42 in the order in which the authors' script draws.

    A clip takes as many of the shuffled test digits as it shows, so there are 5,000 of two.

    Args:
        config: digits, num_digits, max_speed, image_width, data_dir; clips have n_eval frames, to 100. digit_size is
            not read.

    Raises:
        DataError: the digits are missing or damaged.
    """

    def __init__(self, config: Config) -> None:
        with tf.device("CPU"):
            self._digits = tf.constant(digits_lib.load_digits(config.replace(digit_size=DIGIT_SIZE), "test"))
        self._config = config
        self._span = config.image_width - DIGIT_SIZE
        self._random = np.random.RandomState(_SEED)  # whose streams are frozen
        self._order = self._random.permutation(len(self._digits))
        self._drawn: list[np.ndarray] = []  # of every clip [N, T, 4]
        self.test_clips = len(self._digits) // config.num_digits

    def frames(self, indices: tf.Tensor) -> tf.Tensor:
        """The clips of these indices, int64 [B], below test_clips: uint8 [B, T, W, W, 1]."""
        indices = np.asarray(indices)
        motions = np.array([self._motions(index) for index in indices])  # [B, N, T, 4]
        return self._render(indices, motions.transpose(0, 2, 1, 3))

    def futures(self, index: tf.Tensor, n_past: int, seeds: tf.Tensor) -> tf.Tensor:
        """As MovingMNIST.futures; a wall in the last frame given throws a digit to the pixel that is seen there."""
        index, steps = int(index), self._config.n_eval - n_past
        futures = []
        for seed in np.asarray(seeds).tolist():
            random = np.random.RandomState([seed & 0xFFFF_FFFF, seed >> 32])
            starts = [self._last_given(random, frames[:n_past]) for frames in self._motions(index)]
            futures.append([self._continue(random, start, steps + 1)[1:] for start in starts])
        motions = np.array(futures).transpose(0, 2, 1, 3)  # [S, T - n_past, N, 4]
        return self._render(np.full(len(motions), index), motions)

    def _last_given(self, random: np.random.RandomState, frames: np.ndarray) -> Motion:
        """How a digit may leave the last of the frames given, [P, 4], in which a wall may have drawn its velocity."""
        if len(frames) == 1:
            return tuple(frames[0].tolist())
        while True:  # the truth is one of the draws, so it ends
            drawn = self._continue(random, tuple(frames[-2].tolist()), 2)[-1]
            if np.array_equal(np.rint(drawn[:2]), np.rint(frames[-1, :2])):
                return drawn

    def _render(self, indices: np.ndarray, motions: np.ndarray) -> tf.Tensor:
        """Motions [B, T, N, 4] of the clips of these numbers."""
        digits = self._config.num_digits
        which = self._order[indices[:, np.newaxis] * digits + np.arange(digits)]
        positions = np.rint(motions[..., :2]).astype(np.int32)
        return render(tf.gather(self._digits, which), tf.constant(positions), self._config.image_width)

    def _motions(self, index: int) -> np.ndarray:
        # Every clip draws on from where the one before it stopped.
        for _ in range(len(self._drawn), index + 1):
            clip = []
            for _ in range(self._config.num_digits):
                y, x = (self._random.randint(0, self._span + 1) for _ in range(2))
                frames = self._continue(self._random, (y, x, *self._velocity(self._random)), _FRAMES)
                clip.append(frames[: self._config.n_eval])
            self._drawn.append(np.array(clip))
        return self._drawn[index]

    def _continue(self, random: np.random.RandomState, motion: Motion, frames: int) -> list[Motion]:
        """Frames of a digit's motion, beginning with the given one."""
        made = [motion]
        for _ in range(frames - 1):
            y, x, dy, dx = made[-1]
            made.append(reflect((y + dy, x + dx, dy, dx), self._span, lambda: self._velocity(random)))
        return made

    def _velocity(self, random: np.random.RandomState) -> tuple[int, int]:
        speed = self._config.max_speed
        return random.randint(-speed, speed + 1), random.randint(-speed, speed + 1)


def reflect(motion: Motion, span: int, velocity: Callable[[], tuple[int, int]]) -> Motion:
    """Brings a digit that a step took past a wall back into 0..span on both axes.

    It goes on from the point of the wall that it crossed first, for what is left of the step, with a new velocity
    of which the part across the wall points away from it; in a corner both parts do. That may take it past a wall
    again.
    """
    y, x, dy, dx = motion
    while True:
        beyond_y, beyond_x = (place < -_TOLERANCE or place > span + _TOLERANCE for place in (y, x))
        if not (beyond_y or beyond_x):
            return y, x, dy, dx
        wall_y, wall_x = (0 if y < 0 else span), (0 if x < 0 else span)
        hit_y, hit_x = y, x
        if dy == 0:
            hit_x = wall_x
        elif dx == 0:
            hit_y = wall_y
        else:
            # The last step's line; of two walls only the one crossed first is crossed inside the frame.
            slope = dx / dy
            start = x - slope * y
            if beyond_y:
                beyond_y = _inside(slope * wall_y + start, span)
                if beyond_y:
                    hit_y, hit_x = wall_y, slope * wall_y + start
            if beyond_x:
                beyond_x = _inside((wall_x - start) / slope, span)
                if beyond_x:
                    hit_y, hit_x = (wall_x - start) / slope, wall_x
        left = (y - hit_y) / dy if dy else (x - hit_x) / dx  # of the step
        dy, dx = velocity()
        if beyond_y:
            dy = abs(dy) if wall_y == 0 else -abs(dy)
        if beyond_x:
            dx = abs(dx) if wall_x == 0 else -abs(dx)
        y, x = hit_y + dy * left, hit_x + dx * left


def _inside(place: float, span: int) -> bool:
    return -_TOLERANCE <= place <= span + _TOLERANCE
