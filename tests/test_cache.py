"""Tests of svg_tf/data/cache.py."""

import json
import logging as standard_logging
import os

import pytest

from svg_tf.data import cache
from svg_tf.data.errors import DataError


def test_the_cache_lies_in_the_data_or_under_a_name_of_its_own(tmp_path):
    assert cache.folder_of("/data/kth", "") == "/data/kth/svg_tf_cache"
    (tmp_path / "link").symlink_to("/data/kth")
    own = cache.folder_of("/data/kth", str(tmp_path))
    assert os.path.dirname(own) == str(tmp_path) and os.path.basename(own).startswith("kth-")
    assert cache.folder_of("/other/kth", str(tmp_path)) != own
    assert cache.folder_of(str(tmp_path / "link"), str(tmp_path)) == own


def test_what_was_skipped_is_listed_and_said_when_it_is_news(tmp_path, caplog):
    caplog.set_level(standard_logging.WARNING, "absl")
    for _ in range(2):
        path = cache.report_skipped(str(tmp_path), {"a.mp4": "is empty", "b.mp4": "is dull"}, 9)
    assert [record.getMessage() for record in caplog.records] == [
        f"skipped 2 of 9, listed in {path}; the first: a.mp4 is empty"
    ]
    with open(path, encoding="utf-8") as file:
        assert json.load(file) == {"a.mp4": "is empty", "b.mp4": "is dull"}
    cache.report_skipped(str(tmp_path), {}, 9)
    with open(path, encoding="utf-8") as file:
        assert json.load(file) == {}
    assert len(caplog.records) == 1


def test_nothing_skipped_at_first_writes_no_list(tmp_path):
    assert not os.path.exists(cache.report_skipped(str(tmp_path), {}, 9))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    inside = str(tmp_path / "file" / "a")
    with pytest.raises(DataError, match="cannot be written: .*--cache_dir"), cache.writing(inside):
        pass
    with pytest.raises(DataError, match="No space left on device"), cache.writing(str(tmp_path)):
        raise OSError(28, "No space left on device")
