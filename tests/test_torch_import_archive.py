"""Damaged and hostile files of both formats end in one sentence, never in another error or a large allocation."""

import io
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
from torch_files import STREAM_MAGIC, TorchFile, module, pickled, small_checkpoint, zipped

from svg_tf.torch_import.checkpoint import TorchCheckpoint, read_checkpoint
from svg_tf.torch_import.records import TorchFileError

MEMORY_LIMIT = 48 * 2**20


def small_file(form):
    file = TorchFile()
    root, _ = small_checkpoint(file)
    if form == "deflated":
        return file.zip(root, compression=zipfile.ZIP_DEFLATED)
    return getattr(file, form)(root)


def told(tmp_path, content):
    """The one sentence that reading these bytes ends in."""
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(TorchFileError) as error:
        read_checkpoint(path)
    text = str(error.value)
    assert text.startswith(f"{path} is not a checkpoint that can be read: ") and "\n" not in text
    return text


@pytest.mark.parametrize("form", ["stream", "zip"])
def test_every_truncation_of_a_file_is_told(tmp_path, form):
    file = TorchFile()
    root = {"prior": {"w": file.tensor(np.arange(3, dtype=np.float32)), "n": file.tensor(np.array(7))}}
    content = getattr(file, form)(root)
    for length in range(len(content)):
        told(tmp_path, content[:length])


@pytest.mark.parametrize("form", ["stream", "zip", "deflated"])
def test_flipped_bytes_give_a_result_or_a_sentence_in_little_memory(tmp_path, form):
    content, path = small_file(form), tmp_path / "model.pth"
    rng = np.random.default_rng(2)
    outcomes = {"read": 0, "told": 0}
    tracemalloc.start()
    try:
        for trial in range(400):
            damaged = bytearray(content)
            for position in rng.integers(0, len(content), 1 + trial % 3):
                damaged[position] ^= int(rng.integers(1, 256))
            path.write_bytes(damaged)
            try:
                assert isinstance(read_checkpoint(path), TorchCheckpoint)
                outcomes["read"] += 1
            except TorchFileError:
                outcomes["told"] += 1
        assert tracemalloc.get_traced_memory()[1] < MEMORY_LIMIT
    finally:
        tracemalloc.stop()
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"hello, world\n" * 20, b"\x89PNG\r\n\x1a\n", pickled({"encoder": 1}), bytes(4096)]
)
def test_other_files_are_told_from_checkpoints(tmp_path, content):
    assert "it begins like neither of their formats" in told(tmp_path, content)


def test_the_tar_format_before_pytorch_0_3_is_told(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    assert "PyTorch 0.3 or later" in told(tmp_path, out.getvalue())


# The stream format.


def stream(root, keys, tail=b"", protocol=1001):
    return b"".join(pickled(value) for value in (STREAM_MAGIC, protocol, {}, root, keys)) + tail


@pytest.mark.parametrize("protocol", [1000, "1001", [1001], None])
def test_another_stream_protocol_is_told(tmp_path, protocol):
    assert "not of stream protocol 1001" in told(tmp_path, stream({}, [], protocol=protocol))


@pytest.mark.parametrize("numel", [3, 2**28, 2**40, 2**62])
def test_a_storage_larger_than_the_rest_of_the_file_is_not_allocated(tmp_path, numel):
    file = TorchFile()
    storage = file.storage(np.zeros(2, np.float32), numel=numel)
    root = {"encoder": {"w": file.tensor(None, (2,), (1,), storage=storage)}}
    tracemalloc.start()
    try:
        text = told(tmp_path, stream(root, ["0"], struct.pack("<q", numel) + bytes(8)))
        assert tracemalloc.get_traced_memory()[1] < MEMORY_LIMIT
    finally:
        tracemalloc.stop()
    assert f"its storage '0' of {numel} elements is larger than what is left" in text


@pytest.mark.parametrize("count", [1, 3, -1, 2**62])
def test_an_element_count_that_differs_from_the_pickle_is_told(tmp_path, count):
    file = TorchFile()
    root = {"encoder": {"w": file.tensor(np.zeros(2, np.float32))}}
    text = told(tmp_path, stream(root, ["0"], struct.pack("<q", count) + bytes(8)))
    assert "its storage '0' has another element count" in text


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([], "storage '0' is not both described and present"),
        (["1"], "storage '0' is not both"),
        (["0", "0"], "list of storages is damaged"),
        ([0], "list of storages is damaged"),
        ([[]], "list of storages is damaged"),
        ("0", "list of storages is damaged"),
    ],
)
def test_a_list_of_storages_that_does_not_match_is_told(tmp_path, keys, words):
    file = TorchFile()
    root = {"encoder": {"w": file.tensor(np.zeros(2, np.float32))}}
    assert words in told(tmp_path, stream(root, keys, struct.pack("<q", 2) + bytes(8)))


