"""Tests of svg_tf/data/holdout.py."""

import pytest

from svg_tf.data import holdout
from svg_tf.data.stored_video import StoredVideo, contiguous_spans

BOTH = ("validation", "test")


def videos(count, length=100):
    return [StoredVideo(f"video{number}", "", contiguous_spans(0, length, 1), (1, 1, 1)) for number in range(count)]


def names(divided):
    return {split: [video.name for video in part] for split, part in divided.items()}


@pytest.mark.parametrize("count", [10, 11, 37, 400])
def test_many_videos_are_held_out_whole_and_each_is_in_one_split(count):
    given = videos(count)
    divided = holdout.divide(given, BOTH)
    together = sorted(name for part in names(divided).values() for name in part)
    assert together == sorted(video.name for video in given)
    assert len(divided["test"]) == len(divided["validation"]) == round(0.15 * count) > 0
    assert all(len(video) == 100 for part in divided.values() for video in part)


def test_the_choice_depends_on_the_names_alone():
    given = videos(40)
    divided = names(holdout.divide(given, BOTH))
    mixed = names(holdout.divide(given[::-1], BOTH))
    assert {split: sorted(part) for split, part in divided.items()} == {s: sorted(part) for s, part in mixed.items()}
    assert divided["test"] != [video.name for video in given[: len(divided["test"])]]
    # Runs of months ago must find the same split: a change here is one of everybody's test set.
    assert divided["test"] == ["video3", "video6", "video18", "video22", "video30", "video33"]


def test_the_order_is_kept():
    assert names(holdout.divide(videos(40), BOTH))["train"] == sorted(
        names(holdout.divide(videos(40), BOTH))["train"], key=lambda name: int(name[5:])
    )


def test_few_videos_are_cut_in_time_without_overlap():
    divided = holdout.divide(videos(3), BOTH)
    spans = {split: [(v.spans[0, 0], v.spans[-1, 1]) for v in part] for split, part in divided.items()}
    assert spans == {"train": [(0, 70)] * 3, "validation": [(70, 85)] * 3, "test": [(85, 100)] * 3}


@pytest.mark.parametrize("count", [3, 20])
def test_one_split_alone_or_none_can_be_held_out(count):
    divided = holdout.divide(videos(count), ["validation"])
    assert set(divided) == {"train", "validation"}
    frames = {split: sum(len(video) for video in part) for split, part in divided.items()}
    assert frames == {"train": 85 * count, "validation": 15 * count}
    assert names(holdout.divide(videos(count), [])) == {"train": [video.name for video in videos(count)]}


def test_no_videos_are_no_videos():
    assert holdout.divide([], BOTH) == {"train": [], "validation": [], "test": []}
