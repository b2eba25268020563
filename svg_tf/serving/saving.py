"""Writes a SavedModel that runs in C++: TensorFlow Serving's loader and the TFLite converter can read its weights."""

import tensorflow as tf
from absl import logging

from svg_tf.models.svg import SVG

Signatures = dict[str, tf.types.experimental.ConcreteFunction]


class _Weights(tf.Module):
    """Owns the variables, so that each is saved once.

    The Keras model must not be an attribute. Keras would save a second variable for each of its own, while the traced
    functions read the first, and a loader that restores variables by name would find the first uninitialized.
    """

    def __init__(self, model: SVG):
        super().__init__(name="svg_tf")
        self.weights = [weight.value for weight in model.weights]


def save(model: SVG, signatures: Signatures, folder: str) -> None:
    """Write a SavedModel with these signatures and one copy of the model's weights."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # TensorFlow logs every step of saving
    try:
        # Gradients are not needed, and the layers' custom ones would be traced for every signature.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(_Weights(model), folder, signatures, options)
    finally:
        logging.set_verbosity(verbosity)


def inputs_of(function: tf.types.experimental.ConcreteFunction) -> dict[str, tf.TensorSpec]:
    """Return the inputs of a signature by name."""
    return {spec.name: spec for spec in tf.nest.flatten(function.structured_input_signature)}
