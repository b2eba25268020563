"""torch_import.read: values come back bit for bit, nothing in a file runs, and damage ends in one error message."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch_files
from torch_files import NAMESPACE, ORDERED_DICT, Call, Name, New, Persistent, Raw, TorchFile, encode, ordered, pickled

from svg_tf.torch_import import TorchFileError, read

FORMS = ["stream", "zip"]
LSTM = Name("models.lstm", "lstm")


def archive(code, compression=zipfile.ZIP_STORED, **members):
    return torch_files.zipped({"archive/data.pkl": code, **members}, compression)


def refusal(tmp_path, content):
    """Return the error message of reading these bytes, or a pickle of this value."""
    path = tmp_path / "model.pth"
    path.write_bytes(content if isinstance(content, bytes) else archive(pickled(content)))
    with pytest.raises(TorchFileError) as error:
        read(path)
    text = str(error.value)
    assert text.startswith(f"{path} is not a PyTorch file that can be read: ") and text.isprintable()
    return text


def read_tensors(tmp_path, file, tensors):
    return read(file.write(tmp_path / "model.pth", {"w": ordered(tensors)}, "zip"))["w"]


# Intact files.


@pytest.mark.parametrize("form", FORMS)
def test_modules_and_options_become_dictionaries(tmp_path, form):
    file = TorchFile()
    root, expected = torch_files.small_checkpoint(file)
    torch_files.assert_same(read(file.write(tmp_path / "m.pth", root, form)), expected)


def test_every_dtype_is_read_bit_for_bit(tmp_path):
    file, values = TorchFile(), np.random.default_rng(1).standard_normal((3, 5)) * 50
    arrays = {name: values.astype(name) for name in torch_files.KINDS}
    torch_files.assert_same(read_tensors(tmp_path, file, {n: file.tensor(a) for n, a in arrays.items()}), arrays)


def test_views_of_one_storage_keep_offset_shape_and_strides(tmp_path):
    file, numbers = TorchFile(), np.arange(24, dtype=np.float32)
    storage = file.storage(numbers)
    views = {
        "transposed": ((4, 6), (1, 4), 0, numbers.reshape(6, 4).T),
        "slice": ((2, 3), (6, 2), 7, numbers[7:19].reshape(2, 6)[:, ::2]),
        "scalar": ((), (), 23, numbers[23].reshape(())),
        "empty": ((0, 6), (6, 1), 24, np.empty((0, 6), np.float32)),
        "single": ((1, 2), (24, 1), 0, numbers[None, :2]),
    }
    tensors = {name: file.tensor(numbers, *view[:3], storage=storage) for name, view in views.items()}
    torch_files.assert_same(read_tensors(tmp_path, file, tensors), {name: view[3] for name, view in views.items()})


def test_files_of_old_versions_are_read(tmp_path):
    """PyTorch 0.3 and Python 2: parameters with state, byte strings, dictionaries of pairs, classes with source."""
    file, array = TorchFile(), np.arange(3, dtype=np.float32)
    old = Call(Name("torch._utils", "_rebuild_tensor"), (file.storage(array), 0, (3,), (1,)))
    parameters = {
        "parameter": Call(Name("torch.nn.parameter", "Parameter"), (old,), (True, False, ordered({}))),
        "variable": Call(Name("torch.autograd.variable", "Variable"), (old,), (False, False, None)),
    }

    def byte_string(text):
        return Raw(b"U" + bytes([len(text)]) + text.encode())

    def pairs(items):
        return Call(ORDERED_DICT, ([[byte_string(key), value] for key, value in items.items()],))

    state = {"_parameters": pairs(parameters), "_buffers": pairs({}), "_modules": pairs({})}
    source = Persistent(("module", LSTM, "/home/user/lstm.py", "import os\nos.system('false')\n"))
    network = New(source, {byte_string(key): value for key, value in state.items()})
    root = {"prior": network, "opt": New(NAMESPACE, {byte_string("seed"): Raw(b"I-9876543210\n")})}
    expected = {"prior": dict.fromkeys(parameters, array), "opt": {"seed": -9876543210}}
    torch_files.assert_same(read(file.write(tmp_path / "m.pth", root, "stream")), expected)


# Hostile files.


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.getattr",
        "torch.load",
        "torch.nn.modules.container.Sequential.forward.__globals__",
        "torch.nn.modules.container.os.system",
        "models.lstm.os.system",
        "xmodels.lstm.lstm",
    ],
)
def test_a_name_that_is_not_allowed_is_refused(tmp_path, name):
    hostile = Name(*name.rsplit(".", 1))
    for value in (hostile, Call(hostile, ("true",)), New(hostile, {})):
        assert f"it refers to '{name}'" in refusal(tmp_path, {"encoder": value})


def test_payloads_that_run_under_pythons_unpickler_do_nothing(tmp_path):
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        code = pickle.dumps({"encoder": Payload()}, protocol)
        refusal(tmp_path, archive(code))
        assert not marker.exists()
        pickle.loads(code)  # the payload works
        marker.rmdir()


@pytest.mark.parametrize(
    "value",
    [
        Call(New(LSTM), ("x",)),
        New(LSTM, (None, {"__class__": ORDERED_DICT})),
        Raw(encode(LSTM) + encode({"__setstate__": ORDERED_DICT}) + b"b"),
        # Opcodes with other ways to a function.
        Raw(b"X\x04\x00\x00\x00true(ios\nsystem\n"),
        Raw(b"(" + encode(Name("os", "system")) + encode("true") + b"o"),
        Raw(b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93"),
        Raw(b"\x82\x01"),
        Raw(b"Pstorage\n"),
    ],
)
def test_other_ways_to_call_or_change_something_are_refused(tmp_path, value):
    refusal(tmp_path, {"encoder": value})


# Damaged files.


@pytest.mark.parametrize(
    "view",
    [  # offset, shape, strides in a storage of 6 elements
        (1, (6,), (1,)),
        (0, (2, 3), (4, 1)),
        (0, (2, 2**62), (1, 0)),
        (0, (1000, 1000), (0, 0)),
        (5, (6,), (-1,)),
        (0, (2, 3), (1,)),
    ],
)
def test_a_tensor_that_does_not_fit_in_its_storage_is_refused(tmp_path, view):
    file = TorchFile()
    refusal(tmp_path, file.zip({"w": file.tensor(np.zeros(6, "f4"), view[1], view[2], view[0])}))


@pytest.mark.parametrize("form", FORMS)
def test_a_storage_larger_than_the_file_is_not_allocated(tmp_path, form):
    file = TorchFile()
    storage = file.storage(np.zeros(2, np.float32), numel=2**40)
    content = getattr(file, form)({"w": file.tensor(None, (2,), (1,), storage=storage)})
    assert "it is damaged" in refusal(tmp_path, content)


@pytest.mark.parametrize("form", FORMS)
def test_every_truncation_is_refused(tmp_path, form):
    file = TorchFile()
    content = getattr(file, form)({"prior": {"w": file.tensor(np.arange(3, dtype=np.float32))}})
    for length in range(len(content)):
        refusal(tmp_path, content[:length])


@pytest.mark.parametrize("form", FORMS)
def test_flipped_bytes_end_in_an_error_or_a_tree(tmp_path, form):
    file = TorchFile()
    content, path = getattr(file, form)(torch_files.small_checkpoint(file)[0]), tmp_path / "model.pth"
    rng, refused = np.random.default_rng(2), 0
    for trial in range(200):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), 1 + trial % 3):
            damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read(path)
        except TorchFileError:
            refused += 1
    assert 0 < refused < 200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello" * 20, "it is in neither of the formats of PyTorch 0.3 and later"),
        (torch_files.zipped({"archive/x": b""}), "a zip archive with 0 data.pkl"),
        (archive(pickled({}), zipfile.ZIP_DEFLATED), "compressed"),
        (archive(b"\x80\x02r\xff\xff\xff\x7f."), "memo index 2147483647"),
        (archive(pickled({})).replace(b"}(u", b"}(t"), "Bad CRC-32"),
        (archive(pickled({}), **{"archive/byteorder": b"big"}), "its numbers are not little-endian"),
    ],
)
def test_damaged_archives_are_refused(tmp_path, content, words):
    assert words in refusal(tmp_path, content)