# The zip format.

ROOT = pickled({"encoder": {}})


def test_the_smallest_archive_is_read(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(zipped({"archive/data.pkl": ROOT}))
    assert read_checkpoint(path).modules == {"encoder": {}}


@pytest.mark.parametrize(
    "name",
    [
        "../data.pkl",
        "/etc/data.pkl",
        "archive/../../data/0",
        "archive/./data/0",
        "archive//data/0",
        "archive/..\\..\\0",
        "C:\\windows\\data",
        "other/data/0",
        "data.pkl",
        "..",
        "/",
    ],
)
def test_names_that_lead_out_of_the_archives_folder_are_told(tmp_path, name):
    text = told(tmp_path, zipped({"archive/data.pkl": ROOT, name: b"x"}))
    assert "as no checkpoint has" in text
    assert [child.name for child in tmp_path.iterdir()] == ["model.pth"]


def test_a_name_that_is_cut_to_nothing_is_told(tmp_path):
    content = zipped({"archive/data.pkl": ROOT, "other": b"x"}).replace(b"other", b"\0ther")
    assert "as no checkpoint has" in told(tmp_path, content)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_told(tmp_path):
    content = zipped([("archive/data.pkl", ROOT), ("archive/data.pkl", ROOT)])
    assert "'archive/data.pkl' twice" in told(tmp_path, content)


def test_nested_archives_are_not_opened(tmp_path):
    whole = small_file("zip")
    assert "opcode PERSID" in told(tmp_path, zipped({"archive/data.pkl": whole}))
    assert "without data.pkl" in told(tmp_path, zipped({"archive/model.pth": whole}))


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    zeros = bytes(33 * 2**20)
    content = zipped(
        {"archive/data.pkl": ROOT, "archive/data/0": zeros, "archive/data/1": zeros}, zipfile.ZIP_DEFLATED
    )
    del zeros
    tracemalloc.start()
    try:
        assert "far more than weights do" in told(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_pickle_of_any_length_is_not_unpacked(tmp_path):
    content = zipped({"archive/data.pkl": bytes(16 * 2**20 + 1)}, zipfile.ZIP_DEFLATED)
    assert "its data.pkl has more than" in told(tmp_path, content)


def test_a_directory_of_any_length_is_not_read(tmp_path):
    directory = bytes(5 * 2**20)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 4, 0)
    assert "its zip directory is far larger" in told(tmp_path, b"PK\x03\x04" + directory + end)


def with_declared_size(content, name, size):
    """The archive with another uncompressed size of a file in its directory."""
    position = content.index(b"PK\x01\x02")
    while content[position + 46 : position + 46 + len(name)] != name:
        position = content.index(b"PK\x01\x02", position + 1)
    return content[: position + 24] + struct.pack("<L", size) + content[position + 28 :]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("size", [3, 2**20, 2**32 - 2])
def test_declared_sizes_that_are_not_true_are_told(tmp_path, compression, size):
    content = zipped({"archive/data.pkl": ROOT}, compression)
    told(tmp_path, with_declared_size(content, b"archive/data.pkl", size))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_told(tmp_path, compression):
    assert "neither stored nor deflated" in told(tmp_path, zipped({"archive/data.pkl": ROOT}, compression))


def test_encrypted_files_are_told(tmp_path):
    content = bytearray(zipped({"archive/data.pkl": ROOT}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    assert "neither stored nor deflated" in told(tmp_path, bytes(content))


def test_a_storage_of_another_size_than_its_tensor_needs_is_told(tmp_path):
    file = TorchFile()
    root = {"encoder": module("models.lstm.lstm", {"w": file.tensor(np.zeros(4, np.float32))})}
    for numbers, words in [(np.zeros(3, np.float32), "has 12 bytes"), (None, "is missing")]:
        file.storages = {} if numbers is None else {"0": numbers}
        assert f"its storage '0' {words}, but must have 16 bytes" in told(tmp_path, file.zip(root))


def test_storage_keys_cannot_name_other_files(tmp_path):
    file = TorchFile()
    root = {"encoder": {"w": file.tensor(np.zeros(1, np.int8), key="../data.pkl")}}
    file.storages = {}
    assert "its storage '../data.pkl' is missing" in told(tmp_path, file.zip(root))


def test_another_byteorder_is_told(tmp_path):
    content = zipped({"archive/data.pkl": ROOT, "archive/byteorder": b"middle"})
    assert "but must be little or big" in told(tmp_path, content)


def test_a_changed_number_is_found_by_its_checksum(tmp_path):
    file = TorchFile()
    root = {"encoder": {"w": file.tensor(np.array([1.5, 2.5], np.float32))}}
    content = file.zip(root)
    position = content.index(np.array([1.5, 2.5], "<f4").tobytes())
    assert "damaged" in told(tmp_path, content[:position] + b"\1" + content[position + 1 :])
