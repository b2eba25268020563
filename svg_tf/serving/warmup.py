"""Requests that a server runs while it loads a model, so that the first client does not wait for lazy work.

`assets.extra/tf_serving_warmup_requests` is a TFRecord file of `tensorflow.serving.PredictionLog` messages. They are
encoded here, in 20 lines, so that an export does not need the package tensorflow-serving-api.
"""

import numpy as np
import tensorflow as tf

from svg_tf.serving.saving import Signatures, inputs_of

FILE = "tf_serving_warmup_requests"


def write(path: str, signatures: Signatures, model_name: str) -> None:
    """Write the smallest request of each signature: one black context, one future, one frame where T is free."""
    image = inputs_of(signatures["future"])["context"].shape[2:]
    with tf.io.TFRecordWriter(path) as writer:
        for name, function in signatures.items():
            inputs = {key: _smallest(key, spec, image) for key, spec in inputs_of(function).items()}
            writer.write(_prediction_log(model_name, name, inputs))


def _smallest(name: str, spec: tf.TensorSpec, image: tf.TensorShape) -> np.ndarray:
    shape = [size or 1 for size in spec.shape]
    if name == "context_bytes":
        return np.full(shape, tf.io.encode_png(np.zeros(image, np.uint8)).numpy(), object)
    return np.full(shape, 1 if name == "horizon" else 0, spec.dtype.as_numpy_dtype)


def _prediction_log(model_name: str, signature: str, inputs: dict[str, np.ndarray]) -> bytes:
    """Encode PredictionLog.predict_log (6) .request (1): model_spec (1: name 1, signature_name 3), inputs (2)."""
    request = _field(1, _field(1, model_name.encode()) + _field(3, signature.encode()))
    for name, value in inputs.items():
        request += _field(2, _field(1, name.encode()) + _field(2, tf.make_tensor_proto(value).SerializeToString()))
    return _field(6, _field(1, request))


def _field(number: int, data: bytes) -> bytes:
    """Encode one length-delimited field of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Encode seven bits a byte, lowest first; the eighth bit is set on all but the last byte."""
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])
