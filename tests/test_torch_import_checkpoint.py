"""Sound checkpoints come out bit for bit, of every version's way of writing them."""

import numpy as np
import pytest
from torch_files import (
    NAMESPACE,
    ORDERED_DICT,
    Call,
    Name,
    New,
    Persistent,
    Raw,
    TorchFile,
    assert_same,
    encode,
    module,
    ordered,
    small_checkpoint,
)

from svg_tf.torch_import.checkpoint import read_checkpoint
from svg_tf.torch_import.records import TorchFileError

FORMS = ["stream", "zip"]


def read_decoder(tmp_path, file, parameters, form="zip", **entries):
    """The tensors of a checkpoint whose only network has these parameters."""
    root = {"decoder": module("models.dcgan_64.decoder", parameters), **entries}
    return read_checkpoint(file.write(tmp_path / "model.pth", root, form)).modules["decoder"]


@pytest.mark.parametrize("form", FORMS)
def test_modules_give_their_state_dictionaries_class_names_and_options(tmp_path, form):
    file = TorchFile()
    root, arrays = small_checkpoint(file)
    checkpoint = read_checkpoint(file.write(tmp_path / "model.pth", root, form))
    assert list(checkpoint.modules) == ["encoder", "prior"]
    for name, expected in arrays.items():
        assert_same(checkpoint.modules[name], expected)
    assert checkpoint.class_names == {"encoder": "models.dcgan_64.encoder", "prior": "models.lstm.gaussian_lstm"}
    assert checkpoint.options == {
        "g_dim": 128,
        "beta": 1e-4,
        "model": "dcgan",
        "optimizer": "<torch.optim.adam.Adam>",
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [{"g_dim": 5}, New(NAMESPACE, {"g_dim": 5})], ids=["dict", "namespace"])
def test_state_dictionaries_are_read_as_modules_are(tmp_path, form, options):
    file, weight = TorchFile(), np.arange(6, dtype=np.float32).reshape(2, 3)
    # torch's state_dict() carries its metadata as an attribute of the OrderedDict.
    states = Raw(encode(ordered({"embed.weight": file.tensor(weight)})) + encode({"_metadata": ordered({})}) + b"b")
    checkpoint = read_checkpoint(file.write(tmp_path / "m.pth", {"posterior": states, "opt": options}, form))
    assert_same(checkpoint.modules["posterior"], {"embed.weight": weight})
    assert checkpoint.class_names == {"posterior": ""} and checkpoint.options == {"g_dim": 5}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
def test_every_number_type_is_read_bit_for_bit(tmp_path, form, dtype):
    file = TorchFile()
    array = (np.random.default_rng(1).standard_normal((3, 5)) * 50).astype(dtype)
    assert_same(read_decoder(tmp_path, file, {"w": file.tensor(array)}, form), {"w": array})


@pytest.mark.parametrize("byteorder", ["little", "big", None])
def test_the_byteorder_record_decides_and_little_is_its_default(tmp_path, byteorder):
    file, array = TorchFile(), np.array([1.5, -2.0, 3e-9], np.float32)
    root = {"decoder": module("models.dcgan_64.decoder", {"w": file.tensor(array)})}
    path = tmp_path / "m.pth"
    path.write_bytes(file.zip(root, byteorder))
    found = read_checkpoint(path).modules["decoder"]
    assert_same(found, {"w": array})
    assert found["w"].dtype.isnative


def test_deflated_archives_are_read(tmp_path):
    file = TorchFile()
    root, arrays = small_checkpoint(file)
    path = tmp_path / "m.pth"
    path.write_bytes(file.zip(root, compression=8, extra={"archive/": b"", "archive/data/": b""}))
    assert_same(read_checkpoint(path).modules["encoder"], arrays["encoder"])


def test_bfloat16_becomes_the_float32_of_the_same_value(tmp_path):
    file = TorchFile()
    bits = np.array([0x3F80, 0xC040, 0x0000, 0x7F80], np.uint16)  # 1, -3, 0, infinity
    found = read_decoder(tmp_path, file, {"w": file.tensor(bits, kind="BFloat16Storage")})
    assert_same(found, {"w": np.array([1, -3, 0, np.inf], np.float32)})


