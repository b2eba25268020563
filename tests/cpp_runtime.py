"""Runs SavedModels through TensorFlow's C API: python cpp_runtime.py REQUESTS ANSWERS

`LoadSavedModel` and `Session::Run` are the calls that TensorFlow Serving makes, without Python and with XLA off.
REQUESTS is a pickled list of (folder, {input tensor: array}, {output: tensor}) with tensors named "operation:index";
ANSWERS is a pickled list with, for each, a dictionary of arrays or the text of an error.
"""

import ctypes
import importlib.util
import os
import pickle
import sys
from pathlib import Path

import numpy as np

_TYPES = {1: np.float32, 3: np.int32, 9: np.int64}
_NUMBERS = {np.dtype(dtype): number for number, dtype in _TYPES.items()}


class _Pointer(ctypes.c_void_p):
    """A result that keeps its 64 bits when it is passed on; ctypes would make a c_void_p an int."""


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


_FOLDER = importlib.util.find_spec("tensorflow").submodule_search_locations[0]  # without importing it
_LIBRARY = ctypes.CDLL(os.path.join(_FOLDER, "libtensorflow_cc.so.2"))
_POINTERS = "NewStatus NewGraph NewSessionOptions LoadSessionFromSavedModel GraphOperationByName AllocateTensor"
for _name in [*_POINTERS.split(), "TensorData"]:
    getattr(_LIBRARY, f"TF_{_name}").restype = _Pointer
_LIBRARY.TF_Message.restype, _LIBRARY.TF_Dim.restype = ctypes.c_char_p, ctypes.c_int64


def _run(folder, inputs, outputs):
    graph, tags = _LIBRARY.TF_NewGraph(), (ctypes.c_char_p * 1)(b"serve")
    arguments = (_LIBRARY.TF_NewSessionOptions(), None, os.fsencode(folder), tags, 1, graph, None)
    session = _checked(_LIBRARY.TF_LoadSessionFromSavedModel, *arguments)

    def find(name):
        operation, _, index = name.rpartition(":")
        return _Output(_LIBRARY.TF_GraphOperationByName(graph, operation.encode()).value, int(index))

    sources = (_Output * len(inputs))(*map(find, inputs))
    targets = (_Output * len(outputs))(*map(find, outputs.values()))
    fed = (ctypes.c_void_p * len(inputs))(*map(_tensor, inputs.values()))
    results = (_Pointer * len(outputs))()
    both = (sources, fed, len(inputs), targets, results, len(outputs))
    _checked(_LIBRARY.TF_SessionRun, session, None, *both, None, 0, None)
    return {name: _array(tensor) for name, tensor in zip(outputs, results, strict=True)}


def _tensor(value):
    shape, size = (ctypes.c_int64 * value.ndim)(*value.shape), ctypes.c_size_t(value.nbytes)
    tensor = _LIBRARY.TF_AllocateTensor(_NUMBERS[value.dtype], shape, value.ndim, size)
    ctypes.memmove(_LIBRARY.TF_TensorData(tensor), np.ascontiguousarray(value).ctypes.data, value.nbytes)
    return tensor.value


def _array(tensor):
    shape = [_LIBRARY.TF_Dim(tensor, axis) for axis in range(_LIBRARY.TF_NumDims(tensor))]
    array = np.empty(shape, _TYPES[_LIBRARY.TF_TensorType(tensor)])
    ctypes.memmove(array.ctypes.data, _LIBRARY.TF_TensorData(tensor), array.nbytes)
    return array


def _checked(function, *arguments):
    """Call a function whose last argument is a TF_Status; raise what it says."""
    status = _LIBRARY.TF_NewStatus()
    result = function(*arguments, status)
    if _LIBRARY.TF_GetCode(status):
        raise RuntimeError(_LIBRARY.TF_Message(status).decode(errors="replace"))
    return result


def _main(requests_path, answers_path):
    _LIBRARY["_ZN10tensorflow21DisableXlaCompilationEv"]()  # void tensorflow::DisableXlaCompilation()
    answers = []
    for request in pickle.loads(Path(requests_path).read_bytes()):
        try:
            answers.append(_run(*request))
        except RuntimeError as error:
            answers.append(str(error))
    assert not {name.split(".")[0] for name in sys.modules} & {"tensorflow", "keras", "svg_tf"}
    Path(answers_path).write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    _main(*sys.argv[1:])
