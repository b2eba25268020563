"""SVG as a Keras model: configuration, files, fit, callbacks."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import svg_tf
from svg_tf.models import batch_norm, dcgan, layers, lstm, skips, vgg
from svg_tf.models.svg import SVG
from svg_tf.training import schedules


@pytest.fixture
def trained(tiny, frames):
    """A model after two epochs with a learning-rate and a beta schedule."""
    model = tiny()
    rate = schedules.LearningRate(2e-3, "cosine", 1, 10)
    model.compile(keras.optimizers.Adam(rate), beta=schedules.Schedule(1e-3, "linear", 4), metrics=["mse"])
    model.fit(frames(model, batch=4), batch_size=2, epochs=2, verbose=0)
    return model


def test_a_keras_file_restores_the_futures_and_the_training(trained, frames, tmp_path):
    path = str(tmp_path / "model.keras")
    trained.save(path)
    loaded = keras.models.load_model(path)
    clips = frames(trained)
    np.testing.assert_array_equal(trained.generate(clips[:, :3], 4, 2), loaded.generate(clips[:, :3], 4, 2))
    assert loaded.get_config() == trained.get_config()
    for one, other in zip(trained.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    logs = [model.fit(clips, epochs=2, shuffle=False, verbose=0).history for model in (trained, loaded)]
    assert logs[0] == logs[1]


def test_a_clone_has_the_configuration_and_weights_files_carry_the_weights(trained, frames, tmp_path):
    clone = keras.models.clone_model(trained)
    assert isinstance(clone, SVG) and clone.get_config() == trained.get_config()
    path = str(tmp_path / "model.weights.h5")
    trained.save_weights(path)
    clone.load_weights(path)
    context = frames(trained)[:, :3]
    np.testing.assert_array_equal(clone.generate(context, 3), trained.generate(context, 3))


def test_summary_counts_the_networks(tiny, capsys):
    tiny().summary()
    printed = capsys.readouterr().out
    assert "encoder" in printed and "frame_predictor" in printed and "Total params" in printed


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.ConvBlock(4, 3, 1, seed=3),
        lambda: layers.CodeHead(6, seed=3),
        lambda: layers.CodeStem(6, seed=3),
        lambda: layers.PixelConv(2),
        lambda: skips.SkipConv("transposed", 4, seed=3),
        lambda: batch_norm.BatchNorm(seed=3),
        lambda: lstm.LSTM(5, seed=3),
        lambda: lstm.GaussianLSTM(2, 5, 2, seed=3),
        lambda: lstm.FramePredictor(6, 2, 5, 2, seed=3),
        lambda: lstm.ConvLSTM(5, seed=3),
        lambda: lstm.FramePredictor(6, 2, 5, 2, maps=True, seed=3),
        lambda: dcgan.Encoder(32, 6, 4, seed=3),
        lambda: dcgan.Decoder(32, 3, 4, remat=True, seed=3),
        lambda: vgg.Encoder(32, 6, 4, seed=3),
        lambda: vgg.Decoder(32, 3, 4, seed=3, dtype="mixed_bfloat16"),
        lambda: schedules.LearningRate(1e-3, "cosine", 5, 50),
        lambda: schedules.Schedule(1e-4, "cyclical", 0, 50, 2),
    ],
)
def test_layers_and_schedules_round_trip_through_their_configuration(make):
    original = make()
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(original))
    assert type(copy) is type(original) and copy.get_config() == original.get_config()


@pytest.mark.parametrize("form", ["uint8", "float32", "ragged last batch"])
def test_fit_takes_any_dataset_of_clips(tiny, frames, form):
    model = tiny()
    model.compile("adam")
    clips = frames(model, batch=5)
    data = np.float32(clips) / 255 if form == "float32" else clips
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(2, drop_remainder=form != "ragged last batch")
    history = model.fit(dataset, epochs=1, validation_data=dataset, verbose=0).history
    assert np.isfinite(history["val_loss"][0]) and set(history) >= {"loss", "kl", "reconstruction_loss"}


def test_wrong_clips_are_refused_and_right_ones_are_trained_afterwards(tiny, frames):
    model = tiny()
    model.compile("adam")
    clips, before = frames(model), model.trainable_variables[0].numpy()
    for wrong in (clips[..., 0], clips[0], np.repeat(clips, 3, axis=-1), clips[:, :, ::2, ::2], clips[:, :1]):
        with pytest.raises(ValueError, match=r"The shape of frames is .*; this model takes \[B, T, 32, 32, 1\]"):
            model.fit(wrong, verbose=0)
    with pytest.raises(ValueError, match=r"The dtype of frames is int64; use uint8, or float32 in \[0, 1\]"):
        model.fit(np.int64(clips), verbose=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="divide pixels by 255"):
        model.fit(np.float32(clips), verbose=0)
    np.testing.assert_array_equal(model.trainable_variables[0], before)
    model.fit(np.float64(clips) / 255, batch_size=64, verbose=0)
    assert not np.array_equal(model.trainable_variables[0], before)


def test_predict_joins_batches_along_the_batch_dimension(lively, frames):
    model = lively()
    clips = frames(model, batch=5)
    predictions = model.predict(clips, batch_size=2, verbose=0)
    np.testing.assert_allclose(predictions, model(clips).predictions, atol=1e-6)


def test_user_metrics_compare_frames_with_predictions(tiny, frames):
    model = tiny()
    model.compile("adam", metrics=[keras.metrics.MeanSquaredError(name="error")])
    logs = model.evaluate(frames(model), verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["error"] * 6, logs["reconstruction_loss"], rtol=1e-5)


def test_stock_callbacks_work(tiny, frames, tmp_path):
    model = tiny()
    model.compile(keras.optimizers.Adam(1e-2))
    clips = frames(model)
    callbacks = [
        keras.callbacks.EarlyStopping(patience=0, min_delta=10.0),
        keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"), save_best_only=True),
        keras.callbacks.TensorBoard(str(tmp_path / "logs")),
        keras.callbacks.ReduceLROnPlateau(patience=0, min_delta=10.0, factor=0.5),
    ]
    history = model.fit(clips, validation_data=clips, epochs=5, callbacks=callbacks, verbose=0).history
    assert len(history["loss"]) == 2, "EarlyStopping did not stop"
    assert float(model.optimizer.learning_rate) < 1e-2
    assert (tmp_path / "1.keras").exists() and list((tmp_path / "logs").rglob("events*"))


def test_trainable_false_freezes_weights_and_batch_normalization(tiny, frames):
    model = tiny()
    model.encoder.trainable = False
    model.compile("adam")
    before = {v.path: v.numpy() for v in model.encoder.variables}
    model.fit(frames(model), verbose=0)
    for variable in model.encoder.variables:
        np.testing.assert_array_equal(variable, before[variable.path], err_msg=variable.path)


def test_the_package_exports_its_api_lazily():
    assert svg_tf.SVG is SVG and "list_presets" in dir(svg_tf)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = svg_tf.nothing


def test_plot_model_draws_the_model(tiny, tmp_path):
    pytest.importorskip("pydot")
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    keras.utils.plot_model(tiny(), str(tmp_path / "model.png"))
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")


def test_the_preset_that_ships_samples_the_same_futures_as_its_keras_file(frames, tmp_path):
    model = SVG.from_preset("moving_digits")
    context = frames(model, batch=1, length=model.n_past)
    model.save(str(tmp_path / "preset.keras"))
    loaded = keras.models.load_model(str(tmp_path / "preset.keras"))
    np.testing.assert_array_equal(model.generate(context, 3, 2), loaded.generate(context, 3, 2))
    assert "moving_digits" in svg_tf.list_presets()


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="'nothing' is neither a preset nor a run folder"):
        SVG.from_preset("nothing")
