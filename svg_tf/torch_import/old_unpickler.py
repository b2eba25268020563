"""Interprets the pickle of a checkpoint without Python's own unpickler, so that nothing in it can run.

It knows the opcodes of protocol 2, which torch.save writes, and no others. Opcodes make plain values and the inert
records of `records`; the few functions they may call are those of `names`. What a stream may cost is bounded: its
bytes, its steps (an opcode or an element handed to a call is one), and the hashing of its dictionary keys.
"""

import pickle
import pickletools
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from svg_tf.torch_import import names
from svg_tf.torch_import.records import Module, Namespace, Storage, Tensor, TorchFileError, quoted

MAX_BYTES = 16 * 2**20
_MAX_STEPS = 1_000_000
_MAX_LINE = 256


class PickleStream:
    """The pickles of one file, read in turn from where the file stands, with their common limits."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes = 0
        self._steps = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes.

        Raises:
            TorchFileError: the file ends before, or its pickles are too large.
        """
        self._consume(size)
        data = self._file.read(size)
        if len(data) != size:
            raise TorchFileError("its pickle is cut short; copy or download the file again")
        return data

    def readline(self) -> str:
        """A line of text, without its end."""
        line = self._file.readline(_MAX_LINE)
        self._consume(len(line))
        if not line.endswith(b"\n"):
            raise TorchFileError("its pickle is cut short or holds a name that is too long")
        return decoded(line[:-1])

    def charge(self, steps: int) -> None:
        """Counts steps of work against the limit."""
        self._steps += steps
        if self._steps > _MAX_STEPS:
            raise TorchFileError(f"its pickle takes more than {_MAX_STEPS} steps, far more than any checkpoint")

    def _consume(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MAX_BYTES:
            raise TorchFileError(f"its pickle has more than {MAX_BYTES} bytes, far more than any checkpoint")


def decoded(text: bytes) -> str:
    """UTF-8 as text.

    Raises:
        TorchFileError: it is not UTF-8.
    """
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise TorchFileError(f"its pickle holds the text {quoted(text)}, which is not UTF-8") from None


class Unpickler:
    """One pickle of a stream: `load` gives its object, and `storages` then the storages it names, by key."""

    def __init__(self, stream: PickleStream) -> None:
        self.storages: dict[str, Storage] = {}
        self._stream = stream
        self._memo: dict[int, object] = {}
        self._stack: list[object] = []
        self._marks: list[int] = []

    def load(self) -> object:
        """The pickled object, in plain values and inert records.

        Raises:
            TorchFileError: the pickle is damaged, too large, or asks for anything that is not listed.
        """
        while True:
            self._stream.charge(1)
            code = self._stream.read(1)
            if code == pickle.STOP:
                return self._pop()
            operation = _OPERATIONS.get(code)
            if operation is None:
                opcode = next((each.name for each in pickletools.opcodes if each.code == chr(code[0])), code[0])
                raise TorchFileError(
                    f"its pickle uses opcode {opcode}, which torch.save does not write by "
                    "default (pickle_protocol=2), so nothing was run"
                )
            operation(self)

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _pop(self) -> object:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise TorchFileError("its pickle is damaged: an opcode lacks its operand")
        return self._stack.pop()

    def _pop_tuple(self, size: int) -> tuple:
        return tuple([self._pop() for _ in range(size)][::-1])

    def _pop_to_mark(self) -> list[object]:
        if not self._marks:
            raise TorchFileError("its pickle is damaged: a mark is missing")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _top(self) -> object:
        value = self._pop()
        self._stack.append(value)
        return value

    def _unpack(self, layout: str) -> Any:
        return struct.unpack(layout, self._stream.read(struct.calcsize(layout)))[0]

    def _charge_elements(self, value: object) -> None:
        # Through the memo a long list can be handed over again and again at the price of one opcode.
        if isinstance(value, tuple | list | dict):
            self._stream.charge(len(value))

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _global(self) -> None:
        self._push(names.resolve(self._stream.readline(), self._stream.readline()))

    def _text(self, layout: str) -> None:
        self._push(decoded(self._stream.read(self._unpack(layout))))

    def _int_line(self) -> None:  # Python 2 writes integers of more than 32 bits so
        line = self._stream.readline()
        if not (line.isascii() and line.removeprefix("-").isdigit() and len(line) <= 20):
            raise TorchFileError(f"its pickle holds the integer {quoted(line)}")
        self._push(int(line))

    def _long(self) -> None:
        self._push(int.from_bytes(self._stream.read(self._unpack("B")), "little", signed=True))

    def _put(self, layout: str) -> None:
        self._memo[self._unpack(layout)] = self._top()

    def _get(self, layout: str) -> None:
        index = self._unpack(layout)
        if index not in self._memo:
            raise TorchFileError(f"its pickle is damaged: memo {index} was never set")
        self._push(self._memo[index])

    def _append(self, items: list[object]) -> None:
        target = self._top()
        if type(target) is not list:
            raise TorchFileError("its pickle is damaged: it appends to something that is not a list")
        target.extend(items)

    def _set_items(self, items: list[object]) -> None:
        target = self._top()
        if len(items) % 2:
            raise TorchFileError("its pickle is damaged: a dictionary has a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            names.put(target, key, value)

    def _reduce(self) -> None:
        function, args = self._pop_tuple(2)
        self._charge_elements(args)
        for arg in args if type(args) is tuple else ():
            self._charge_elements(arg)
        self._push(names.call(function, args))

    def _new_object(self) -> None:
        self._push(names.instantiate(*self._pop_tuple(2)))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if isinstance(target, Module | Namespace) and type(state) is dict:
            self._charge_elements(state)
            target.state.update(state)
        elif not (type(target) is dict and type(state) is dict) and not (
            # A Variable's requires_grad, volatile and hooks; attributes of an OrderedDict: none is needed.
            isinstance(target, Tensor) and type(state) is tuple and len(state) == 3
        ):
            raise TorchFileError(f"it sets the state of a {type(target).__name__}, which is not allowed")

    def _persistent(self) -> None:
        value = names.stored(self._pop())
        if isinstance(value, Storage):
            first = self.storages.setdefault(value.key, value)
            if (first.kind, first.numel) != (value.kind, value.numel):
                raise TorchFileError(f"its storage {quoted(value.key)} has two types or sizes")
        self._push(value)


_OPERATIONS: dict[bytes, Callable[[Unpickler], object]] = {
    pickle.PROTO: lambda machine: machine._stream.read(1),
    pickle.MARK: Unpickler._mark,
    pickle.NONE: lambda machine: machine._push(None),
    pickle.NEWTRUE: lambda machine: machine._push(True),
    pickle.NEWFALSE: lambda machine: machine._push(False),
    pickle.INT: Unpickler._int_line,
    pickle.BININT: lambda machine: machine._push(machine._unpack("<i")),
    pickle.BININT1: lambda machine: machine._push(machine._unpack("B")),
    pickle.BININT2: lambda machine: machine._push(machine._unpack("<H")),
    pickle.LONG1: Unpickler._long,
    pickle.BINFLOAT: lambda machine: machine._push(machine._unpack(">d")),
    pickle.BINUNICODE: lambda machine: machine._text("<I"),
    pickle.BINSTRING: lambda machine: machine._text("<I"),  # text of Python 2
    pickle.SHORT_BINSTRING: lambda machine: machine._text("B"),
    pickle.EMPTY_TUPLE: lambda machine: machine._push(()),
    pickle.TUPLE1: lambda machine: machine._push(machine._pop_tuple(1)),
    pickle.TUPLE2: lambda machine: machine._push(machine._pop_tuple(2)),
    pickle.TUPLE3: lambda machine: machine._push(machine._pop_tuple(3)),
    pickle.TUPLE: lambda machine: machine._push(tuple(machine._pop_to_mark())),
    pickle.EMPTY_LIST: lambda machine: machine._push([]),
    pickle.APPEND: lambda machine: machine._append([machine._pop()]),
    pickle.APPENDS: lambda machine: machine._append(machine._pop_to_mark()),
    pickle.EMPTY_DICT: lambda machine: machine._push({}),
    pickle.SETITEM: lambda machine: machine._set_items(list(machine._pop_tuple(2))),
    pickle.SETITEMS: lambda machine: machine._set_items(machine._pop_to_mark()),
    pickle.BINPUT: lambda machine: machine._put("B"),
    pickle.LONG_BINPUT: lambda machine: machine._put("<I"),
    pickle.BINGET: lambda machine: machine._get("B"),
    pickle.LONG_BINGET: lambda machine: machine._get("<I"),
    pickle.GLOBAL: Unpickler._global,
    pickle.REDUCE: Unpickler._reduce,
    pickle.NEWOBJ: Unpickler._new_object,
    pickle.BUILD: Unpickler._build,
    pickle.BINPERSID: Unpickler._persistent,
}
