"""Requests that a server runs while it loads a model, so that the first client does not wait for what is lazy.

`assets.extra/tf_serving_warmup_requests` is a TFRecord file of `tensorflow.serving.PredictionLog` messages. They are
written in protocol buffers' wire format, so that an export does not need the server's Python package.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.serving import wire
from svg_tf.serving.signatures import Signatures, inputs_of

FILE = "tf_serving_warmup_requests"


def write(path: str, config: Config, signatures: Signatures, model_name: str) -> None:
    """Writes one request for each signature."""
    with tf.io.TFRecordWriter(path) as writer:
        for name, inputs in examples(config, signatures):
            writer.write(prediction_log(model_name, name, inputs))


def examples(config: Config, signatures: Signatures) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The smallest request of every signature: a black context, one sample, one frame where it can be asked for."""
    for name, function in signatures.items():
        yield name, {key: _smallest(key, spec, config) for key, spec in inputs_of(function).items()}


def _smallest(name: str, spec: tf.TensorSpec, config: Config) -> np.ndarray:
    shape = [size or 1 for size in spec.shape]
    if name == "eps" and spec.shape[2] is None:
        shape[2] = config.n_past
    if name == "context_bytes":
        black = np.zeros([config.image_width, config.image_width, config.channels], np.uint8)
        return np.full(shape, tf.io.encode_png(black).numpy(), object)
    return np.full(shape, 1 if name == "horizon" else 0, spec.dtype.as_numpy_dtype)


def prediction_log(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """A request as the server logs it: PredictionLog.predict_log (6) . request (1)."""
    return wire.field(6, wire.field(1, predict_request(model_name, signature, inputs)))


def predict_request(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """PredictRequest: model_spec (1; its name 1, signature_name 3) and inputs (2), a map of TensorProto."""
    message = wire.field(1, wire.field(1, model_name) + wire.field(3, signature))
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        message += wire.field(2, wire.field(1, name) + wire.field(2, tensor))
    return message
