"""Writes checkpoint files as torch.save does, from NumPy arrays and without PyTorch, sound ones and hostile ones."""

import dataclasses
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from svg_tf.torch_import.records import TorchFileError
from svg_tf.torch_import.old_unpickler import PickleStream, Unpickler

STREAM_MAGIC = 0x1950A86A20F9469CFC6C
KINDS = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


@dataclasses.dataclass(frozen=True)
class Name:
    """A class or function, by name."""

    module: str
    name: str


@dataclasses.dataclass(frozen=True)
class Call:
    """function(*args), then its state set if there is one."""

    function: object
    args: object
    state: object = None


@dataclasses.dataclass(frozen=True)
class New:
    """An object of a class with its state."""

    cls: object
    state: object = None


@dataclasses.dataclass(frozen=True)
class Persistent:
    """An object that the pickle names and does not hold."""

    value: object


@dataclasses.dataclass(frozen=True)
class Raw:
    """Opcodes as they are."""

    code: bytes


ORDERED_DICT = Name("collections", "OrderedDict")
NAMESPACE = Name("argparse", "Namespace")


def encode(value):
    """The opcodes of a value, in protocol 2."""
    match value:
        case Raw():
            return value.code
        case Name():
            return b"c" + f"{value.module}\n{value.name}\n".encode()
        case Call():
            state = b"" if value.state is None else encode(value.state) + b"b"
            return encode(value.function) + encode(value.args) + b"R" + state
        case New():
            return encode(value.cls) + b")\x81" + (b"" if value.state is None else encode(value.state) + b"b")
        case Persistent():
            return encode(value.value) + b"Q"
        case str():
            text = value.encode()
            return b"X" + struct.pack("<I", len(text)) + text
        case list():
            return b"](" + b"".join(map(encode, value)) + b"e"
        case tuple():
            return b"(" + b"".join(map(encode, value)) + b"t"
        case dict():
            return b"}(" + b"".join(encode(key) + encode(item) for key, item in value.items()) + b"u"
    return pickle.dumps(value, protocol=2)[2:-1]  # None and numbers are one opcode


def pickled(value):
    return b"\x80\x02" + encode(value) + b"."


def ordered(items):
    """An OrderedDict as Python 3 writes it."""
    return Raw(encode(Call(ORDERED_DICT, ())) + (encode(items)[1:] if items else b""))


def module(name, parameters=None, buffers=None, modules=None, **attributes):
    """A torch.nn.Module of class `name`."""
    folder, cls = name.rsplit(".", 1)
    parts = {"_parameters": parameters, "_buffers": buffers, "_modules": modules}
    return New(Name(folder, cls), {**{key: ordered(part or {}) for key, part in parts.items()}, **attributes})


def unpickled(code):
    """The object of a pickle's bytes, in plain values and inert records."""
    return Unpickler(PickleStream(io.BytesIO(code))).load()


def sentence(code):
    """The one sentence that a pickle's bytes, or a value to pickle, ends in."""
    with pytest.raises(TorchFileError) as error:
        unpickled(code if isinstance(code, bytes) else pickled(code))
    assert "\n" not in str(error.value)
    return str(error.value)


