import pytest
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from svg_tf.serving import wire


def test_messages_are_read_as_the_library_wrote_them():
    info = TensorInfo(name="a:0", dtype=1)
    info.tensor_shape.dim.add(size=-1)
    info.tensor_shape.dim.add(size=300)
    data = SignatureDef(inputs={"x": info, "": TensorInfo()}, method_name="predict").SerializeToString()
    assert wire.values(data, 3) == [b"predict"]
    inputs = wire.entries(data, 1)
    assert set(inputs) == {"x", ""}
    content = dict(wire.fields(inputs["x"]))
    assert content[1] == b"a:0" and content[2] == 1
    sizes = [dict(wire.fields(size))[1] for size in wire.values(content[3], 2)]
    assert sizes == [2**64 - 1, 300]


def test_messages_are_written_as_the_library_reads_them():
    dimensions = b"".join(
        wire.field(2, wire.field(1, size) + wire.field(2, "n" * size)) for size in (0, 1, 127, 128, 300)
    )
    shape = TensorShapeProto.FromString(dimensions)
    assert [(dim.size, len(dim.name)) for dim in shape.dim] == [(size, size) for size in (0, 1, 127, 128, 300)]


def test_fixed_width_fields_are_passed_over():
    data = b"\x09" + bytes(8) + b"\x15" + bytes(4) + wire.field(3, 7)
    assert [number for number, _ in wire.fields(data)] == [1, 2, 3] and wire.values(data, 3) == [7]


@pytest.mark.parametrize("data", [b"\x0a\x05abc", b"\x08", b"\x08" + b"\xff" * 12, b"\x0b"])
def test_what_is_no_message_is_told(data):
    with pytest.raises(ValueError, match="cut short, or is none"):
        list(wire.fields(data))
