"""What is held out of training, where the data itself does not say: whole videos, or the ends of a few."""

import hashlib
from collections.abc import Sequence

from svg_tf.data.stored_video import StoredVideo

ENOUGH = 10  # videos from which on whole ones are held out
_SHARE = 0.15


def divide(videos: Sequence[StoredVideo], held_out: Sequence[str]) -> dict[str, list[StoredVideo]]:
    """Divides videos between training and what is held out of it, the same way in every run and whatever its seed.

    Of ten videos or more, 15 % are held out for each split, whole, chosen by the hashes of their names. Of fewer,
    every video is cut in time: train has its beginning, the next 15 % are the first split held out, and so on. That
    is easier to predict than a video never seen.

    Args:
        videos: with unique names.
        held_out: the splits to hold out: validation, test, both or none.

    Returns:
        The videos, in the order given, of train and of each split in held_out.
    """
    divided: dict[str, list[StoredVideo]] = {split: [] for split in ("train", *held_out)}
    if len(videos) < ENOUGH:
        for video in videos:
            parts = range(1, len(held_out) + 1)
            cuts = [0, *(round(len(video) * (1 - _SHARE * part)) for part in reversed(parts)), len(video)]
            for split, start, stop in zip(divided, cuts, cuts[1:], strict=False):
                divided[split].append(video.part(start, stop))
        return divided
    ranked = sorted(videos, key=lambda video: hashlib.sha256(video.name.encode()).digest())
    count = round(_SHARE * len(videos))
    split_of = {video.name: split for n, split in enumerate(held_out) for video in ranked[n * count : (n + 1) * count]}
    for video in videos:
        divided[split_of.get(video.name, "train")].append(video)
    return divided
