import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from svg_tf.serving import versions
from svg_tf.serving.error import ExportError

EXPORT = Path(__file__).resolve().parents[1] / "export"


def _write(content):
    def write(folder):
        os.makedirs(os.path.join(folder, "inner"))
        Path(folder, "inner", "file").write_text(content)

    return write


def _content(path):
    return Path(path, "inner", "file").read_text()


def test_versions_count_up_and_can_be_named(tmp_path):
    base = str(tmp_path / "export")
    assert versions.latest(base) is None
    assert versions.publish(base, None, _write("a")) == os.path.join(base, "1")
    assert versions.publish(base, 9, _write("b")) == os.path.join(base, "9")
    assert versions.publish(base, None, _write("c")) == os.path.join(base, "10")
    assert versions.latest(base) == 10 and sorted(os.listdir(base)) == ["1", "10", "9"]
    assert [_content(os.path.join(base, name)) for name in ("1", "9", "10")] == ["a", "b", "c"]


def test_a_version_that_is_there_is_refused_and_stays(tmp_path):
    base = str(tmp_path)
    versions.publish(base, 3, _write("old"))
    with pytest.raises(ExportError, match=f"version 3 is already in {base}"):
        versions.publish(base, 3, _write("new"))
    assert _content(tmp_path / "3") == "old" and os.listdir(base) == ["3"]


def test_a_version_made_meanwhile_by_another_is_refused_and_stays(tmp_path):
    def write(folder):
        (tmp_path / "3").mkdir()
        _write("new")(folder)

    with pytest.raises(ExportError, match="already"):
        versions.publish(str(tmp_path), 3, write)
    assert os.listdir(tmp_path) == ["3"] and os.listdir(tmp_path / "3") == []


def test_nothing_is_seen_before_it_is_whole_and_nothing_stays_of_a_failure(tmp_path):
    def write(folder):
        _write("half")(folder)
        assert versions.latest(str(tmp_path)) is None
        assert not any(name.isdigit() for name in os.listdir(tmp_path))
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        versions.publish(str(tmp_path), None, write)
    assert os.listdir(tmp_path) == []


def test_what_a_killed_export_left_is_removed_and_a_living_ones_is_not(tmp_path):
    script = (
        f"import sys, time; sys.path.insert(0, {str(EXPORT)!r}); import versions\n"
        "def write(folder):\n"
        "    open(folder + '/part', 'w').close(); print('writing', flush=True); time.sleep(60)\n"
        f"versions.publish({str(tmp_path)!r}, None, write)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    (aside,) = os.listdir(tmp_path)
    versions.publish(str(tmp_path), None, _write("meanwhile"))
    assert sorted(os.listdir(tmp_path)) == sorted([aside, "1"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert versions.latest(str(tmp_path)) == 1
    versions.publish(str(tmp_path), None, _write("after"))
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]


def test_exports_at_the_same_time_get_versions_of_their_own(tmp_path):
    def publish(number):
        def write(folder):
            time.sleep(0.02)
            _write(str(number))(folder)

        paths.append(versions.publish(str(tmp_path), None, write))

    paths = []
    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, os.listdir(tmp_path))) == list(range(1, 9)) and len(set(paths)) == 8
    assert sorted(_content(path) for path in paths) == sorted(map(str, range(8)))


def test_others_may_read_a_version(tmp_path):
    mask = os.umask(0o022)
    try:
        path = versions.publish(str(tmp_path), None, _write("x"))
    finally:
        os.umask(mask)
    assert os.stat(path).st_mode & 0o777 == 0o755


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        versions.publish(str(tmp_path / "file" / "export"), None, _write("x"))
