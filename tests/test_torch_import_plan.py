"""The configuration of an imported run comes from the weights, the flags and the options of the file."""

import dataclasses

import numpy as np
import pytest
from original_files import FLAGS, OPTIONS, small_networks, write_file

from svg_tf.config import Config, ConfigError
from svg_tf.torch_import import TorchFileError
from svg_tf.torch_import.plan import plan_import


@pytest.fixture
def plan(tmp_path):
    """Return a function that plans the import of small networks with other options and flags."""

    def make(options=OPTIONS, flags=FLAGS, networks=None):
        return plan_import(write_file(tmp_path / "m.pth", networks, options), str(tmp_path / "run"), flags)

    return make


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


@pytest.mark.parametrize(
    ("options", "flags", "message"),
    [
        (None, FLAGS, "its options lack dataset; set --dataset"),
        ({**OPTIONS, "g_dim": 9}, FLAGS, "weights have g_dim=8, but its options g_dim=9; .* set --g_dim=8"),
        (OPTIONS, {**FLAGS, "prior": "fixed"}, "weights have prior=learned, but --prior is fixed; omit the flag"),
        ({**OPTIONS, "dataset": "robot"}, FLAGS, "robot.*; a flag overrides an option of the file"),
    ],
)
def test_options_and_flags_that_contradict_the_file_are_refused(plan, options, flags, message):
    with pytest.raises(TorchFileError, match=rf"m\.pth cannot be imported: .*{message}"):
        plan(options, flags)


@pytest.mark.parametrize(
    ("network", "key", "array", "message"),
    [
        ("encoder", "c1.main.0.weight", None, "its encoder has neither encoder.c1.main.0.weight nor encoder.c1."),
        ("prior", "lstm.0.weight_ih", None, "the tensor prior.lstm.0.weight_ih is missing"),
        ("encoder", "c1.main.0.weight", np.zeros(3, "f4"), r"shape \(3,\); it must have 4 dimensions"),
        ("encoder", "c1.main.0.bias", np.zeros(4, int), "'encoder.c1.main.0.bias' is not a floating point tensor"),
        ("decoder", "upc1.0.bias", np.full(16, np.nan), "decoder.upc1.0.bias has values that are not finite"),
        ("decoder", None, None, "it has 'encoder', 'frame_predictor', .* but no network decoder"),
    ],
)
def test_weights_of_no_model_are_refused_with_the_name_of_the_tensor(plan, network, key, array, message):
    networks = small_networks()
    if key is None:
        del networks[network]
    elif array is None:
        del networks[network][key]
    else:
        networks[network][key] = array
    with pytest.raises(TorchFileError, match=message):
        plan(networks=networks)


def test_an_existing_run_dir_is_not_overwritten(tmp_path):
    with pytest.raises(ConfigError, match="exists and is not overwritten; choose a new folder"):
        plan_import(write_file(tmp_path / "m.pth"), str(tmp_path), FLAGS)
