import io

import broken_files
import numpy as np
import pytest

from svg_tf import array_files

ARRAYS = {
    "model/a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "scalar": np.int64(3),
    "empty": np.zeros([2, 0, 3], np.uint8),
    "bools": np.array([True, False]),
}


def test_an_archive_comes_back_as_numpy_reads_it(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    found = array_files.read_archive(str(tmp_path / "a.npz"))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
        assert not found[name].flags.writeable


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        data = broken_files.zipped([("a.npy", broken_files.npy((1,), b"x"))] * 2, 0)
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(array_files.ArrayFileError, match="two arrays of one name"):
        array_files.read_archive(str(tmp_path / "a.npz"))


def test_a_header_leaves_the_file_at_the_numbers():
    file = io.BytesIO(broken_files.npy((2, 3), b"abcdef"))
    assert array_files.read_header(file) == ((2, 3), False, np.dtype(np.uint8))
    assert file.read() == b"abcdef"


def test_what_is_no_archive_of_arrays_is_told_in_one_line(tmp_path):
    for case in broken_files.wrong_arrays():
        if case.fault == "no array":  # which is an archive of none
            continue
        (tmp_path / "a.npz").write_bytes(case.data)  # some of them no archive at all
        with pytest.raises(array_files.ArrayFileError) as error:
            array_files.read_archive(str(tmp_path / "a.npz"))
        assert "\n" not in str(error.value) and len(str(error.value)) < 300
