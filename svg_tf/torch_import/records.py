"""What a checkpoint's pickle turns into: inert records that hold plain data and do nothing."""

import dataclasses
import math
from typing import Literal

import numpy as np

from svg_tf.torch_import.unpickler import TorchFileError

_MAX_DIMENSIONS = 16
# NumPy refuses an empty array whose other dimensions are too large for its address space.
_MAX_EMPTY_EXTENT = 2**31

# PyTorch's storage class to the NumPy type of its bytes; bfloat16 is unknown to NumPy and kept as its 16 bits.
STORAGE_DTYPES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype("f8"),
    "FloatStorage": np.dtype("f4"),
    "HalfStorage": np.dtype("f2"),
    "BFloat16Storage": np.dtype("u2"),
    "LongStorage": np.dtype("i8"),
    "IntStorage": np.dtype("i4"),
    "ShortStorage": np.dtype("i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("u1"),
}


def quoted(text: object) -> str:
    """Text out of the file for a message: one line of ASCII, shortened."""
    text = str(text)
    return ascii(text if len(text) <= 80 else text[:77] + "...")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Global:
    """The name of a class or a function, which is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """The numbers behind one or more tensors: elements start to start + length of the file's storage `key`."""

    kind: str
    key: str
    numel: int
    start: int
    length: int

    @property
    def nbytes(self) -> int:
        """Bytes of the whole storage in the file."""
        return self.numel * STORAGE_DTYPES[self.kind].itemsize

    def array(self, data: bytes, byteorder: Literal["<", ">"]) -> np.ndarray:
        """The whole storage as a read-only array [numel] in this machine's byte order; bfloat16 becomes float32.

        Args:
            data: `nbytes` bytes.
            byteorder: "<" or ">", that of `data`.
        """
        dtype = STORAGE_DTYPES[self.kind]
        array = np.frombuffer(data, dtype.newbyteorder(byteorder)).astype(dtype, copy=False)
        if self.kind == "BFloat16Storage":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        elif self.kind == "BoolStorage":
            array = array != 0
        array.flags.writeable = False
        return array


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A strided view of a storage, in elements.

    Raises:
        TorchFileError: the shape, strides or offset do not fit the storage.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.shape) > _MAX_DIMENSIONS or len(self.strides) != len(self.shape):
            raise TorchFileError(
                f"the tensor of storage {quoted(self.storage.key)} has {len(self.shape)} dimensions and "
                f"{len(self.strides)} strides"
            )
        if min((self.offset, *self.shape, *self.strides)) < 0:
            raise self._misfit("has a negative offset, shape or stride")
        if 0 in self.shape:
            if math.prod(max(n, 1) for n in self.shape) > _MAX_EMPTY_EXTENT:
                raise self._misfit("is too large")
            return
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        # An expanded tensor (stride 0) repeats elements without end, and no weight is one.
        if last >= self.storage.length or math.prod(self.shape) > self.storage.length:
            raise self._misfit("does not fit")

    def _misfit(self, what: str) -> TorchFileError:
        return TorchFileError(
            f"the tensor of shape {quoted(self.shape)}, strides {quoted(self.strides)} and offset "
            f"{quoted(self.offset)} {what} in storage {quoted(self.storage.key)} of {self.storage.length} elements"
        )

    def array(self, storage_array: np.ndarray) -> np.ndarray:
        """The tensor as a view of `storage.array(...)`."""
        if 0 in self.shape:
            return np.empty(self.shape, storage_array.dtype)
        size = storage_array.itemsize
        # A dimension of one element may carry any stride, too large for NumPy at worst.
        strides = [size * stride if n > 1 else 0 for n, stride in zip(self.shape, self.strides, strict=True)]
        start = size * (self.storage.start + self.offset)
        return np.ndarray(self.shape, storage_array.dtype, storage_array, start, strides)


@dataclasses.dataclass(slots=True, eq=False)
class Module:
    """A torch.nn.Module: its class and, once built, its attributes."""

    class_name: str
    state: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True, eq=False)
class Namespace:
    """An argparse.Namespace: once built, its attributes."""

    state: dict = dataclasses.field(default_factory=dict)
