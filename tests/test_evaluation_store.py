"""Tests of svg_tf/evaluation/store.py."""

import os

import numpy as np
import pytest

from svg_tf.config import ConfigError
from svg_tf.evaluation.store import Store

RECORD = np.dtype([("model/mse", np.float32, (3, 2)), ("features", np.float64, (2,))])


def _record(number):
    record = np.zeros([], RECORD)
    record["model/mse"] = number + np.arange(6).reshape(3, 2) / 10
    record["features"] = number
    return record


def _store(folder, count=0, **key):
    store = Store(str(folder), {"seed": 0, **key}, RECORD)
    for number in range(len(store), count):
        store.append(_record(number))
    return store


def _check(store, count):
    records = list(store.records(count))
    assert len(store) >= count == len(records)
    for number, record in enumerate(records):
        np.testing.assert_array_equal(record["model/mse"], _record(number)["model/mse"])
        np.testing.assert_array_equal(record["features"], _record(number)["features"])


def test_what_was_appended_is_there_when_it_is_opened_again(tmp_path):
    _store(tmp_path, 3)
    store = _store(tmp_path)
    _check(store, 3)
    _check(_store(tmp_path, 5), 5)
    _check(_store(tmp_path), 2)


def test_other_settings_have_a_store_of_their_own(tmp_path):
    first, second = _store(tmp_path, 3), _store(tmp_path, 0, seed=1)
    assert len(second) == 0 and first.path != second.path
    other = Store(str(tmp_path), {"seed": 0}, np.dtype([("model/mse", np.float32, (4, 2))]))
    assert len(other) == 0 and len(_store(tmp_path)) == 3


@pytest.mark.parametrize("kept", range(0, 41, 8))
def test_a_record_that_was_half_written_is_cut_off_and_made_again(tmp_path, kept):
    store = _store(tmp_path, 2)
    whole = os.path.getsize(store.path)
    store.append(_record(2))
    os.truncate(store.path, whole + kept)
    store = _store(tmp_path)
    assert len(store) == 2 and os.path.getsize(store.path) == whole
    _check(_store(tmp_path, 4), 4)


def test_a_damaged_record_is_made_again_with_all_after_it(tmp_path):
    store = _store(tmp_path, 4)
    size = RECORD.itemsize + 4
    with open(store.path, "r+b") as file:
        file.seek(-3 * size + 5, os.SEEK_END)
        file.write(b"\xff")
    assert len(_store(tmp_path)) == 1
    _check(_store(tmp_path, 4), 4)


def test_a_damaged_head_begins_anew(tmp_path):
    store = _store(tmp_path, 2)
    with open(store.path, "r+b") as file:
        file.write(b"nonsense")
    assert len(_store(tmp_path)) == 0
    _check(_store(tmp_path, 2), 2)


def test_records_in_the_wrong_place_are_not_taken(tmp_path):
    store = _store(tmp_path, 2)
    size = RECORD.itemsize + 4
    with open(store.path, "rb") as file:
        data = file.read()
    with open(store.path, "wb") as file:
        file.write(data[: -2 * size] + data[-size:] + data[-2 * size : -size])
    assert len(_store(tmp_path)) == 0


def test_two_processes_do_not_write_the_same_records(tmp_path):
    first, second = _store(tmp_path, 1), _store(tmp_path)
    first.append(_record(1))
    with pytest.raises(ConfigError, match="another process writes to"):
        second.append(_record(1))
    _check(_store(tmp_path), 2)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written.*name another --out"):
        Store(str(tmp_path / "file" / "scores"), {}, RECORD)
