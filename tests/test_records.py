"""Tests of svg_tf/data/records.py."""

import json

import numpy as np
import tensorflow as tf
import video_files

from svg_tf.data import records


def file_of(path, *contents):
    video_files.write_records(path, [video_files.example(content) for content in contents])
    return str(path)


def values(index, number=0):
    """Read the bytes at the spans of a record."""
    with open(index.path, "rb") as file:
        data = file.read()
    return [data[start:stop] for start, stop in index.records[number]]


def test_spans_contain_the_values_of_the_features_in_the_given_order(tmp_path):
    rng = np.random.default_rng(0)
    contents = [{f"{t}/image": [rng.bytes(int(rng.integers(1, 70_000)))] for t in range(12)} for _ in range(5)]
    path = file_of(
        tmp_path / "a.tfrecords",
        *({**content, "other": [b"x" * 300], "1/image/size": [7, 2**40], "speed": [0.5]} for content in contents),
    )
    wanted = ["11/image", "0/image", "3/image"]
    (index,) = records.index([path], wanted, str(tmp_path / "cache"))
    assert not index.faults and list(index.records) == list(range(5))
    for number, content in enumerate(contents):
        assert values(index, number) == [content[name][0] for name in wanted]


def test_a_feature_of_many_values_has_a_span_for_each(tmp_path):
    images = [b"a" * 10, b"", b"ccc", b"a" * 10]
    path = file_of(tmp_path / "a.tfrecords", {"images": images, "count": [300, 2**63 - 1]})
    (index,) = records.index([path], ["images"], str(tmp_path / "cache"))
    assert values(index) == images


def test_a_record_without_a_feature_is_reported_and_the_others_stay(tmp_path):
    path = file_of(tmp_path / "a.tfrecords", {"a": [b"1"], "b": [b"2"]}, {"a": [b"3"]}, {"a": [b"5"], "b": [b"6"]})
    (index,) = records.index([path], ["a", "b"], str(tmp_path / "cache"))
    assert index.faults == {"1": "lacks the feature b"}
    assert list(index.records) == [0, 2]
    assert values(index, 2) == [b"5", b"6"]


def test_a_record_that_is_not_an_example_is_reported(tmp_path):
    good = video_files.example({"a": [b"1"]})
    bad = [b"\x0a\xff\xff\xff\x7f", b"\xff" * 30, b"this is text, no message", good[:-1]]
    video_files.write_records(tmp_path / "a.tfrecords", [*bad, good])
    (index,) = records.index([str(tmp_path / "a.tfrecords")], ["a"], str(tmp_path / "cache"))
    assert list(index.records) == [4]
    assert set(index.faults) == {"0", "1", "2", "3"}
    assert index.faults["3"] == "is not a tf.train.Example"


def test_a_cut_file_keeps_its_complete_records(tmp_path):
    whole = tmp_path / "a.tfrecords"
    file_of(whole, *({"a": [bytes([number]) * 100]} for number in range(7)))
    data = whole.read_bytes()
    for tenth in range(10):
        cut = tmp_path / "cut.tfrecords"
        cut.write_bytes(data[: len(data) * tenth // 10])
        (index,) = records.index([str(cut)], ["a"], str(tmp_path / "cache"))
        count = len(data) * tenth // 10 // (len(data) // 7)
        assert [values(index, number) for number in range(count)] == [[bytes([n]) * 100] for n in range(count)]
        assert len(index.records) == count
        if tenth:
            ((number, reason),) = index.faults.items()
            assert int(number) == count and reason.startswith("is damaged or cut short")


def test_a_flipped_bit_is_found(tmp_path):
    path = tmp_path / "a.tfrecords"
    file_of(path, *({"a": [bytes([number]) * 100]} for number in range(3)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    (index,) = records.index([str(path)], ["a"], str(tmp_path / "cache"))
    assert len(index.records) == 1 and list(index.faults) == ["1"]


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    path = file_of(tmp_path / "a.tfrecords", {"a": [b"1"], "b": [b"2"]})
    cache = str(tmp_path / "cache")
    (first,) = records.index([path], ["a"], cache)
    read = []
    actual = tf.data.TFRecordDataset
    monkeypatch.setattr(tf.data, "TFRecordDataset", lambda path: read.append(path) or actual(path))
    (again,) = records.index([path], ["a"], cache)
    assert not read
    np.testing.assert_array_equal(again.records[0], first.records[0])
    (other,) = records.index([path], ["b"], cache)
    assert read == [path] and values(other) == [b"2"]
    file_of(tmp_path / "a.tfrecords", {"a": [b"345"]})
    (changed,) = records.index([path], ["a"], cache)
    assert values(changed) == [b"345"]


def test_a_damaged_cache_file_is_rebuilt(tmp_path):
    path = file_of(tmp_path / "a.tfrecords", {"a": [b"1"]})
    records.index([path], ["a"], str(tmp_path / "cache"))
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(kept.read_text()[:20])
    (index,) = records.index([path], ["a"], str(tmp_path / "cache"))
    assert values(index) == [b"1"]
    assert json.loads(kept.read_text())["records"]


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "a.tfrecords").touch()
    (index,) = records.index([str(tmp_path / "a.tfrecords")], ["a"], str(tmp_path / "cache"))
    assert not index.records and not index.faults
