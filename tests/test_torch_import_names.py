"""Names, calls and persistent ids outside the closed list: nothing runs, and each ends in one sentence."""

import os
import pickle

import numpy as np
import pytest
from torch_files import NAMESPACE, ORDERED_DICT, Call, Name, New, Persistent, Raw, TorchFile, encode, module, sentence

from svg_tf.torch_import.checkpoint import read_checkpoint
from svg_tf.torch_import.records import TorchFileError

LSTM = Name("models.lstm", "lstm")
FLOATS = Name("torch", "FloatStorage")
STORAGE = Persistent(("storage", FLOATS, "0", "cpu", 6, None))


# Names.

HOSTILE_NAMES = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("builtins", "open"),
    ("__builtin__", "eval"),
    ("__builtin__", "apply"),
    ("operator", "attrgetter"),
    ("functools", "partial"),
    ("importlib", "import_module"),
    ("runpy", "run_path"),
    ("pickle", "loads"),
    ("_pickle", "loads"),
    ("copyreg", "_reconstructor"),
    ("types", "CodeType"),
    ("torch", "load"),
    ("torch", "Tensor"),
    ("torch.hub", "load"),
    ("torch.serialization", "load"),
    ("torch.jit", "load"),
    ("torch._utils", "_rebuild_tensor_v9"),
    ("torch.nn.modules.container", "Sequential.forward.__globals__"),
    ("torch.nn.modules.container.os", "system"),
    ("torch.nn.modules", "os"),
    ("torch.nn.modules.container ", "Sequential"),
    ("collections", "OrderedDict.__reduce__"),
    ("collections.abc", "OrderedDict"),
    ("argparse", "Namespace.__init__"),
    ("argparse", "ArgumentParser"),
    ("models.lstm", ""),
    ("models.lstm", "lstm\x00"),
    ("models.lstm.os", "system"),
    ("models.other", "lstm"),
    ("xmodels.lstm", "lstm"),
    ("lstm_", "lstm"),
    ("numpy.core.multiarray", "scalar"),
    ("__main__", "lstm"),
    ("", ""),
]


@pytest.mark.parametrize(("folder", "name"), HOSTILE_NAMES)
def test_a_name_that_is_not_listed_is_told_and_not_looked_up(folder, name):
    for value in (Name(folder, name), Call(Name(folder, name), ("true",)), New(Name(folder, name), {})):
        text = sentence({"encoder": value})
        assert f"it names {ascii(f'{folder}.{name}')}" in text and "nothing was run" in text


def test_a_name_from_the_file_cannot_spoil_the_sentence():
    text = sentence(Name("a\x1b[2J\r" + "b" * 180, "eval"))
    assert len(text) < 300 and "\x1b" not in text and "\r" not in text


def test_an_endless_name_is_told():
    assert "a name that is too long" in sentence(b"c" + b"a" * 4096 + b"\nb\n.")


def test_payloads_that_would_run_under_pythons_unpickler_do_nothing(tmp_path):
    path = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(path),)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        code = pickle.dumps({"encoder": Payload()}, protocol)
        sentence(code)
        assert not path.exists()
        pickle.loads(code)
        assert path.exists()  # the payload is a live one
        path.rmdir()


def test_a_payload_inside_a_checkpoint_stops_it_with_the_files_name(tmp_path):
    file, marker = TorchFile(), tmp_path / "ran"
    payload = Call(Name("posix", "system"), (f"touch {marker}",))
    array = np.zeros(2, np.float32)
    roots = {
        "attribute": {"encoder": module("models.lstm.lstm", {"w": file.tensor(array)}, hidden=payload)},
        "hook": {"encoder": module("models.lstm.lstm", _forward_hooks={1: payload})},
        "option": {"encoder": {}, "opt": New(NAMESPACE, {"lr": payload})},
        "unused": {"encoder": {}, "epoch": payload},
        "storage": {"encoder": Persistent(("storage", payload, "0", "cpu", 1, None))},
        "source": {"encoder": New(Persistent(("module", Name("os", "system"), "", "")))},
        "argument": {"encoder": Call(Name("torch._utils", "_rebuild_parameter"), (payload, True))},
    }
    for name, root in roots.items():
        for form in ("stream", "zip"):
            path = file.write(tmp_path / f"{name}.pth", root, form)
            with pytest.raises(TorchFileError, match=r"\.pth is not a checkpoint that can be read: it names"):
                read_checkpoint(path)
    assert not marker.exists()


# Calls.


