"""TensorFlow's C++ runtime without its Python: loads and runs a SavedModel as TensorFlow Serving does.

The server's own calls, `LoadSavedModel` and `Session::Run`, behind the C API of the library that TensorFlow's wheel
brings.
"""

import ctypes
import functools
import importlib.util
import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from svg_tf.serving import wire

_STRING = 7
_TYPES: dict[int, type[np.generic]] = {1: np.float32, 3: np.int32, 4: np.uint8, 9: np.int64}
_NUMBERS = {np.dtype(dtype): number for number, dtype in _TYPES.items()}
_pointer, _size = ctypes.c_void_p, ctypes.c_size_t


class CppRuntimeError(RuntimeError):
    """The runtime's own error: its code (3 is INVALID_ARGUMENT) and its words."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class TensorInfo(NamedTuple):
    """An input or output of a signature."""

    name: str  # of the tensor in the graph, "operation:index"
    dtype: np.dtype  # object for strings
    shape: tuple[int | None, ...]


class SignatureInfo(NamedTuple):
    """What a signature takes and gives, by name."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


class _Output(ctypes.Structure):
    _fields_ = [("operation", _pointer), ("index", ctypes.c_int)]


class _Buffer(ctypes.Structure):
    _fields_ = [("data", _pointer), ("length", _size), ("deallocator", _pointer)]


class _TString(ctypes.Structure):
    _fields_ = [("content", ctypes.c_uint64 * 3)]