class TorchFile:
    """Collects the storages of one file and writes it."""

    def __init__(self):
        self.storages = {}  # key: array of the raw numbers

    def storage(self, array, kind=None, location="cpu", key=None, view=None, numel=None):
        """A storage of the flat array's numbers."""
        key = str(len(self.storages)) if key is None else key
        self.storages[key] = np.ascontiguousarray(array).reshape(-1)
        kind = kind or KINDS[array.dtype.name]
        numel = self.storages[key].size if numel is None else numel
        return Persistent(("storage", Name("torch", kind), key, location, numel, view))

    def tensor(self, array, shape=None, strides=None, offset=0, storage=None, **options):
        """A tensor as PyTorch 0.4 and later writes it."""
        storage = storage or self.storage(array, **options)
        shape = array.shape if shape is None else shape
        strides = tuple(s // array.itemsize for s in array.strides) if strides is None else strides
        args = (storage, offset, shape, strides, False, ordered({}))
        return Call(Name("torch._utils", "_rebuild_tensor_v2"), args)

    def parameter(self, array, **options):
        """A parameter as PyTorch 1.0 and later writes it."""
        return Call(Name("torch._utils", "_rebuild_parameter"), (self.tensor(array, **options), True, ordered({})))

    def stream(self, root):
        """The bytes of PyTorch 0.3 to 1.5."""
        keys = sorted(self.storages)
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        parts = [pickled(value) for value in (STREAM_MAGIC, 1001, system, root, keys)]
        for key in keys:
            numbers = self.storages[key]
            parts += [struct.pack("<q", numbers.size), numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()]
        return b"".join(parts)

    def zip(self, root, byteorder="little", compression=zipfile.ZIP_STORED, extra=()):
        """The bytes of PyTorch 1.6 and later; `extra` files come first."""
        files = dict(extra)
        files |= {"archive/data.pkl": pickled(root)}
        if byteorder:
            files["archive/byteorder"] = byteorder.encode()
        for key, numbers in self.storages.items():
            order = ">" if byteorder == "big" else "<"
            files[f"archive/data/{key}"] = numbers.astype(numbers.dtype.newbyteorder(order)).tobytes()
        files["archive/version"] = b"3\n"
        return zipped(files, compression)

    def write(self, path, root, form):
        """Writes the file at path in form 'stream' or 'zip' and returns the path."""
        path.write_bytes(getattr(self, form)(root))
        return path


def zipped(files, compression=zipfile.ZIP_STORED):
    """A zip archive of {name: bytes} or [(name, bytes)]."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, content)
    return out.getvalue()


def small_checkpoint(file):
    """The root of a checkpoint with every kind of part, in a few small tensors, and its arrays by module and key."""
    rng = np.random.default_rng(0)
    weight, scale, mean, inputs = (
        rng.standard_normal(shape).astype(np.float32) for shape in [(2, 1, 2, 2), (2,), (2,), (4, 3)]
    )
    batches = np.array(7)
    encoder = module(
        "models.dcgan_64.encoder",
        modules={
            "c1": module(
                "torch.nn.modules.container.Sequential",
                modules={
                    "0": module(
                        "torch.nn.modules.conv.Conv2d",
                        parameters={"weight": file.parameter(weight), "bias": None},
                        stride=(2, 2),
                        _backend=Call(Name("torch.nn.backends.thnn", "_get_thnn_function_backend"), ()),
                    ),
                    "1": module(
                        "torch.nn.modules.batchnorm.BatchNorm2d",
                        parameters={"weight": file.parameter(scale)},
                        buffers={"running_mean": file.tensor(mean), "num_batches_tracked": file.tensor(batches)},
                        eps=1e-5,
                    ),
                },
            )
        },
        dim=128,
    )
    prior = module(
        "models.lstm.gaussian_lstm",
        parameters={"weight_ih": file.parameter(inputs, location="cuda:0")},
        hidden=[(file.tensor(mean), file.tensor(mean))],
    )
    options = New(
        NAMESPACE, {"g_dim": 128, "beta": 1e-4, "model": "dcgan", "optimizer": Name("torch.optim.adam", "Adam")}
    )
    arrays = {
        "encoder": {
            "c1.0.weight": weight,
            "c1.1.weight": scale,
            "c1.1.running_mean": mean,
            "c1.1.num_batches_tracked": batches,
        },
        "prior": {"weight_ih": inputs},
    }
    return {"encoder": encoder, "prior": prior, "opt": options}, arrays


def assert_same(found, expected):
    """Two state dictionaries have the same keys in the same order, dtypes, shapes and numbers."""
    assert list(found) == list(expected)
    for key, array in expected.items():
        assert found[key].dtype == array.dtype and found[key].shape == array.shape
        np.testing.assert_array_equal(found[key], array)
