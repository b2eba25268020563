import os
import stat

import pytest

from svg_tf import files


def test_a_file_is_written_with_its_folders_and_readable_as_the_umask_says(tmp_path):
    path = tmp_path / "a" / "b.txt"
    old = os.umask(0o022)
    try:
        files.write_text(str(path), "höhe")
    finally:
        os.umask(old)
    assert path.read_text(encoding="utf-8") == "höhe" and os.listdir(path.parent) == ["b.txt"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644


def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "b.txt"
    files.write_text(str(path), "old")

    def fail(temporary):
        with open(temporary, "w") as file:
            file.write("half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        files.write_with(str(path), fail)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["b.txt"]


def test_files_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / ".temporary-x.npz").write_text("half")
    (tmp_path / "whole.npz").write_text("whole")
    files.remove_temporary_files(str(tmp_path))
    assert os.listdir(tmp_path) == ["whole.npz"]
