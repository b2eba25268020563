"""Tests of svg_tf/data/description.py and svg_tf/data/contact_sheet.py."""

import numpy as np
import pytest
from PIL import Image

from svg_tf.config import Config
from svg_tf.data import description
from svg_tf.data.contact_sheet import contact_sheet
from svg_tf.data.errors import DataError


@pytest.fixture
def config(tmp_path):
    """Six own videos in three splits, two of them too short, and one that is broken."""
    (tmp_path / "data").mkdir()
    for number, (split, length) in enumerate(
        [("train", 9), ("train", 20), ("train", 2), ("validation", 11), ("test", 8), ("test", 5)]
    ):
        (tmp_path / "data" / split).mkdir(exist_ok=True)
        video = np.full((length, 32, 32, 1), 10 * number, np.uint8)
        video[0, 0, 0] = 200
        np.save(tmp_path / "data" / split / f"{number}.npy", video)
    (tmp_path / "data" / "train" / "broken.mp4").write_bytes(b"text")
    return Config(dataset="videos", data_dir=str(tmp_path / "data"), image_width=32, n_past=2, n_future=3, n_eval=8)


def test_counts_lengths_and_values_are_those_of_the_stored_frames(config, tmp_path):
    text, complete = description.describe(config, str(tmp_path / "out"))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert complete
    mean = (200 + 200 + 10 * (20 * 1024 - 1)) / (29 * 1024)
    assert "train 2 videos of 9 to 20 frames (median 14), 29 in all" in lines
    assert "train 1 more are too short for a clip" in lines
    assert f"train pixels 0 to 200, mean {mean:.1f}" in lines
    assert "validation 1 videos of 11 to 11 frames (median 11), 11 in all" in lines
    assert "validation pixels 30 to 200, mean 30.0" in lines
    assert "test 1 clips are the test" in lines
    assert any(line.startswith("skipped 1, listed in") for line in lines)
    assert "train/broken.mp4: cannot be read: Invalid data found when processing input" in text


def test_a_missing_split_is_said_and_the_others_are_described(config, tmp_path):
    text, complete = description.describe(config.replace(n_eval=9), str(tmp_path / "out"))
    assert not complete
    assert "test       missing: the test split of data_dir" in text and "train      2 videos" in text
    assert not (tmp_path / "out" / "videos_test.png").exists()


def test_no_data_at_all_is_one_error(config, tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        description.describe(config.replace(data_dir=str(tmp_path / "none")), str(tmp_path))


def test_frames_that_have_gone_are_an_error(config, tmp_path):
    description.describe(config, str(tmp_path / "out"))
    for path in (tmp_path / "data" / "svg_tf_cache").rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="has become shorter"):
        description.describe(config, str(tmp_path / "out"))


def test_a_source_that_draws_its_clips_is_described_too(tmp_path):
    config = Config(digits="embedded", digit_size=16, image_width=32, n_past=2, n_future=3, n_eval=8)
    text, complete = description.describe(config, str(tmp_path))
    assert complete and "drawn on the fly; pixels 0 to 255" in text
    assert {path.name for path in tmp_path.iterdir()} == {f"smmnist_{s}.png" for s in ("train", "validation", "test")}


@pytest.mark.parametrize("channels", [1, 3])
def test_a_contact_sheet_shows_the_first_and_last_frame_of_every_clip(channels):
    clips = np.zeros((3, 30, 32, 32, channels), np.uint8)
    clips += np.add.outer(50 * np.arange(3), np.arange(30)).astype(np.uint8)[..., None, None, None]
    sheet = np.asarray(contact_sheet(clips, ["a", "b", "c"], columns=5))
    rows, line = np.split(sheet[:-2], 3), 24
    for number, row in enumerate(rows):
        shown = [int(row[line + 32, 2 + column * 66 + 32, 0]) - 50 * number for column in range(5)]
        assert shown == [0, 7, 14, 22, 29]
    assert isinstance(contact_sheet(clips[:, :2], ["a", "b", "c"]), Image.Image)