class SavedModel:
    """A SavedModel in a session; many threads may run it at once.

    Attributes:
        folder: where it is.
        signatures: SignatureInfo by signature name.
    """

    def __init__(self, folder: str):
        """Loads it.

        Raises:
            CppRuntimeError: it cannot be loaded.
        """
        self.folder = folder
        self._library = _load_library()
        self._graph = self._library.TF_NewGraph()
        options, buffer = self._library.TF_NewSessionOptions(), self._library.TF_NewBuffer()
        tags = (ctypes.c_char_p * 1)(b"serve")
        try:
            with _Status(self._library) as status:
                self._session = self._library.TF_LoadSessionFromSavedModel(
                    options, None, os.fsencode(folder), tags, 1, self._graph, buffer, status
                )
            content = ctypes.cast(buffer, ctypes.POINTER(_Buffer)).contents
            meta_graph = ctypes.string_at(content.data, content.length)
        finally:
            self._library.TF_DeleteSessionOptions(options)
            self._library.TF_DeleteBuffer(buffer)
        found = wire.entries(meta_graph, 5)  # MetaGraphDef.signature_def
        self.signatures = {
            name: SignatureInfo(_tensor_infos(definition, 1), _tensor_infos(definition, 2))
            for name, definition in found.items()
            if name != "__saved_model_init_op"
        }

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature; strings are arrays of bytes objects. Shapes are not checked here, nor by the session.

        Raises:
            KeyError: there is no such signature, or the inputs' names are not the signature's.
            CppRuntimeError: the runtime refused the inputs, or failed.
        """
        if signature not in self.signatures:
            raise KeyError(f"there is no signature {signature}; there are {', '.join(sorted(self.signatures))}")
        info = self.signatures[signature]
        if set(inputs) != set(info.inputs):
            raise KeyError(f"{signature} takes {', '.join(info.inputs)}, not {', '.join(inputs)}")
        names = list(info.outputs)
        sources = (_Output * len(inputs))(*(self._output(info.inputs[name].name) for name in inputs))
        targets = (_Output * len(names))(*(self._output(info.outputs[name].name) for name in names))
        results = (_pointer * len(names))()
        tensors = [self._tensor(value) for value in inputs.values()]
        try:
            given = (_pointer * len(tensors))(*tensors)
            with _Status(self._library) as status:
                fed, fetched = (sources, given, len(given)), (targets, results, len(names))
                self._library.TF_SessionRun(self._session, None, *fed, *fetched, None, 0, None, status)
            return {name: self._array(tensor) for name, tensor in zip(names, results, strict=True)}
        finally:
            for tensor in [*tensors, *results]:
                if tensor:
                    self._library.TF_DeleteTensor(tensor)

    def _output(self, name: str) -> _Output:
        operation, _, index = name.rpartition(":")
        return _Output(self._library.TF_GraphOperationByName(self._graph, operation.encode()), int(index))

    def _tensor(self, value: np.ndarray) -> int:
        text = value.dtype == object
        if not text and value.dtype not in _NUMBERS:
            raise CppRuntimeError(3, f"a tensor of {value.dtype} is not taken")
        size = value.size * ctypes.sizeof(_TString) if text else value.nbytes
        dimensions = (ctypes.c_int64 * value.ndim)(*value.shape)
        kind = _STRING if text else _NUMBERS[value.dtype]
        tensor = self._library.TF_AllocateTensor(kind, dimensions, value.ndim, size)
        data = self._library.TF_TensorData(tensor)
        if text:
            for place, item in zip(_strings(data, value.size), value.flat, strict=True):
                self._library.TF_StringInit(ctypes.byref(place))
                self._library.TF_StringCopy(ctypes.byref(place), bytes(item), len(item))
        else:
            ctypes.memmove(data, np.ascontiguousarray(value).ctypes.data, size)
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        library, kind = self._library, self._library.TF_TensorType(tensor)
        shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
        data, count = library.TF_TensorData(tensor), int(np.prod(shape, dtype=np.int64))
        if kind == _STRING:
            array = np.empty(count, object)
            for index, place in enumerate(_strings(data, count)):
                length = library.TF_StringGetSize(ctypes.byref(place))
                array[index] = ctypes.string_at(library.TF_StringGetDataPointer(ctypes.byref(place)), length)
            return array.reshape(shape)
        array = np.empty(shape, _TYPES[kind])
        ctypes.memmove(array.ctypes.data, data, array.nbytes)
        return array


def disable_xla() -> None:
    """Switches XLA compilation off for the whole process and for good, as a server does when it starts."""
    _load_library()["_ZN10tensorflow21DisableXlaCompilationEv"]()  # void tensorflow::DisableXlaCompilation()


class _Status:
    """A TF_Status; leaving it raises what it says."""

    def __init__(self, library: ctypes.CDLL):
        self._library = library

    def __enter__(self) -> int:
        self._status = self._library.TF_NewStatus()
        return self._status

    def __exit__(self, *_) -> None:
        code = self._library.TF_GetCode(self._status)
        message = self._library.TF_Message(self._status).decode(errors="replace")
        self._library.TF_DeleteStatus(self._status)
        if code:
            raise CppRuntimeError(code, message)


def _strings(data: int, count: int) -> ctypes.Array:
    return (_TString * count).from_address(data)


def _tensor_infos(definition: bytes, number: int) -> dict[str, TensorInfo]:
    """SignatureDef.inputs (1) or outputs (2)."""
    infos = {}
    for name, info in wire.entries(definition, number).items():
        content = dict(wire.fields(info))  # TensorInfo: name 1, dtype 2, tensor_shape 3
        sizes = [dict(wire.fields(size)).get(1, 0) for size in wire.values(content.get(3, b""), 2)]
        shape = tuple(None if size >= 1 << 63 else size for size in sizes)  # -1 as an unsigned number
        dtype = np.dtype(object) if content[2] == _STRING else np.dtype(_TYPES[content[2]])
        infos[name] = TensorInfo(content[1].decode(), dtype, shape)
    return infos


@functools.cache
def _load_library() -> ctypes.CDLL:
    """libtensorflow_cc, its functions declared."""
    package = importlib.util.find_spec("tensorflow")  # finds it without importing it
    if package is None or not package.submodule_search_locations:
        raise CppRuntimeError(5, "TensorFlow is not installed")
    folder = package.submodule_search_locations[0]
    library = ctypes.CDLL(os.path.join(folder, "libtensorflow_cc.so.2"))
    integer, text = ctypes.c_int, ctypes.c_char_p
    declarations = {
        _pointer: "NewStatus NewGraph NewSessionOptions NewBuffer TensorData AllocateTensor GraphOperationByName "
        "LoadSessionFromSavedModel StringGetDataPointer",
        None: "DeleteStatus DeleteSessionOptions DeleteBuffer DeleteTensor SessionRun StringInit StringCopy",
        integer: "GetCode NumDims TensorType",
        _size: "StringGetSize",
        ctypes.c_int64: "Dim",
        text: "Message",
    }
    arguments = {
        "DeleteStatus": [_pointer],
        "DeleteSessionOptions": [_pointer],
        "DeleteBuffer": [_pointer],
        "DeleteTensor": [_pointer],
        "GetCode": [_pointer],
        "Message": [_pointer],
        "NumDims": [_pointer],
        "TensorType": [_pointer],
        "TensorData": [_pointer],
        "Dim": [_pointer, integer],
        "AllocateTensor": [integer, _pointer, integer, _size],
        "GraphOperationByName": [_pointer, text],
        "LoadSessionFromSavedModel": [_pointer, _pointer, text, _pointer, integer, _pointer, _pointer, _pointer],
        "SessionRun": [_pointer, _pointer, _pointer, _pointer, integer, _pointer, _pointer, integer]
        + [_pointer, integer, _pointer, _pointer],
        "StringInit": [_pointer],
        "StringCopy": [_pointer, text, _size],
        "StringGetSize": [_pointer],
        "StringGetDataPointer": [_pointer],
    }
    for result, names in declarations.items():
        for name in names.split():
            function = getattr(library, f"TF_{name}")
            function.restype, function.argtypes = result, arguments.get(name, [])
    return library
