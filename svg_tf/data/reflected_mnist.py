"""The Stochastic Moving MNIST test set of Franceschi et al. (SRVP, ICML 2020, appendix), with exact reflections.

It differs from the data of Denton and Fergus: digits keep MNIST's 28 pixels and reach every position in the frame, and
a digit that hits a wall continues from the exact point of contact for the rest of the step.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data import digits as digits_lib
from svg_tf.data.moving_mnist import render

DIGIT_SIZE = 28

_SEED = 42
_FRAMES = 100  # length of the published clips; the next clip draws its random numbers after these frames
_TOLERANCE = 1e-8  # pixels beyond a wall that do not count as a hit

Motion = tuple[float, float, float, float]  # position y, x in pixels; velocity y, x in pixels per frame


class ReflectedMNIST:
    """The published test clips, drawn with NumPy's seed 42 in the order of the authors' script.

    Each test digit occurs once, so there are 5,000 clips of two digits, each of config.n_eval frames, at most 100.
    config.digit_size is ignored.
    """

    def __init__(self, config: Config) -> None:
        with tf.device("CPU"):
            self._digits = tf.constant(digits_lib.load_digits(config.replace(digit_size=DIGIT_SIZE), "test"))
        self._config = config
        self._span = config.image_width - DIGIT_SIZE
        self._random = np.random.RandomState(_SEED)  # NumPy never changes the numbers that RandomState draws
        self._order = self._random.permutation(len(self._digits))
        self._drawn: list[np.ndarray] = []  # [N, T, 4] for each clip
        self.test_clips = len(self._digits) // config.num_digits

    def frames(self, indices: tf.Tensor) -> tf.Tensor:
        """Return the clips of indices, int64 [B] below test_clips: uint8 [B, T, W, W, 1]."""
        indices = np.asarray(indices)
        motions = np.array([self._motions(index) for index in indices])  # [B, N, T, 4]
        return self._render(indices, motions.transpose(0, 2, 1, 3))

    def futures(self, index: tf.Tensor, n_past: int, seeds: tf.Tensor) -> tf.Tensor:
        """Simulate possible continuations of a clip, see MovingMNIST.futures.

        A reflection in the last context frame is redrawn until the digit lands on the pixel that this frame shows.
        """
        index, steps = int(index), self._config.n_eval - n_past
        futures = []
        for seed in np.asarray(seeds).tolist():
            random = np.random.RandomState([seed & 0xFFFF_FFFF, seed >> 32])
            starts = [self._last_context(random, frames[:n_past]) for frames in self._motions(index)]
            futures.append([self._continue(random, start, steps + 1)[1:] for start in starts])
        motions = np.array(futures).transpose(0, 2, 1, 3)  # [S, T - n_past, N, 4]
        return self._render(np.full(len(motions), index), motions)

    def _last_context(self, random: np.random.RandomState, frames: np.ndarray) -> Motion:
        """Draw the motion out of the last of the context frames [n_past, 4], given its pixels."""
        if len(frames) == 1:
            return tuple(frames[0].tolist())
        while True:  # ends, because the true motion is one of the possible draws
            drawn = self._continue(random, tuple(frames[-2].tolist()), 2)[-1]
            if np.array_equal(np.rint(drawn[:2]), np.rint(frames[-1, :2])):
                return drawn

    def _render(self, indices: np.ndarray, motions: np.ndarray) -> tf.Tensor:
        """Draw motions [B, T, N, 4] with the digits of the clips of indices [B]."""
        digits = self._config.num_digits
        which = self._order[indices[:, np.newaxis] * digits + np.arange(digits)]
        positions = np.rint(motions[..., :2]).astype(np.int32)
        return render(tf.gather(self._digits, which), tf.constant(positions), self._config.image_width)

    def _motions(self, index: int) -> np.ndarray:
        # The random numbers of a clip follow those of the clip before it.
        while len(self._drawn) <= index:
            clip = []
            for _ in range(self._config.num_digits):
                y, x = (self._random.randint(0, self._span + 1) for _ in range(2))
                clip.append(self._continue(self._random, (y, x, *self._velocity(self._random)), _FRAMES))
            self._drawn.append(np.array(clip)[:, : self._config.n_eval])
        return self._drawn[index]

    def _continue(self, random: np.random.RandomState, motion: Motion, frames: int) -> list[Motion]:
        """Return the motions of a digit in consecutive frames, starting with `motion`."""
        path = [motion]
        for _ in range(frames - 1):
            y, x, dy, dx = path[-1]
            path.append(reflect((y + dy, x + dx, dy, dx), self._span, lambda: self._velocity(random)))
        return path

    def _velocity(self, random: np.random.RandomState) -> tuple[int, int]:
        speed = self._config.max_speed
        return random.randint(-speed, speed + 1), random.randint(-speed, speed + 1)


def reflect(motion: Motion, span: int, velocity: Callable[[], tuple[int, int]]) -> Motion:
    """Bring a digit that crossed a wall back into 0..span on both axes.

    The digit continues from the point where it crossed the first wall, for the rest of the step, with a new velocity
    whose component across the wall points away from it (both components in a corner). It may then cross another wall.
    """
    y, x, dy, dx = motion
    while not (_inside(y, span) and _inside(x, span)):
        hits_y, hits_x = not _inside(y, span), not _inside(x, span)
        wall_y, wall_x = (0.0 if y < 0 else span), (0.0 if x < 0 else span)
        hit_y, hit_x = y, wall_x
        if dy:  # x = slope * y + start; of two crossings, only the first one is inside the frame
            slope = dx / dy
            start = x - slope * y
            hits_y = hits_y and _inside(slope * wall_y + start, span)
            hits_x = hits_x and _inside((wall_x - start) / slope, span)
            if hits_x:
                hit_y = (wall_x - start) / slope
            else:
                hit_y, hit_x = wall_y, slope * wall_y + start
        remaining = (y - hit_y) / dy if dy else (x - hit_x) / dx  # share of the step
        new_dy, new_dx = velocity()
        dy = math.copysign(new_dy, -dy) if hits_y else new_dy
        dx = math.copysign(new_dx, -dx) if hits_x else new_dx
        y, x = hit_y + dy * remaining, hit_x + dx * remaining
    return y, x, dy, dx


def _inside(position: float, span: int) -> bool:
    return -_TOLERANCE <= position <= span + _TOLERANCE
