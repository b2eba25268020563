"""Writes a SavedModel that runs in C++: TensorFlow Serving's loader and the TFLite converter can read its weights."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
from absl import logging

from svg_tf.models.svg import SVG

Signatures = dict[str, tf.types.experimental.ConcreteFunction]


def save(model: SVG, signatures: Signatures, folder: str) -> None:
    """Write a SavedModel with these signatures and one copy of the model's weights."""
    # The Keras model must not be an attribute. Keras would save a second variable for each of its own, while the traced
    # functions read the first, and a loader that restores variables by name would find the first uninitialized.
    module = tf.Module(name="svg_tf")
    module.weights = [weight.value for weight in model.weights]
    # Gradients are not needed, and the layers' custom ones would be traced for every signature.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with quiet():
        tf.saved_model.save(module, folder, signatures, options)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide TensorFlow's messages about saving and loading, below errors."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def inputs_of(function: tf.types.experimental.ConcreteFunction) -> dict[str, tf.TensorSpec]:
    """Return the inputs of a signature by name."""
    return {spec.name: spec for spec in tf.nest.flatten(function.structured_input_signature)}


def float32_copy(model: SVG, unroll: bool = False) -> SVG:
    """Return a copy of a model that computes in float32, as servers and TFLite files do.

    `unroll` unrolls the LSTM layers over the context, which makes a smaller and faster TFLite file.
    """
    copy = type(model).from_config({**model.get_config(), "dtype": "float32"})
    copy.set_weights(model.get_weights())
    for network in filter(None, (copy.frame_predictor, copy.posterior, copy.prior)):
        for cell in network.cells:
            cell.unroll = unroll
    return copy
