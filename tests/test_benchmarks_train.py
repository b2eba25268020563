"""The plain forms that the benchmarks compare with compute the same; the benchmarks count what they time."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import flops, generate, plain, timing, train
from svg_tf.models.svg import SVG


def _outputs(model, frames, noise, training=False):
    outputs = model(frames, noise=noise, training=training)
    return {name: tf.nest.flatten(tensor) for name, tensor in outputs._asdict().items() if tensor is not None}


def _assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensors in expected.items():
        for one, other in zip(found[name], tensors, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("backbone", ["dcgan", "vgg"])
@pytest.mark.parametrize("kind", [{}, {"prior": "none"}, {"skip_frame": "every"}, {"skip_frame": "original"}], ids=str)
def test_the_plain_forms_give_the_models_own_outputs(small, clips, trained_statistics, backbone, kind):
    config = small(backbone=backbone, **kind)
    frames = clips(config)
    noise = np.random.default_rng(0).standard_normal([config.n_frames - 1, 2, config.z_dim]).astype(np.float32)
    expected = _outputs(trained_statistics(SVG(config)), frames, noise)
    _assert_equal(_outputs(plain.concatenate_skips(trained_statistics(SVG(config))), frames, noise), expected)
    _assert_equal(_outputs(trained_statistics(plain.FrameByFrame(config)), frames, noise), expected)


def test_keras_batch_normalisation_is_ours_in_training_too(small, clips, trained_statistics):
    config = small()
    models = [trained_statistics(SVG(config)), plain.keras_batch_norm(trained_statistics(SVG(config)))]
    _assert_equal(*[_outputs(model, clips(config), None, training=True) for model in models])


def test_flops_are_those_of_convolutions_and_products_forward_and_backward():
    maps, kernel, matrix = tf.ones([2, 8, 8, 3]), tf.ones([3, 3, 3, 5]), tf.ones([7, 4])

    @tf.function
    def function(maps, kernel, matrix):
        with tf.GradientTape() as tape:
            tape.watch([maps, kernel])
            total = tf.reduce_sum(tf.nn.conv2d(maps, kernel, 2, "SAME"))
        return tape.gradient(total, [maps, kernel]), matrix @ tf.transpose(matrix)

    convolution = 2 * (2 * 4 * 4 * 5) * (3 * 3 * 3)
    graph = function.get_concrete_function(maps, kernel, matrix).graph
    assert flops.count(graph) == 3 * convolution + 2 * 7 * 7 * 4


def test_a_transposed_convolution_counts_as_the_convolution_that_it_turns_round():
    @tf.function
    def function(maps, kernel):
        return tf.nn.conv2d_transpose(maps, kernel, [2, 8, 8, 5], 2, "SAME")

    graph = function.get_concrete_function(tf.ones([2, 4, 4, 3]), tf.ones([4, 4, 5, 3])).graph
    assert flops.count(graph) == 2 * (2 * 4 * 4 * 3) * (4 * 4 * 5)


def test_what_is_timed_runs_in_turns_and_the_first_run_is_not_counted():
    calls = []
    runs = {name: lambda name=name: calls.append(name) for name in ("a", "b")}
    taken = timing.in_turns(runs, 0.01)
    assert calls[:6] == ["a", "b", "a", "b", "a", "b"] and set(taken) == {"a", "b"}
    assert all(duration >= 0 for duration in taken.values())


@pytest.mark.slow
def test_every_form_of_a_training_step_is_measured(small, monkeypatch):
    config = small(batch_size=2)
    monkeypatch.setattr(train.process_memory, "of_training", lambda config: 12_345)
    monkeypatch.setattr(timing, "product_rate", lambda seconds: 1e9)
    results = train.measure(config, 0.05)
    for name in ("as it is", "skips concatenated", "frame by frame", "all of these", "compiled by XLA"):
        form = results["forms"][name]
        assert form["clips_per_second"] == pytest.approx(2 / form["step_seconds"])
        assert form["frames_per_second"] == pytest.approx(2 * config.n_frames / form["step_seconds"])
        assert form["first_step_seconds"] > 0
    whole = results["forms"]["as it is"]
    assert whole["speedup_of_as_it_is"] == 1
    assert whole["share_of_product_rate"] == pytest.approx(results["flops"] / whole["step_seconds"] / 1e9)
    assert results["peak_bytes"] == 12_345


def test_every_form_of_generation_is_measured(small):
    results = generate.measure(small(), 0.05)
    assert results["samples"] == 100 and results["frames"] == 6
    assert results["forms"]["as it is"]["speedup_of_as_it_is"] == 1
    assert results["forms"]["a loop over samples and frames"]["frames_per_second"] > 0


def test_the_pytorch_model_has_the_sizes_of_ours(small):
    torch_model = pytest.importorskip("benchmarks.torch_model", reason="PyTorch is not installed")
    for backbone in ("dcgan", "vgg"):
        config = small(backbone=backbone, image_width=64)
        theirs = torch_model.TorchSVG(vars(config))
        lstm_layers = config.predictor_layers + config.posterior_layers + config.prior_layers
        ours = sum(np.prod(v.shape) for v in SVG(config).trainable_variables)
        count = sum(parameter.numel() for parameter in theirs.parameters())
        assert count == ours + lstm_layers * 4 * config.rnn_size  # a second bias in each LSTM cell
        clips = np.random.default_rng(0).integers(0, 256, [2, config.n_frames, 64, 64, 1], np.uint8)
        assert np.isfinite(float(theirs.train_step(torch_model.to_torch(clips))))
