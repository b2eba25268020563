"""Runs SavedModels through TensorFlow's C API: python cpp_runtime.py REQUESTS ANSWERS

`LoadSavedModel` and `Session::Run` are the calls that TensorFlow Serving makes. This process imports neither
TensorFlow's Python nor svg_tf, and XLA compilation is switched off, as in the server's main function.

REQUESTS is a pickled list of (folder, {input tensor: array}, {output: tensor}) with tensors named "operation:index";
ANSWERS is a pickled list with, for each, a dictionary of arrays or the text of an error.
"""

import ctypes
import importlib.util
import os
import pickle
import sys

import numpy as np

_TYPES = {1: np.float32, 3: np.int32, 9: np.int64}
_NUMBERS = {np.dtype(dtype): number for number, dtype in _TYPES.items()}


class _Pointer(ctypes.c_void_p):
    """A result that keeps its 64 bits when it is passed on; ctypes would make a c_void_p an int."""


_RESULTS = {
    _Pointer: "NewStatus NewGraph NewSessionOptions LoadSessionFromSavedModel GraphOperationByName AllocateTensor "
    "TensorData",
    ctypes.c_char_p: "Message",
    ctypes.c_int64: "Dim",
}


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class _Model:
    def __init__(self, library, folder):
        self._library, self._graph = library, library.TF_NewGraph()
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = library.TF_NewSessionOptions()
        arguments = (options, None, os.fsencode(folder), tags, 1, self._graph, None)
        self._session = _checked(library, library.TF_LoadSessionFromSavedModel, *arguments)

    def run(self, inputs, outputs):
        library = self._library
        sources = (_Output * len(inputs))(*map(self._find, inputs))
        targets = (_Output * len(outputs))(*map(self._find, outputs.values()))
        fed = (ctypes.c_void_p * len(inputs))(*map(self._tensor, inputs.values()))
        results = (_Pointer * len(outputs))()
        both = (sources, fed, len(inputs), targets, results, len(outputs))
        _checked(library, library.TF_SessionRun, self._session, None, *both, None, 0, None)
        return {name: self._array(tensor) for name, tensor in zip(outputs, results, strict=True)}

    def _find(self, name):
        operation, _, index = name.rpartition(":")
        return _Output(self._library.TF_GraphOperationByName(self._graph, operation.encode()).value, int(index))

    def _tensor(self, value):
        shape = (ctypes.c_int64 * value.ndim)(*value.shape)
        size = ctypes.c_size_t(value.nbytes)
        tensor = self._library.TF_AllocateTensor(_NUMBERS[value.dtype], shape, value.ndim, size)
        ctypes.memmove(self._library.TF_TensorData(tensor), np.ascontiguousarray(value).ctypes.data, value.nbytes)
        return tensor.value

    def _array(self, tensor):
        shape = [self._library.TF_Dim(tensor, axis) for axis in range(self._library.TF_NumDims(tensor))]
        array = np.empty(shape, _TYPES[self._library.TF_TensorType(tensor)])
        ctypes.memmove(array.ctypes.data, self._library.TF_TensorData(tensor), array.nbytes)
        return array


def _checked(library, function, *arguments):
    """Call a function whose last argument is a TF_Status; raise what it says."""
    status = library.TF_NewStatus()
    result = function(*arguments, status)
    if library.TF_GetCode(status):
        raise RuntimeError(library.TF_Message(status).decode(errors="replace"))
    return result


def _load_library():
    folder = importlib.util.find_spec("tensorflow").submodule_search_locations[0]  # without importing it
    library = ctypes.CDLL(os.path.join(folder, "libtensorflow_cc.so.2"))
    for result, names in _RESULTS.items():
        for name in names.split():
            getattr(library, f"TF_{name}").restype = result
    library["_ZN10tensorflow21DisableXlaCompilationEv"]()  # void tensorflow::DisableXlaCompilation()
    return library


def _main(requests_path, answers_path):
    library, answers = _load_library(), []
    with open(requests_path, "rb") as file:
        requests = pickle.load(file)
    for folder, inputs, outputs in requests:
        try:
            answers.append(_Model(library, folder).run(inputs, outputs))
        except RuntimeError as error:
            answers.append(str(error))
    assert not {name.split(".")[0] for name in sys.modules} & {"tensorflow", "keras", "svg_tf"}
    with open(answers_path, "wb") as file:
        pickle.dump(answers, file)


if __name__ == "__main__":
    _main(*sys.argv[1:])
