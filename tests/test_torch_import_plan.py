import dataclasses
import os

import numpy as np
import pytest
from original_files import FLAGS, OPTIONS, drop, put, small_networks, write_file

from svg_tf.config import Config, ConfigError
from svg_tf.torch_import.plan import plan_import
from svg_tf.torch_import.records import TorchFileError


@pytest.fixture
def plan(tmp_path):
    """Plans the import of the small networks with changed options and flags."""

    def make(options=OPTIONS, flags=FLAGS, networks=None):
        return plan_import(write_file(tmp_path / "m.pth", networks, options), str(tmp_path / "run"), flags)

    return make


@pytest.fixture
def refusal(tmp_path, plan):
    """The sentence in which the plan ends."""

    def refuse(**changes):
        with pytest.raises(TorchFileError) as error:
            plan(**changes)
        message = str(error.value)
        assert message.startswith(f"{tmp_path / 'm.pth'} ") and "\n" not in message
        return message

    return refuse


def test_options_fill_in_what_the_weights_do_not_tell(plan):
    _, config, sources, _ = plan()
    assert (config.n_past, config.n_future, config.n_eval, config.batch_size, config.seed) == (3, 4, 9, 2, 5)
    assert (config.learning_rate, config.beta, config.epochs, config.steps_per_epoch) == (0.001, 1e-5, 7, 11)
    assert (config.skip_frame, config.data_dir, config.digits) == ("original", "", "embedded")
    assert (sources["g_dim"], sources["n_past"], sources["digits"]) == ("weights", "options", "flags")
    assert "defaults" not in sources.values()


def test_every_field_of_a_run_has_a_source_or_is_a_default(plan):
    _, config, sources, _ = plan()
    for field in dataclasses.fields(Config):
        if field.name not in sources and field.name != "run_dir":
            assert getattr(config, field.name) == field.default, field.name


def test_skips_of_every_frame_are_taken_over(plan):
    assert plan({**OPTIONS, "last_frame_skip": True}).config.skip_frame == "every"


def test_a_flag_replaces_an_option_and_settles_a_contradiction(plan):
    flags = {**FLAGS, "dataset": "smmnist", "n_past": 4, "g_dim": 8, "skip_frame": "last"}
    _, config, sources, _ = plan({**OPTIONS, "dataset": "unheard_of", "g_dim": 9}, flags)
    assert (config.dataset, config.n_past, config.g_dim, config.skip_frame) == ("smmnist", 4, 8, "last")
    assert (sources["n_past"], sources["g_dim"]) == ("flags", "weights")


def test_without_options_flags_say_what_must_be_known_and_defaults_are_told(plan, refusal):
    assert "its options do not say dataset; say it by --dataset" in refusal(options=None)
    assert "its options do not say n_past; say it by --n_past" in refusal(options=None, flags={"dataset": "smmnist"})
    _, config, sources, _ = plan(None, {**FLAGS, "dataset": "smmnist", "n_past": 2})
    assert config.skip_frame == "original" and config.n_future == 10
    defaults = {"n_future", "n_eval", "batch_size", "learning_rate", "beta", "epochs", "steps_per_epoch", "seed"}
    assert {name for name, source in sources.items() if source == "defaults"} == defaults


@pytest.mark.parametrize(
    ("option", "value", "field", "found"),
    [
        ("g_dim", 9, "g_dim", 8),
        ("z_dim", 10, "z_dim", 3),
        ("rnn_size", 256, "rnn_size", 8),
        ("channels", 3, "channels", 1),
        ("image_width", 64, "image_width", 32),
        ("model", "vgg", "backbone", "dcgan"),
        ("predictor_rnn_layers", 1, "predictor_layers", 2),
        ("posterior_rnn_layers", 2, "posterior_layers", 1),
        ("prior_rnn_layers", 2, "prior_layers", 1),
    ],
)
def test_weights_and_options_that_contradict_each_other_are_both_named(refusal, option, value, field, found):
    message = refusal(options={**OPTIONS, option: value})
    assert f"its weights have {field}={found}, but its options say {option}={value!r}" in message
    assert f"add --{field}={found}" in message


