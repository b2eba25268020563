import numpy as np
import pytest
import tensorflow as tf
import tflite_models

from svg_tf import noise
from svg_tf.tflite import module as tflite_module
from svg_tf.tflite.calibration import examples


@pytest.mark.parametrize("changes", [{}, {"prior": "none"}], ids=str)
def test_the_examples_are_the_inputs_along_the_models_own_futures(changes, small, trained_statistics, clips):
    model = tflite_models.make(small, trained_statistics, **changes)
    functions = tflite_module.signatures(model, 3, looped=True)
    past = model.config.n_past - 1
    contexts = clips(model.config, 2, frames=model.config.n_past) / np.float32(255)
    eps = noise.rollout_noise(tf.constant([[1], [2]], tf.int64), past + 3, model.config.z_dim).numpy()[:, 0]
    eps = eps.transpose(1, 0, 2)
    made = list(examples(functions, ["observe", "step"], contexts, eps))
    assert [name for name, _ in made] == ["observe", "step", "step", "step"] * 2
    for name, inputs in made:
        specs = functions[name].structured_input_signature[1]
        assert {key: value.shape for key, value in inputs.items()} == {key: tuple(s.shape) for key, s in specs.items()}
    _, first = made[4]
    np.testing.assert_array_equal(first["context"][0], contexts[1])
    for (_, before), (_, after) in zip(made[5:7], made[6:8], strict=True):
        expected = functions["step"](**before)
        np.testing.assert_allclose(after["h"], expected["h"], atol=1e-6)
        np.testing.assert_allclose(after["predictor_1_cell"], expected["predictor_1_cell"], atol=1e-6)
    if model.has_latent:
        np.testing.assert_array_equal(made[6][1]["eps"][0], eps[1, past + 1])
    whole = list(examples(functions, ["rollout"], contexts, eps))
    assert [name for name, _ in whole] == ["rollout"] * 2 and ("eps" in whole[0][1]) == model.has_latent