@pytest.mark.parametrize("form", FORMS)
def test_views_of_a_shared_storage_keep_their_offset_shape_and_strides(tmp_path, form):
    file, numbers = TorchFile(), np.arange(24, dtype=np.float32)
    storage = file.storage(numbers)
    found = read_decoder(
        tmp_path,
        file,
        {
            "whole": file.tensor(numbers, storage=storage),
            "transposed": file.tensor(numbers, (4, 6), (1, 4), storage=storage),
            "slice": file.tensor(numbers, (2, 3), (6, 2), 7, storage=storage),
            "scalar": file.tensor(numbers, (), (), 23, storage=storage),
            "empty": file.tensor(numbers, (0, 6), (6, 1), 24, storage=storage),
            "single": file.tensor(numbers, (1, 2), (2**70, 1), storage=storage),
        },
        form,
    )
    expected = {
        "whole": numbers,
        "transposed": numbers.reshape(6, 4).T,
        "slice": numbers[7:].reshape(-1)[[0, 2, 4, 6, 8, 10]].reshape(2, 3),
        "scalar": numbers[23].reshape(()),
        "empty": np.empty((0, 6), np.float32),
        "single": numbers[None, :2],
    }
    assert_same(found, expected)
    assert np.shares_memory(found["whole"], found["slice"])
    assert not found["whole"].flags.writeable


def test_storage_views_of_the_stream_format_start_where_they_say(tmp_path):
    file, numbers = TorchFile(), np.arange(10, dtype=np.float32)
    view = file.storage(numbers, view=("view key", 4, 3))
    found = read_decoder(tmp_path, file, {"w": file.tensor(numbers, (2,), (1,), 1, storage=view)}, "stream")
    assert_same(found, {"w": numbers[5:7]})


def test_parameters_and_variables_of_pytorch_0_3_and_0_4_are_read(tmp_path):
    file, array = TorchFile(), np.arange(3, dtype=np.float32)
    parameter, variable = Name("torch.nn.parameter", "Parameter"), Name("torch.autograd.variable", "Variable")
    old = Call(Name("torch._utils", "_rebuild_tensor"), (file.storage(array), 0, (3,), (1,)))
    parameters = {
        "parameter": Call(parameter, (old,), (True, False, ordered({}))),
        "variable": Call(variable, (old,), (False, False, None)),
        "later": Call(parameter, (file.tensor(array), True)),
    }
    assert_same(read_decoder(tmp_path, file, parameters, "stream"), dict.fromkeys(parameters, array))


def test_files_of_python_2_are_read(tmp_path):
    file, array = TorchFile(), np.arange(3, dtype=np.float32)

    def bytes_text(text):
        return Raw(b"U" + bytes([len(text)]) + text.encode())

    def pairs(items):  # Python 2 hands an OrderedDict its items as lists
        return Call(ORDERED_DICT, ([[bytes_text(key), value] for key, value in items.items()],))

    state = {"_parameters": pairs({"w": file.tensor(array)}), "_buffers": pairs({}), "_modules": pairs({})}
    network = New(Name("models.lstm", "lstm"), {bytes_text(key): value for key, value in state.items()})
    options = New(NAMESPACE, {bytes_text("seed"): Raw(b"I-9876543210\n"), bytes_text("model"): bytes_text("vgg")})
    path = file.write(tmp_path / "m.pth", {bytes_text("prior"): network, "opt": options}, "stream")
    checkpoint = read_checkpoint(path)
    assert_same(checkpoint.modules["prior"], {"w": array})
    assert checkpoint.options == {"seed": -9876543210, "model": "vgg"}


def test_the_source_that_travels_with_a_module_class_is_ignored(tmp_path):
    file, array = TorchFile(), np.arange(3, dtype=np.float32)
    plain = module("models.vgg_64.encoder", {"w": file.tensor(array)})
    source = Persistent(("module", plain.cls, "/home/user/models/vgg_64.py", "import os\nos.system('false')\n"))
    checkpoint = read_checkpoint(file.write(tmp_path / "m.pth", {"encoder": New(source, plain.state)}, "stream"))
    assert checkpoint.class_names == {"encoder": "models.vgg_64.encoder"}
    assert_same(checkpoint.modules["encoder"], {"w": array})


def test_buffers_that_are_not_persistent_are_left_out(tmp_path):
    file, array = TorchFile(), np.arange(3, dtype=np.float32)
    network = module(
        "models.lstm.lstm",
        buffers={"kept": file.tensor(array), "left_out": file.tensor(array)},
        _non_persistent_buffers_set=Call(Name("__builtin__", "set"), (["left_out"],)),
    )
    checkpoint = read_checkpoint(file.write(tmp_path / "m.pth", {"prior": network}, "zip"))
    assert list(checkpoint.modules["prior"]) == ["kept"] and checkpoint.options == {}