def test_a_flag_that_contradicts_the_weights_is_refused(refusal):
    message = refusal(flags={**FLAGS, "g_dim": 9})
    assert "its weights have g_dim=8, but the flag is --g_dim=9; leave the flag out" in message
    message = refusal(flags={**FLAGS, "prior": "fixed"})
    assert "its weights have prior=learned, but the flag is --prior=fixed" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_past": "3"}, "n_past is '3', but must be of type int"),
        ({"dataset": "robot"}, "dataset is 'robot', but must be one of smmnist, kth, bair, videos; a flag replaces"),
        ({"dataset": "bair"}, "bair has channels=3"),
        ({"n_past": 1}, "needs n_past of at least 2"),
        ({"n_past": 10_000, "n_eval": 10_001}, "it has n_past=10000, but at most 256 is taken"),
    ],
)
def test_options_that_make_no_run_are_told(refusal, options, message):
    assert message in refusal(options={**OPTIONS, **options}, flags={} if "dataset" in options else FLAGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n.pop("decoder"), "it has the networks encoder, frame_predictor, posterior, prior, but no decoder"),
        (lambda n: n.pop("posterior"), "networks encoder, decoder, frame_predictor, prior, but no posterior"),
        (lambda n: [n.pop("posterior"), n.pop("prior")], "takes 11 numbers, a latent beside the 8 of the encoder"),
        (drop("encoder", "c1.main.0.weight"), "has neither the tensor encoder.c1.main.0.weight nor encoder.c1."),
        (drop("encoder", "c3.main.0.weight"), "the tensor encoder.c3.0.weight is missing"),
        (drop("frame_predictor", "embed.weight"), "the tensor frame_predictor.embed.weight is missing"),
        (drop("prior", "lstm.0.weight_ih"), "the tensor prior.lstm.0.weight_ih is missing"),
        (drop("posterior", "mu_net.weight"), "the tensor posterior.mu_net.weight is missing"),
        (put("encoder", "c1.main.0.weight", np.zeros(3, "f4")), "c1.main.0.weight has shape (3,), but must have ["),
        (put("encoder", "c1.main.0.bias", np.zeros(4, int)), "encoder.c1.main.0.bias is of int64, but must be float"),
        (put("decoder", "upc1.0.bias", np.full(16, np.nan)), "decoder.upc1.0.bias holds numbers that are not finite"),
        (put("decoder", "upc1.0.bias", np.full(16, 1e300)), "decoder.upc1.0.bias holds numbers that are not finite"),
        (put("encoder", "c1.main.0.weight", np.zeros([600, 1, 4, 4], "f4")), "base_width=600, but at most 512"),
    ],
)  # fmt: skip
def test_weights_that_tell_no_model_are_refused_by_the_tensors_name(refusal, change, message):
    networks = small_networks()
    change(networks)
    assert message in refusal(networks=networks)


def test_half_and_double_precision_are_taken(plan):
    networks = small_networks()
    networks["encoder"]["c1.main.0.bias"] = np.full(4, 0.1, np.float64)
    networks["encoder"]["c2.main.0.bias"] = np.full(8, 0.5, np.float16)
    tensors = plan(networks=networks).tensors
    assert tensors["encoder.c1.main.0.bias"].dtype == tensors["encoder.c2.main.0.bias"].dtype == np.float32
    np.testing.assert_array_equal(tensors["encoder.c1.main.0.bias"], np.float32(0.1))


@pytest.mark.parametrize("kind", ["run", "empty folder", "file", "dangling link"])
def test_what_is_there_is_not_overwritten(tmp_path, kind):
    path, there = write_file(tmp_path / "m.pth"), tmp_path / "there"
    if kind == "file":
        there.write_text("mine")
    elif kind == "dangling link":
        there.symlink_to(tmp_path / "nowhere")
    else:
        there.mkdir()
        if kind == "run":
            Config().save(str(there))
    with pytest.raises(ConfigError, match="there is there already and is not overwritten; name another --run_dir"):
        plan_import(path, str(there), FLAGS)
    assert sorted(os.listdir(tmp_path)) == ["m.pth", "there"]
