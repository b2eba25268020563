"""Tests of svg_tf/evaluation/store.py."""

import numpy as np

from svg_tf.evaluation.store import Store

RECORD = np.dtype([("model/mse", np.float32, (3, 2)), ("features", np.float64, (2,))])


def _records(first, count):
    records = np.zeros(count, RECORD)
    records["model/mse"] = np.arange(first, first + count)[:, np.newaxis, np.newaxis] + np.arange(6).reshape(3, 2) / 10
    records["features"] = np.arange(first, first + count)[:, np.newaxis]
    return records


def _store(folder, batch=2, **key):
    return Store(str(folder), {"seed": 0, **key}, batch)


def test_records_are_read_as_they_were_written(tmp_path):
    for first in (0, 2, 4):
        _store(tmp_path).write(first, _records(first, 2))
    np.testing.assert_array_equal(_store(tmp_path).read(2), _records(2, 2))
    np.testing.assert_array_equal(np.stack(list(_store(tmp_path).records(5))), _records(0, 5))


def test_other_settings_have_other_records(tmp_path):
    _store(tmp_path).write(0, _records(0, 2))
    assert len(_store(tmp_path, seed=1).read(0)) == len(_store(tmp_path, batch=3).read(0)) == 0


def test_missing_and_damaged_batches_are_empty(tmp_path):
    store = _store(tmp_path)
    assert len(store.read(0)) == 0
    store.write(0, _records(0, 2))
    (path,) = tmp_path.glob("*/*.npy")
    content = path.read_bytes()
    for damaged in (b"", b"nonsense", content[:50], content[:-1]):
        path.write_bytes(damaged)
        assert len(store.read(0)) == 0
