"""Arrays in files of a limited size."""

import os

import numpy as np
import pytest

from svg_tf.program.runner import parts
from svg_tf.program.runner.parts import ProgramError

ARRAYS = {
    "model/kernel": np.random.default_rng(0).standard_normal([7, 11]).astype(np.float32),
    "model/updates": np.int64(2**40 + 3),
    "optimizer/momentum": np.zeros([100, 100], np.float32),
    "optimizer/velocity": np.random.default_rng(1).standard_normal([30]).astype(np.float32),
    "digits": np.arange(100, dtype=np.uint8).reshape(4, 5, 5),
    "model/nothing": np.zeros([0, 3], np.float32),
}


def save(folder, tag="1", arrays=ARRAYS, part_bytes=100):
    parts.save(str(folder), "state", arrays, {"step": tag}, tag, part_bytes)


def sizes(folder):
    return {name: os.path.getsize(folder / name) for name in os.listdir(folder) if name != "state.json"}


def test_what_was_saved_comes_back(tmp_path):
    save(tmp_path / "new")
    arrays, info = parts.load(str(tmp_path / "new"), "state")
    assert info == {"step": "1"}
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == np.asarray(array).dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_no_file_is_larger_than_allowed_and_none_smaller_than_need_be(tmp_path):
    save(tmp_path)
    model = {name: size for name, size in sizes(tmp_path).items() if "-model." in name}
    assert sorted(model.values()) == [16, 100, 100, 100]  # of 7 * 11 * 4 + 8 bytes
    assert max(sizes(tmp_path).values()) == 100


def test_zeros_take_no_space(tmp_path):
    save(tmp_path, part_bytes=10**6)
    assert sizes(tmp_path)["state-1-optimizer.000"] == 30 * 4


def test_a_later_save_removes_the_files_of_the_one_before(tmp_path):
    save(tmp_path, "1")
    save(tmp_path, "2")
    assert all(name.startswith("state-2-") for name in sizes(tmp_path))
    assert parts.load(str(tmp_path), "state")[1] == {"step": "2"}


def test_a_save_that_is_cut_short_leaves_the_one_before(tmp_path, monkeypatch):
    save(tmp_path, "1")
    replace = os.replace

    def crash(source, target):
        if target.endswith("state.json"):
            raise OSError("no space left")
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)
    changed = {**ARRAYS, "model/kernel": ARRAYS["model/kernel"] + 1}
    with pytest.raises(OSError, match="no space"):
        save(tmp_path, "2", changed)
    arrays, info = parts.load(str(tmp_path), "state")
    assert info == {"step": "1"}
    np.testing.assert_array_equal(arrays["model/kernel"], ARRAYS["model/kernel"])
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".aside")]


def test_a_missing_file_is_named(tmp_path):
    save(tmp_path)
    (tmp_path / "state-1-model.001").unlink()
    with pytest.raises(ProgramError, match=r"state-1-model\.001 is not there; copy it"):
        parts.load(str(tmp_path), "state", optional=["optimizer"])


def test_an_optional_group_may_be_missing_in_part_or_whole(tmp_path):
    save(tmp_path)
    (tmp_path / "state-1-optimizer.000").unlink()
    arrays, _ = parts.load(str(tmp_path), "state", optional=["optimizer"])
    assert set(arrays) == {name for name in ARRAYS if not name.startswith("optimizer")}


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_a_damaged_file_is_named(tmp_path, damage):
    save(tmp_path)
    path = tmp_path / "state-1-digits.000"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ProgramError, match=r"state-1-digits\.000 is damaged"):
        parts.load(str(tmp_path), "state")


def test_a_missing_or_broken_index_is_named(tmp_path):
    with pytest.raises(ProgramError, match="state.json is not there"):
        parts.load(str(tmp_path), "state")
    for text, message in (
        ("{", "cannot be read"),
        ("[]", "JSON object"),
        ('{"format": 9}', "has the format 9, not 1"),
    ):
        (tmp_path / "state.json").write_text(text)
        with pytest.raises(ProgramError, match=message):
            parts.load(str(tmp_path), "state")
