"""Hostile opcodes: nothing runs, nothing grows without bound, and each ends in one sentence."""

import contextlib
import tracemalloc

import pytest
from torch_files import NAMESPACE, ORDERED_DICT, Call, Name, New, Persistent, Raw, encode, pickled, sentence, unpickled

from svg_tf.torch_import.records import Module, Namespace, TorchFileError

MEMORY_LIMIT = 400 * 2**20
LSTM = Name("models.lstm", "lstm")
STORAGE = Persistent(("storage", Name("torch", "FloatStorage"), "0", "cpu", 6, None))
TENSOR = Name("torch._utils", "_rebuild_tensor_v2")


def short_text(text):
    return b"\x8c" + bytes([len(text)]) + text


# State.


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Raw(encode(LSTM) + encode({"__setstate__": 1}) + b"b"), "sets the state of a Global"),
        (Raw(encode(ORDERED_DICT) + encode({"__init__": 1}) + b"b"), "sets the state of a Global"),
        (New(LSTM, (None, {"__class__": "x"})), "sets the state of a Module"),
        (New(LSTM, [1]), "sets the state of a Module"),
        (New(NAMESPACE, "x"), "sets the state of a Namespace"),
        (Raw(encode([1]) + encode({}) + b"b"), "sets the state of a list"),
        (Raw(encode("x") + encode({}) + b"b"), "sets the state of a str"),
        (Call(ORDERED_DICT, (), (None, {"x": 1})), "sets the state of a dict"),
        (Call(TENSOR, (STORAGE, 0, (6,), (1,)), {"__class__": 1}), "sets the state of a Tensor"),
    ],
)
def test_state_that_is_not_a_modules_or_options_is_told(value, words):
    assert words in sentence(value)


def test_hostile_attribute_names_stay_keys():
    names = ["__class__", "__dict__", "__setstate__", "__reduce__", "__init__", "state", "class_name", "__slots__"]
    state = {name: LSTM for name in names}
    network, options = unpickled(pickled((New(LSTM, state), New(NAMESPACE, state))))
    assert type(network) is Module and type(options) is Namespace
    assert network.class_name == "models.lstm.lstm" and list(network.state) == list(options.state) == names
    ordinary = Call(ORDERED_DICT, (), {"__class__": LSTM, "a": 1})
    assert unpickled(pickled(ordinary)) == {}


# Opcodes.


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (
            b"\x80\x04" + short_text(b"os") + b"\x94" + short_text(b"system") + b"\x94h\x00h\x01\x93.",
            "SHORT_BINUNICODE",
        ),
        (b"\x80\x02X\x02\x00\x00\x00osq\x00X\x06\x00\x00\x00systemq\x01h\x00h\x01\x93.", "STACK_GLOBAL"),
        (b"\x80\x02X\x04\x00\x00\x00true(ios\nsystem\n.", "INST"),
        (b"\x80\x02(" + encode(LSTM) + b"X\x04\x00\x00\x00trueo.", "OBJ"),
        (b"\x80\x02" + encode(LSTM) + b")}\x92.", "NEWOBJ_EX"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x83\x01\x00.", "EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        (b"\x80\x02Pstorage\n.", "PERSID"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.", "FRAME"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fN.", "BINUNICODE8"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fN.", "BINBYTES8"),
        (b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7fN.", "BYTEARRAY8"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", "LONG4"),
        (b"\x80\x02L" + b"9" * 5000 + b"L\n.", "LONG"),
        (b"S'os'\n.", "STRING"),
        (b"\xff.", "255"),
    ],
)
def test_opcodes_that_torch_save_does_not_write_are_told(code, name):
    assert f"its pickle uses opcode {name}, which" in sentence(code)


def test_every_opcode_alone_is_told_or_harmless():
    for code in range(256):
        for tail in (b"", b".", b"\x00" * 16 + b".", b"\xff" * 16 + b".", b"1\n2\n."):
            for head in (b"", b"}", b"N", b"(", b"]N", encode(LSTM), encode(LSTM) + b")", b"NNN", b"(NNN"):
                with contextlib.suppress(TorchFileError):
                    unpickled(head + bytes([code]) + tail)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"", "cut short"),
        (b"\x80", "cut short"),
        (b".", "an opcode lacks its operand"),
        (b"(.", "an opcode lacks its operand"),
        (b"N(\x85.", "an opcode lacks its operand"),
        (b"N(q\x00.", "an opcode lacks its operand"),
        (b"Nt.", "a mark is missing"),
        (b"}(Nu.", "a key without a value"),
        (b"NN(NNu.", "that is not a dictionary"),
        (b"]NNs.", "that is not a dictionary"),
        (b"NNa.", "that is not a list"),
        (b"}(Ne.", "that is not a list"),
        (b"h\x05.", "memo 5 was never set"),
        (b"j\xff\xff\xff\xff.", "memo 4294967295 was never set"),
        (b"U\x02\xff\xfe.", "which is not UTF-8"),
        (b"X\x03\x00\x00\x00\xed\xa0\x80.", "which is not UTF-8"),
        (b"X\xff\xff\xff\xff.", "more than 16777216 bytes"),
        (b"T\xff\xff\xff\xff.", "more than 16777216 bytes"),
        (b"I1e5\n.", "holds the integer '1e5'"),
        (b"I\n.", "holds the integer ''"),
        (b"I" + b"9" * 30 + b"\n.", "holds the integer"),
        (b"I\xc2\xb2\n.", "holds the integer"),
        (b"ItooLong" + b"9" * 300 + b"\n.", "too long"),
    ],
)
def test_damaged_opcodes_are_told(code, words):
    assert words in sentence(code)


# What a stream may cost.


@pytest.fixture
def memory():
    tracemalloc.start()
    yield
    assert tracemalloc.get_traced_memory()[1] < MEMORY_LIMIT
    tracemalloc.stop()


def test_more_steps_than_any_checkpoint_has_are_told(memory):
    assert "more than 1000000 steps" in sentence(b"}" * 1_000_001 + b".")


def test_a_large_memo_index_costs_nothing(memory):
    assert unpickled(b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff.") is None


def repeated(value, use, times):
    """A list of calls that all take the same value out of the memo."""
    return b"\x80\x02" + encode(value) + b"q\x00](" + use * times + b"e."


@pytest.mark.parametrize(
    "code",
    [
        repeated([[str(n), 0] for n in range(2000)], encode(ORDERED_DICT) + b"h\x00\x85R", 500),
        repeated([str(n) for n in range(2000)], encode(Name("builtins", "set")) + b"h\x00\x85R", 500),
        repeated(tuple(range(2000)), encode(Name("torch", "Size")) + b"h\x00\x85R", 500),
        repeated({str(n): 0 for n in range(2000)}, encode(New(LSTM)) + b"h\x00b", 500),
    ],
    ids=["OrderedDict", "set", "Size", "state"],
)
def test_handing_a_long_value_over_again_and_again_is_told(memory, code):
    assert "steps" in sentence(code)


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        (b"]", b"a"),
        (b"(", b"t"),
        (b"}X\x01\x00\x00\x00a", b"s"),
        (encode(LSTM) + b")\x81}X\x01\x00\x00\x00a", b"sb"),
        (encode(ORDERED_DICT), b"\x85R"),
    ],
    ids=["lists", "tuples", "dictionaries", "modules", "calls"],
)
def test_deep_nesting_ends_without_deep_recursion(opening, closing):
    depth = 100_000
    code = b"\x80\x02" + opening * depth + b"N" + closing * depth + b"."
    with contextlib.suppress(TorchFileError):
        unpickled(code)
