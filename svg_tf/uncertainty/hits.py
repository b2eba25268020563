"""The first wall that each digit hits after the context."""

from typing import NamedTuple

import numpy as np

from svg_tf.data.moving_mnist import Truth


class Hits(NamedTuple):
    """H wall hits of clips.

    Where a digit first hits follows from the context, and where it then goes from nothing: each hit is known to
    happen in every true future of its clip.

    Attributes:
        clip: int64 [H], the clip's number.
        digit: int64 [H], the digit's number in the clip.
        frame: int64 [H], the frame in which the digit is set back to the wall.
        place: int32 [H, 2], the digit's top left corner (y, x) in it.
        axis: int64 [H], 0 for a wall above or below, 1 for one to the left or right; 1 in a corner, where the
            velocity is drawn as at that wall.
        side: int64 [H], the sign of a velocity away from the wall on that axis.
    """

    clip: np.ndarray
    digit: np.ndarray
    frame: np.ndarray
    place: np.ndarray
    axis: np.ndarray
    side: np.ndarray

    def where(self, chosen: np.ndarray) -> "Hits":
        """Those that a mask bool [H] or an index chooses."""
        return Hits(*(array[chosen] for array in self))

    def away_and_along(self, steps: np.ndarray) -> np.ndarray:
        """Turns steps so that all walls coincide.

        Args:
            steps: int [..., H, 2] displacements (y, x) after the hits.

        Returns:
            int [..., H, 2]: away from the wall and along it.
        """
        away = np.where(self.axis == 0, steps[..., 0], steps[..., 1]) * self.side
        return np.stack([away, np.where(self.axis == 0, steps[..., 1], steps[..., 0])], axis=-1)


def first_hits(truth: Truth, first: int, last: int) -> Hits:
    """Every digit's first hit in the frames first to last, of those that hit.

    Args:
        truth: of clips 0 to B-1, in NumPy arrays.
        first: the last frame of the context: its redraw shows in the first predicted frame.
        last: the last frame whose successor is looked at.
    """
    hits = truth.wall_hits[:, first : last + 1]  # [B, L, N, 2]
    frames = hits.any(axis=-1).argmax(axis=1) + first  # [B, N]
    clip, digit = np.nonzero(hits.any(axis=(1, 3)))
    frame = frames[clip, digit]
    place = truth.positions[clip, frame, digit]
    axis = truth.wall_hits[clip, frame, digit, 1].astype(np.int64)
    side = np.where(place[np.arange(len(axis)), axis] == 0, 1, -1)
    return Hits(clip, digit, frame, place, axis, side)
