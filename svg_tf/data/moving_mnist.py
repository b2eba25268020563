"""Stochastic Moving MNIST (Denton and Fergus, ICML 2018, section 5.1), drawn on the fly by a TF program."""

from typing import Any, NamedTuple

import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data import digits as digits_lib
from svg_tf.data import philox

_STARTS = 5  # draws of a digit before its first frame: which digit; y, x; velocity y, x
_REDRAWS = 4  # draws of a digit for every frame: y wall away, x wall away, y wall along, x wall along
_FUTURES_KEY = 0x4655_5455  # second word of a future's seed, where clips have their index, which is smaller


class Truth(NamedTuple):
    """What a clip was drawn from; the last axis of three of them is (y, x).

    Attributes:
        positions: int32 [B, T, N, 2] top left corners of the digits, 0 to image_width - digit_size - 1 pixels.
        velocities: int32 [B, T, N, 2] pixels a frame on leaving the frame, after a redraw in it.
        wall_hits: bool [B, T, N, 2] a wall of that axis was hit: the digit was set back to it in this frame. In the
            paper's clips this befalls a digit in 3.58 of 30 frames on average, a corner counted once.
        digits: int64 [B, N] which images of digits.load_digits they are.
    """

    positions: tf.Tensor
    velocities: tf.Tensor
    wall_hits: tf.Tensor
    digits: tf.Tensor


class MovingMNIST:
    """Clips of num_digits digits that move straight on and leave a wall with a new random velocity.

    A clip is a pure function of its index, the split and, in training, config.seed: whatever batch it is in,
    compiled by XLA or not. The clips of validation and test are the same for every seed, so that runs compare.
    A clip's first frames do not depend on its length.

    Args:
        config: digits, num_digits, digit_size, max_speed, motion, image_width, data_dir, seed; clips have n_eval
            frames in the test split and n_frames in the others.
        split: train, validation or test.

    Raises:
        DataError: the split is unknown, or the digits are missing or damaged.
    """

    def __init__(self, config: Config, split: str) -> None:
        # tf.data, which draws the clips, runs on the host.
        with tf.device("CPU"):
            self._digits = tf.constant(digits_lib.load_digits(config, split))  # [K, D, D]
        self._config = config
        self._n_frames = config.n_eval if split == "test" else config.n_frames
        self._rules: dict[str, Any] = {
            "span": config.image_width - config.digit_size,
            "max_speed": config.max_speed,
            "stochastic": config.motion == "stochastic",
        }
        self._stream = (digits_lib.SPLITS.index(split) << 32) + (config.seed if split == "train" else 0)

    @property
    def digits(self) -> tf.Tensor:
        """The images that the clips are drawn from, uint8 [K, D, D]."""
        return self._digits

    def frames(self, indices: tf.Tensor) -> tf.Tensor:
        """The clips of these indices, int64 [B], 0 or more: uint8 [B, T, W, W, 1] in 0..255."""
        return self.frames_and_truth(indices)[0]

    def frames_and_truth(self, indices: tf.Tensor) -> tuple[tf.Tensor, Truth]:
        """As frames, with what they were drawn from."""
        config = self._config
        bits = self._random_bits(indices)  # [B, N * (_STARTS + T * _REDRAWS)]
        starts = tf.reshape(bits[:, : config.num_digits * _STARTS], [-1, config.num_digits, _STARTS])
        redraws = tf.reshape(bits[:, config.num_digits * _STARTS :], [-1, self._n_frames, config.num_digits, _REDRAWS])
        which = starts[..., 0] % len(self._digits)
        positions, velocities, wall_hits = trajectories(
            starts[..., 1:],
            redraws,
            **self._rules,
        )
        frames = render(tf.gather(self._digits, which), positions, config.image_width)
        return frames, Truth(positions, velocities, wall_hits, which)

    def futures(self, index: tf.Tensor, n_past: int, seeds: tf.Tensor) -> tf.Tensor:
        """What may come after the first n_past frames of a clip, by the rules of the data.

        The digits, and how they move into frame n_past - 1, are the clip's. What a wall draws in that frame or after
        it is not, since no given frame shows it (where n_past is 1, none shows any velocity; the clip's is taken).
        A future is a pure function of the clip and its seed.

        Args:
            index: int64 [], the clip's.
            n_past: frames that are given, at least 1.
            seeds: int64 [S].

        Returns:
            uint8 [S, T - n_past, W, W, 1].
        """
        _, truth = self.frames_and_truth(index[tf.newaxis])
        known = max(n_past - 2, 0)  # the last frame whose velocity can be seen, in the frame after it
        samples, steps = tf.shape(seeds)[0], self._n_frames - known - 1

        def given(array: tf.Tensor) -> tf.Tensor:
            return tf.repeat(array, samples, axis=0)

        draws = steps * self._config.num_digits * _REDRAWS
        keys = tf.fill([samples], tf.constant(_FUTURES_KEY, tf.int64))
        bits = tf.cast(philox.random_bits(tf.stack([seeds, keys], axis=1), draws), tf.int64)
        positions, _, _ = walk(
            given(truth.positions[:, known]),
            given(truth.velocities[:, known]),
            tf.reshape(bits, [-1, steps, self._config.num_digits, _REDRAWS]),
            **self._rules,
        )
        positions = positions[:, n_past - 1 - known :]  # of the frames that are not given
        return render(given(tf.gather(self._digits, truth.digits)), positions, self._config.image_width)

    def _random_bits(self, indices: tf.Tensor) -> tf.Tensor:
        """int64 [B, draws] uniform in 0..2^32-1, a row for every index; no two clips, splits or seeds share one."""
        draws = self._config.num_digits * (_STARTS + self._n_frames * _REDRAWS)
        indices = tf.cast(indices, tf.int64)
        streams = tf.fill(tf.shape(indices), tf.constant(self._stream, tf.int64))
        return tf.cast(philox.random_bits(tf.stack([streams, indices], axis=1), draws), tf.int64)


