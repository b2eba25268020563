"""TensorFlow's converter, in a process of its own; see `tflite_conversion`.

python tflite_converter.py SAVED_MODEL VARIANT CALIBRATION OUT NAME [NAME ...]
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from svg_tf.tflite.calibration import examples


def main(saved_model: str, variant: str, calibration: str, out: str, *names: str) -> None:
    """Converts the named signatures of a SavedModel and writes the file.

    Args:
        saved_model: folder of the SavedModel.
        variant: float32, float16, dynamic_int8 or int8.
        calibration: an npz of contexts and eps, see `tflite_calibration.examples`; for int8 alone.
        out: the file to write.
        names: the signatures.
    """
    # `from_concrete_functions` would name every function serving_default.
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=list(names))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        functions = tf.saved_model.load(saved_model).signatures
        with np.load(calibration) as arrays:
            contexts, eps = arrays["contexts"], arrays["eps"]
        converter.representative_dataset = lambda: examples(functions, list(names), contexts, eps)
    content = converter.convert()
    with open(out, "wb") as file:
        file.write(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
