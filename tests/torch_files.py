"""Write files in the formats of torch.save from NumPy arrays, without PyTorch: intact ones and hostile ones."""

import io
import pickle
import struct
import zipfile
from collections import namedtuple

import numpy as np

STREAM_MAGIC = 0x1950A86A20F9469CFC6C
KINDS = {
    "float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage",
    "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage", "uint8": "ByteStorage",
    "bool": "BoolStorage",
}  # fmt: skip

Name = namedtuple("Name", "module name")  # a class or function
Call = namedtuple("Call", "function args state", defaults=[None])  # function(*args), then its state if there is one
New = namedtuple("New", "cls state", defaults=[None])  # an object of a class with its state
Persistent = namedtuple("Persistent", "value")  # a persistent id
Raw = namedtuple("Raw", "code")  # opcodes

ORDERED_DICT = Name("collections", "OrderedDict")
NAMESPACE = Name("argparse", "Namespace")


def encode(value):
    """Return the opcodes of a value, in protocol 2."""
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
    return pickle.dumps(value, protocol=2)[2:-1]


def pickled(value):
    return b"\x80\x02" + encode(value) + b"."


def ordered(items):
    """Return an OrderedDict as Python 3 writes it."""
    return Raw(encode(Call(ORDERED_DICT, ())) + (encode(items)[1:] if items else b""))


def module(name, parameters=None, buffers=None, modules=None, **attributes):
    """Return a torch.nn.Module of class `name`."""
    folder, cls = name.rsplit(".", 1)
    parts = {"_parameters": parameters, "_buffers": buffers, "_modules": modules}
    return New(Name(folder, cls), {**{key: ordered(part or {}) for key, part in parts.items()}, **attributes})


class TorchFile:
    """Collects the storages of one file and writes it."""

    def __init__(self):
        self.storages = {}

    def storage(self, array, location="cpu", numel=None):
        key = str(len(self.storages))
        self.storages[key] = np.ascontiguousarray(array).reshape(-1)
        numel = self.storages[key].size if numel is None else numel
        return Persistent(("storage", Name("torch", KINDS[array.dtype.name]), key, location, numel, None))

    def tensor(self, array, shape=None, strides=None, offset=0, storage=None, **options):
        """Return a tensor as PyTorch 0.4 and later writes it."""
        storage = storage or self.storage(array, **options)
        shape = array.shape if shape is None else shape
        strides = tuple(s // array.itemsize for s in array.strides) if strides is None else strides
        args = (storage, offset, shape, strides, False, ordered({}))
        return Call(Name("torch._utils", "_rebuild_tensor_v2"), args)

    def parameter(self, array, **options):
        """Return a parameter as PyTorch 1.0 and later writes it."""
        return Call(Name("torch._utils", "_rebuild_parameter"), (self.tensor(array, **options), True, ordered({})))

    def stream(self, root):
        """Return the bytes of PyTorch 0.3 to 1.5."""
        keys = sorted(self.storages)
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        parts = [pickled(value) for value in (STREAM_MAGIC, 1001, system, root, keys)]
        for key in keys:
            numbers = self.storages[key]
            parts += [struct.pack("<q", numbers.size), numbers.tobytes()]
        return b"".join(parts)

    def zip(self, root):
        """Return the bytes of PyTorch 1.6 and later."""
        members = {"archive/data.pkl": pickled(root), "archive/version": b"3\n", "archive/byteorder": b"little"}
        members |= {f"archive/data/{key}": numbers.tobytes() for key, numbers in self.storages.items()}
        return zipped(members)

    def write(self, path, root, form):
        """Write the file in form 'stream' or 'zip' and return its path."""
        path.write_bytes(getattr(self, form)(root))
        return path


def zipped(members, compression=zipfile.ZIP_STORED):
    """Return a zip archive of {name: bytes}."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def small_checkpoint(file):
    """Return the root of a checkpoint with every kind of part, and what `read` should return for it."""
    rng = np.random.default_rng(0)
    weight, scale, mean, inputs = (
        rng.standard_normal(shape).astype(np.float32) for shape in [(2, 1, 2, 2), (2,), (2,), (4, 3)]
    )
    batches = np.array(7)
    conv = module(
        "torch.nn.modules.conv.Conv2d",
        parameters={"weight": file.parameter(weight), "bias": None},
        _backend=Call(Name("torch.nn.backends.thnn", "_get_thnn_function_backend"), ()),
    )
    norm = module(
        "torch.nn.modules.batchnorm.BatchNorm2d",
        parameters={"weight": file.parameter(scale)},
        buffers={"running_mean": file.tensor(mean), "num_batches_tracked": file.tensor(batches)},
    )
    sequential = module("torch.nn.modules.container.Sequential", modules={"0": conv, "1": norm})
    encoder = module("models.dcgan_64.encoder", modules={"c1": sequential}, dim=128)
    weights = {"weight_ih": file.parameter(inputs, location="cuda:0")}
    prior = module("models.lstm.gaussian_lstm", weights, hidden=[(file.tensor(mean), file.tensor(mean))])
    options = {"g_dim": 128, "beta": 1e-4, "model": "dcgan", "optimizer": Name("torch.optim.adam", "Adam")}
    expected_encoder = {"c1.0.weight": weight, "c1.1.weight": scale, "c1.1.running_mean": mean}
    expected = {
        "encoder": {**expected_encoder, "c1.1.num_batches_tracked": batches},
        "prior": {"weight_ih": inputs},
        "opt": {**options, "optimizer": "<class>"},
    }
    return {"encoder": encoder, "prior": prior, "opt": New(NAMESPACE, options)}, expected


def assert_same(found, expected):
    """Assert that two trees have the same keys in the same order, dtypes, shapes and numbers."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype and found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected
