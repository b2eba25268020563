import keras
import pytest
import tensorflow as tf
import tflite_models

from svg_tf.tflite import contents as tflite_contents
from svg_tf.tflite import converter as tflite_converter
from svg_tf.tflite.contents import Contents

KERNELS = [1_000_000, 1_000]


def _fault(constant_bytes, variant="float32", operations=("CONV_2D", "ADD")):
    return tflite_contents.fault(Contents(frozenset(operations), constant_bytes), variant, KERNELS)


def test_constants_are_as_many_as_the_weights():
    for variant, size in (("float32", 4_004_000), ("float16", 2_002_000), ("dynamic_int8", 1_004_000)):
        assert _fault(size, variant) is None
    assert "some are missing" in _fault(86_000)
    assert "are there twice" in _fault(8_008_000)
    assert "not quantised" in _fault(4_004_000, "int8")


def test_variables_and_operations_that_are_not_built_in_are_refused():
    assert "weights are variables without values" in _fault(4_004_000, operations=("VAR_HANDLE", "ADD"))
    assert "weights are variables without values" in _fault(4_004_000, operations=("READ_VARIABLE", "ADD"))
    assert "CUSTOM FlexAddV2, which is not built in" in _fault(4_004_000, operations=("CUSTOM FlexAddV2",))


@tflite_models.needs_interpreter
def test_a_file_that_is_none_is_told(tmp_path):
    for content in (b"", b"what?", b"\x20\0\0\0TFL4" + bytes(64)):
        (tmp_path / "a.tflite").write_bytes(content)
        with pytest.raises(ValueError, match="no TFLite file"):
            tflite_contents.read(str(tmp_path / "a.tflite"))


@tflite_models.needs_interpreter
def test_a_module_that_holds_the_keras_model_is_refused(tmp_path):
    # The converter takes it without an error and leaves the weights out.
    class Holder(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = keras.Sequential([keras.Input([256]), keras.layers.Dense(512)])
            self.step = tf.function(
                lambda x: {"y": self.model(x)}, input_signature=[tf.TensorSpec([1, 256], name="x")]
            )

    holder = Holder()
    tf.saved_model.save(holder, str(tmp_path / "saved"), {"step": holder.step.get_concrete_function()})
    out = str(tmp_path / "out.tflite")
    tflite_converter.main(str(tmp_path / "saved"), "float32", "", out, "step")
    assert tflite_contents.fault(tflite_contents.read(out), "float32", [256 * 512]) is not None
    contents = tflite_contents.read(out)
    assert contents.constant_bytes < 256 * 512 or "VAR_HANDLE" in contents.operations


def test_the_posterior_counts_only_where_the_context_has_more_than_one_frame(small, trained_statistics):
    model = tflite_models.make(small, trained_statistics)
    sizes = tflite_contents.kernel_sizes(model)
    assert model.posterior is not None
    posterior = [w for w in model.posterior.weights if len(w.shape) > 1]
    single = tflite_contents.kernel_sizes(tflite_models.make(small, trained_statistics, n_past=1))
    assert len(sizes) - len(single) == len(posterior)
