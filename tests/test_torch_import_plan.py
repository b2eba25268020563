"""The configuration of an imported run comes from the weights, the flags and the options of the file."""

import dataclasses

import numpy as np
import pytest
from original_files import FLAGS, OPTIONS, drop, put, small_networks, write_file

from svg_tf.config import Config, ConfigError
from svg_tf.torch_import import TorchFileError
from svg_tf.torch_import.plan import plan_import


@pytest.fixture
def plan(tmp_path):
    """Return a function that plans the import of small networks with other options and flags."""

    def make(options=OPTIONS, flags=FLAGS, networks=None):
        return plan_import(write_file(tmp_path / "m.pth", networks, options), str(tmp_path / "run"), flags)

    return make


@pytest.fixture
def refusal(tmp_path, plan):
    """Return a function that returns the message of a plan that fails."""

    def refuse(**changes):
        with pytest.raises(TorchFileError) as error:
            plan(**changes)
        message = str(error.value)
        assert message.startswith(f"{tmp_path / 'm.pth'} cannot be imported: ") and message.isprintable()
        return message

    return refuse


def test_options_fill_in_what_the_weights_do_not_determine(plan):
    _, config, sources, _ = plan()
    assert (config.n_past, config.n_future, config.n_eval, config.batch_size, config.seed) == (3, 4, 9, 2, 5)
    assert (config.learning_rate, config.beta, config.epochs, config.steps_per_epoch) == (0.001, 1e-5, 7, 11)
    assert (config.skip_frame, config.data_dir, config.digits) == ("original", "", "embedded")
    assert (sources["g_dim"], sources["n_past"], sources["digits"]) == ("weights", "options", "flags")
    for field in dataclasses.fields(Config):
        if field.name not in sources and field.name != "run_dir":
            assert getattr(config, field.name) == field.default, field.name
    assert plan({**OPTIONS, "last_frame_skip": True}).config.skip_frame == "every"


def test_a_flag_overrides_an_option_and_settles_a_contradiction(plan):
    flags = {**FLAGS, "dataset": "smmnist", "n_past": 4, "g_dim": 8, "skip_frame": "last"}
    _, config, sources, _ = plan({**OPTIONS, "dataset": "unheard_of", "g_dim": 9}, flags)
    assert (config.dataset, config.n_past, config.g_dim, config.skip_frame) == ("smmnist", 4, 8, "last")
    assert (sources["n_past"], sources["g_dim"]) == ("flags", "weights")


def test_without_options_the_flags_must_say_what_cannot_be_guessed(plan, refusal):
    assert "its options lack dataset; set --dataset" in refusal(options=None)
    assert "its options lack n_past; set --n_past" in refusal(options=None, flags={"dataset": "smmnist"})
    config = plan(None, {**FLAGS, "dataset": "smmnist", "n_past": 2}).config
    assert config.skip_frame == "original" and config.n_future == 10


@pytest.mark.parametrize(
    ("option", "value", "field", "found"),
    [("g_dim", 9, "g_dim", 8), ("image_width", 64, "image_width", 32), ("model", "vgg", "backbone", "dcgan")],
)
def test_options_that_contradict_the_weights_are_refused(refusal, option, value, field, found):
    message = refusal(options={**OPTIONS, option: value})
    assert f"its weights have {field}={found}, but its options {option}={value!r}" in message
    assert f"set --{field}={found}" in message


@pytest.mark.parametrize(("field", "value", "found"), [("g_dim", 9, 8), ("prior", "fixed", "learned")])
def test_a_flag_that_contradicts_the_weights_is_refused(refusal, field, value, found):
    message = refusal(flags={**FLAGS, field: value})
    assert f"its weights have {field}={found}, but --{field} is {value}; omit the flag" in message


@pytest.mark.parametrize("options", [{"n_past": "3"}, {"dataset": "robot"}, {"dataset": "bair"}, {"n_past": 1}])
def test_options_that_make_no_run_are_refused(refusal, options):
    assert "a flag overrides an option" in refusal(options={**OPTIONS, **options})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n.pop("decoder"), "it has 'encoder', 'frame_predictor', 'posterior', 'prior', 'opt', but no netw"),
        (lambda n: n.clear(), "but no network encoder"),
        (lambda n: [n.pop("posterior"), n.pop("prior")], "its frame_predictor has 11 inputs, more than g_dim=8"),
        (drop("encoder", "c1.main.0.weight"), "its encoder has neither encoder.c1.main.0.weight nor encoder.c1."),
        (drop("encoder", "c3.main.0.weight"), "the tensor encoder.c3.0.weight is missing"),
        (drop("prior", "lstm.0.weight_ih"), "the tensor prior.lstm.0.weight_ih is missing"),
        (put("encoder", "c1.main.0.weight", np.zeros(3, "f4")), "shape (3,); it must have 4 dimensions"),
        (put("encoder", "c1.main.0.bias", np.zeros(4, int)), "'encoder.c1.main.0.bias' is of type int64; it must"),
        (put("decoder", "upc1.0.bias", np.full(16, 1e300)), "decoder.upc1.0.bias has values that are not finite"),
    ],
)
def test_weights_of_no_model_are_refused_with_the_name_of_the_tensor(refusal, change, message):
    networks = small_networks()
    change(networks)
    assert message in refusal(networks=networks or {"other": {}})


def test_an_existing_run_dir_is_not_overwritten(tmp_path):
    path = write_file(tmp_path / "m.pth")
    (tmp_path / "there").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="there exists and is not overwritten; choose a new folder"):
        plan_import(path, str(tmp_path / "there"), FLAGS)