@pytest.mark.parametrize(
    "value",
    [
        Call(LSTM, ()),
        Call(NAMESPACE, ()),
        Call(Name("torch.optim.adam", "Adam"), ({},)),
        Call(Name("torch", "FloatStorage"), (2**40,)),
        Call(Name("torch.nn.modules.module", "register_module_forward_hook"), ("x",)),
        Call(New(LSTM), ("x",)),
        Call("os.system", ("true",)),
        Call({}, ()),
        Call(None, ()),
        Call(ORDERED_DICT, []),
        Call(ORDERED_DICT, None),
        New(ORDERED_DICT, {}),
        New(Name("torch.optim.adam", "Adam"), {}),
        New(Name("torch", "FloatStorage"), {}),
        New("models.lstm.lstm", {}),
        New(3, {}),
        Raw(encode(LSTM) + b"(" + encode("x") + b"t\x81"),
        Raw(encode(LSTM) + b"]\x81"),
    ],
)
def test_a_call_that_is_not_listed_is_told(value):
    text = sentence(value)
    assert ("it calls" in text or "it makes an object" in text) and "nothing was run" in text


TENSOR = Name("torch._utils", "_rebuild_tensor_v2")


@pytest.mark.parametrize(
    "value",
    [
        Call(ORDERED_DICT, (5,)),
        Call(ORDERED_DICT, ("ab",)),
        Call(ORDERED_DICT, ([["a"]],)),
        Call(ORDERED_DICT, (["ab"],)),
        Call(ORDERED_DICT, ([], [])),
        Call(Name("builtins", "set"), ([1],)),
        Call(Name("builtins", "set"), ("ab",)),
        Call(Name("torch", "Size"), ([1, 2],)),
        Call(Name("torch", "Size"), (("a",),)),
        Call(Name("torch", "device"), ([],)),
        Call(Name("torch._utils", "_rebuild_parameter"), ()),
        Call(Name("torch._utils", "_rebuild_parameter"), ("w", True, {})),
        Call(Name("torch.nn.backends.thnn", "_get_thnn_function_backend"), (1,)),
        Call(TENSOR, ()),
        Call(TENSOR, (STORAGE, 0, (6,))),
        Call(TENSOR, (None, 0, (6,), (1,))),
        Call(TENSOR, (STORAGE, "0", (6,), (1,))),
        Call(TENSOR, (STORAGE, True, (6,), (1,))),
        Call(TENSOR, (STORAGE, 0, [6], (1,))),
        Call(TENSOR, (STORAGE, 0, (6.0,), (1,))),
        Call(TENSOR, (STORAGE, 0, (6,), ("1",))),
    ],
)
def test_arguments_that_pytorch_does_not_write_are_told(value):
    assert "with arguments that PyTorch does not write" in sentence(value)


# Persistent ids.


@pytest.mark.parametrize(
    "value",
    [
        None,
        "storage",
        (),
        ["storage", FLOATS, "0", "cpu", 1, None],
        ("tensor", FLOATS, "0", "cpu", 1, None),
        ("storage", FLOATS, "0"),
        ("module", FLOATS, "", ""),
        ("module", "models.lstm.lstm", "", ""),
        ("storage", "FloatStorage", "0", "cpu", 1, None),
        ("storage", LSTM, "0", "cpu", 1, None),
        ("storage", FLOATS, 0, "cpu", 1, None),
        ("storage", FLOATS, "0", "cpu", -1, None),
        ("storage", FLOATS, "0", "cpu", 2**63, None),
        ("storage", FLOATS, "0", "cpu", 1.0, None),
        ("storage", FLOATS, "0", "cpu", True, None),
        ("storage", FLOATS, "0", "cpu", 6, "view"),
        ("storage", FLOATS, "0", "cpu", 6, ("v", 0)),
        ("storage", FLOATS, "0", "cpu", 6, ("v", -1, 3)),
        ("storage", FLOATS, "0", "cpu", 6, ("v", 4, 3)),
    ],
)
def test_a_persistent_id_that_pytorch_does_not_write_is_told(value):
    assert any(words in sentence(Persistent(value)) for words in ("persistent id", "storage '0'", "its storage "))


@pytest.mark.parametrize(("kind", "numel"), [("DoubleStorage", 6), ("FloatStorage", 7)])
def test_one_storage_of_two_types_or_sizes_is_told(kind, numel):
    other = Persistent(("storage", Name("torch", kind), "0", "cpu", numel, None))
    assert "its storage '0' has two types or sizes" in sentence([STORAGE, other])


@pytest.mark.parametrize(
    "key",
    [
        Raw(b")" + b"\x85" * 200_000),  # hashing it would overflow the stack
        Raw(b")" + b"q\x00h\x00\x86" * 60),  # hashing it would take 2^60 steps
        2**61 - 1,  # multiples of it all hash to 0
        -(2**31),
        1.5,
        None,
        LSTM,
        STORAGE,
        [],
    ],
)
def test_keys_that_could_be_costly_to_hash_are_told(key):
    assert "neither text nor a small integer" in sentence(Raw(b"}" + encode(key) + b"Ns"))