def test_options_keep_plain_values_and_describe_the_rest(tmp_path):
    file = TorchFile()
    options = {
        "none": None,
        "long": -(2**40),
        "list": [1, "a", 2.5, [3]],
        "tuple": (True,),
        "long_list": [0] * 101,
        "dict": {"a": 1},
        "size": Call(Name("torch", "Size"), ((3, 4),)),
        "device": Call(Name("torch", "device"), ("cuda", 0)),
        "tensor": file.tensor(np.zeros(2, np.float32)),
        "cls": Name("torch.nn.modules.linear", "Linear"),
    }
    root = {"prior": {}, "opt": New(NAMESPACE, options), "epoch": 12}
    found = read_checkpoint(file.write(tmp_path / "m.pth", root, "stream")).options
    assert found == {
        "none": None,
        "long": -(2**40),
        "list": [1, "a", 2.5, "<list>"],
        "tuple": [True],
        "long_list": "<list>",
        "dict": "<dict>",
        "size": [3, 4],
        "device": "cuda:0",
        "tensor": "<Tensor>",
        "cls": "<torch.nn.modules.linear.Linear>",
    }


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ([1, 2], "none of the networks"),
        ({"model": {}}, "the entries 'model', but none of the networks encoder"),
        ({"encoder": 3}, "its encoder is <int>"),
        ({"encoder": {"w": 3}}, "its encoder has <int> named 'w'"),
        ({"encoder": {5: None}}, "its encoder has <NoneType> named '5'"),
        ({"encoder": module("models.lstm.lstm", {"w": [1]})}, "its encoder has <list> named 'w'"),
        ({"encoder": module("models.lstm.lstm", modules={"a": 4})}, "its encoder has <int> named 'a.'"),
        ({"encoder": module("models.lstm.lstm", {5: None})}, "its encoder has a part named '5'"),
        ({"encoder": module("models.lstm.lstm", {"w" * 129: None})}, "its encoder has a part named 'www"),
        ({"encoder": New(Name("models.lstm", "lstm"))}, "a models.lstm.lstm without _parameters"),
        ({"encoder": New(Name("models.lstm", "lstm"), {"_parameters": 1})}, "without _parameters"),
        ({"encoder": {}, "opt": 3}, "its options 'opt' are <int>"),
        ({"encoder": {}, "opt": {str(n): n for n in range(1001)}}, "its options 'opt' are <dict>"),
        ({"encoder": {str(n): None for n in range(20_001)}}, "its encoder has over 20000 entries"),
    ],
)
def test_what_is_not_a_checkpoint_of_networks_is_named(tmp_path, root, words):
    path = TorchFile().write(tmp_path / "m.pth", root, "zip")
    with pytest.raises(TorchFileError) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value) and words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_module_that_holds_itself_stops(tmp_path):
    network = Raw(
        encode(Name("models.lstm", "lstm"))
        + b")\x81q\x01"
        + encode({"_parameters": {}, "_buffers": {}, "_modules": {"self": Raw(b"h\x01")}})
        + b"b"
    )
    with pytest.raises(TorchFileError, match="nested more than 32 deep"):
        read_checkpoint(TorchFile().write(tmp_path / "m.pth", {"encoder": network}, "zip"))


def test_a_module_that_doubles_at_every_level_stops(tmp_path):
    levels = encode(module("models.lstm.lstm")) + b"q\x00"
    for _ in range(30):  # 2^30 modules in a few kilobytes
        held = {"a": Raw(b"h\x00"), "b": Raw(b"h\x00")}
        levels += encode(module("models.lstm.lstm", modules=held)) + b"q\x00"
    root = Raw(b"(" + levels + b"t" + encode({"encoder": Raw(b"h\x00")}))
    with pytest.raises(TorchFileError, match="over 20000 entries"):
        read_checkpoint(TorchFile().write(tmp_path / "m.pth", root, "zip"))


@pytest.mark.parametrize(("name", "words"), [("absent.pth", "there is no such file"), (".", "it is not a file")])
def test_a_path_that_is_no_file_is_named(tmp_path, name, words):
    with pytest.raises(TorchFileError, match=words):
        read_checkpoint(tmp_path / name)
