"""Tensors are views inside their storage, or they are refused."""

import numpy as np
import pytest

from svg_tf.torch_import.records import Storage, Tensor, TorchFileError, quoted


def floats(length=6, start=0):
    return Storage("FloatStorage", "7", start + length, start, length)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (6,), (1,)), (0, (2, 3), (3, 1)), (0, (3, 2), (1, 3)), (5, (), ()), (1, (2, 2), (3, 1)), (0, (3,), (2,))],
)
@pytest.mark.parametrize("start", [0, 4])
def test_a_tensor_is_the_strided_view_of_its_storage(offset, shape, strides, start):
    data = np.arange(start + 6, dtype=np.float32)
    storage = floats(start=start)
    array = Tensor(storage, offset, shape, strides).array(storage.array(data.tobytes(), "<"))
    assert array.shape == shape and array.dtype == np.float32
    for index in np.ndindex(shape):
        assert array[index] == start + offset + np.dot(index, strides)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (6, (), ()),
        (2**80, (), ()),
        (0, (2, 3), (4, 1)),
        (0, (2, 2**62), (1, 0)),
        (0, (7,), (0,)),
        (0, (1000, 1000), (0, 0)),
        (0, (2,), (2**70,)),
        (-1, (2,), (1,)),
        (5, (6,), (-1,)),
        (0, (-2,), (1,)),
        (0, (-2, -3), (3, 1)),
        (0, (0, 2**62), (1, 1)),
        (0, (0, -1), (1, 1)),
    ],
)
def test_a_shape_that_does_not_fit_its_storage_is_told(offset, shape, strides):
    with pytest.raises(TorchFileError) as error:
        Tensor(floats(), offset, shape, strides)
    assert "storage '7' of 6 elements" in str(error.value) and ascii(str(shape)) in str(error.value)


@pytest.mark.parametrize(("shape", "strides"), [((2, 3), (1,)), ((), (1,)), ((1,) * 17, (1,) * 17)])
def test_dimensions_that_do_not_match_are_told(shape, strides):
    with pytest.raises(TorchFileError, match="the tensor of storage '7' has"):
        Tensor(floats(), 0, shape, strides)


def test_a_view_of_a_storage_ends_where_the_view_does():
    view = Storage("FloatStorage", "7", 100, 10, 5)
    assert view.nbytes == 400
    Tensor(view, 4, (1,), (1,))
    with pytest.raises(TorchFileError):
        Tensor(view, 4, (2,), (1,))


def test_an_empty_storage_is_an_empty_array():
    storage = floats(0)
    array = Tensor(storage, 0, (0, 3), (3, 1)).array(storage.array(b"", "<"))
    assert array.shape == (0, 3) and array.dtype == np.float32


def test_a_storages_array_has_this_machines_byte_order():
    numbers = np.array([1, 2, 3, 4, 5, 6], np.float32)
    for order in "<>":
        array = floats().array(numbers.astype(f"{order}f4").tobytes(), order)
        assert array.dtype.isnative and not array.flags.writeable
        np.testing.assert_array_equal(array, numbers)


def test_text_of_the_file_is_one_short_line_in_messages():
    assert quoted("a\nb\x1b\u202e") == r"'a\nb\x1b\u202e'"
    assert len(quoted("x" * 10**6)) == 82