def trajectories(
    starts: tf.Tensor, redraws: tf.Tensor, span: int, max_speed: int, stochastic: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The paths of digits by the rules of the original, every axis with walls before 0 and at span.

    A digit starts anywhere in 0..span-1 with a velocity of -max_speed..max_speed on each axis and moves straight
    on. Past a wall it is set back to the last place inside (0 or span-1). Stochastic: it leaves with a new
    velocity, 1..max_speed away from the wall and -max_speed..max_speed along it, which in a corner is the draw of
    the x wall. Deterministic: that axis' velocity changes sign.

    Integers are drawn as bits modulo n, whose probabilities are off by a factor of at most 1 + n / 2^32.

    Args:
        starts: int64 [B, N, 4] random bits in 0..2^32-1.
        redraws: int64 [B, T, N, 4] random bits in 0..2^32-1; unused in deterministic motion.
        span: positions on an axis: image width less digit size.
        max_speed: largest speed on an axis, in pixels a frame.
        stochastic: the motion.

    Returns:
        positions, velocities (int32) and wall_hits (bool), all [B, T, N, 2], as in Truth.
    """
    start = tf.cast(starts[..., :2] % span, tf.int32)  # [B, N, 2]
    velocity = _signed(starts[..., 2:], max_speed)
    # Steps come before places, so it starts one step back.
    return walk(start - velocity, velocity, redraws, span, max_speed, stochastic)


def walk(
    position: tf.Tensor, velocity: tf.Tensor, redraws: tf.Tensor, span: int, max_speed: int, stochastic: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """As trajectories, from the frame after one that digits leave from position with velocity, int32 [B, N, 2]."""
    redraws = tf.transpose(redraws, [1, 0, 2, 3])  # [T, B, N, 4]
    away = tf.cast(redraws[..., :2] % max_speed, tf.int32) + 1
    along = _signed(redraws[..., 2:], max_speed)

    def step(state: tuple, draws: tuple) -> tuple:
        position, velocity, _ = state
        position += velocity
        low, high = position < 0, position >= span
        hit = low | high
        position = tf.clip_by_value(position, 0, span - 1)
        if not stochastic:
            return position, tf.where(hit, -velocity, velocity), hit
        away, along = draws
        leaving = tf.where(low, away, -away)
        y_hit, x_hit = hit[..., 0], hit[..., 1]
        y = tf.where(x_hit, along[..., 1], tf.where(y_hit, leaving[..., 0], velocity[..., 0]))
        x = tf.where(x_hit, leaving[..., 1], tf.where(y_hit, along[..., 0], velocity[..., 1]))
        return position, tf.stack([y, x], axis=-1), hit

    # A loop: XLA never finishes compiling it unrolled.
    paths = tf.scan(step, (away, along), (position, velocity, tf.zeros_like(position, tf.bool)))
    return tuple(tf.transpose(path, [1, 0, 2, 3]) for path in paths)


def render(digits: tf.Tensor, positions: tf.Tensor, image_width: int) -> tf.Tensor:
    """The sum of the digits on black, cut off at 255.

    Each digit's rows are laid out once at every x, and a frame is one gather of such rows: several times faster
    on a CPU than to gather pixels.

    Args:
        digits: uint8 [B, N, D, D].
        positions: int32 [B, T, N, 2] top left corners (y, x), each 0 to image_width - D.
        image_width: width and height of a frame, W.

    Returns:
        uint8 [B, T, W, W, 1].
    """
    batch, (num_digits, size) = tf.shape(digits)[0], digits.shape[1:3]
    places = image_width - size + 1
    # Rows of period W + 1 cut into pieces of W: piece s is the row moved right by s.
    rows = tf.pad(digits, [[0, 0], [0, 0], [0, 1], [0, places]])  # [B, N, D + 1, W + 1]
    table = tf.reshape(tf.tile(rows, [1, 1, 1, places])[..., : places * image_width], [-1, image_width])

    row = tf.range(image_width) - positions[..., :1]  # [B, T, N, W]
    row = tf.where((row < 0) | (row >= size), size, row)  # row D is empty
    digit = tf.reshape(tf.range(batch * num_digits), [-1, 1, num_digits, 1])
    index = (digit * (size + 1) + row) * places + positions[..., 1:]
    frames = tf.gather(table, index[:, :, 0])  # [B, T, W, W]
    for n in range(1, num_digits):
        frames += tf.minimum(tf.gather(table, index[:, :, n]), 255 - frames)
    return frames[..., tf.newaxis]


def _signed(bits: tf.Tensor, max_speed: int) -> tf.Tensor:
    return tf.cast(bits % (2 * max_speed + 1), tf.int32) - max_speed
