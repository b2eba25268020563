"""The configuration of a run: validation and files."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svg_tf.config import Config, ConfigError

FIELDS = {field.name: field for field in dataclasses.fields(Config)}


def test_a_moved_run_is_loaded_with_its_new_run_dir(tmp_path):
    config = Config(run_dir="elsewhere", seed=3, beta=1e-6, prior="fixed")
    config.save(str(tmp_path))
    assert Config.load(str(tmp_path)) == config.replace(run_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "ucf"}, "dataset is 'ucf'; it must be one of smmnist"),
        ({"image_width": 48}, "image_width is 48; it must be a power of two, 32 or greater."),
        ({"g_dim": 0}, "g_dim is 0; it must be 1 to 2147483647."),
        ({"beta": -1.0}, "beta is -1.0; it must be 0 to 2147483647."),
        ({"beta": float("nan")}, "beta is nan"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be greater than 0."),
        ({"scheduled_sampling": 1.5}, "scheduled_sampling is 1.5; it must be 0 to 1."),
        ({"run_dir": ""}, "run_dir is empty; name the folder"),
        ({"n_eval": 5}, "n_eval is 5; it must be greater than n_past, which is 5."),
        ({"skip_frame": "original", "n_past": 1}, "n_past is 1; skip_frame=original needs 2 or more."),
        ({"beta_schedule": "linear"}, "beta_warmup_steps is 0 with beta_schedule=linear"),
        ({"gradient_accumulation_steps": 3}, "it must divide batch_size, which is 100."),
        ({"num_digits": 5}, "num_digits is 5; it must be 1 to 4."),
        ({"channels": 3}, "smmnist is gray"),
        ({"digit_size": 64}, "digit_size is 64; it must be less than image_width"),
        ({"epochs": 1.5}, "epochs is 1.5; it must be of type int."),
        ({"batch_size": "8"}, "batch_size is '8'; it must be of type int."),
        ({"kth_split": "savp"}, "kth_split has no effect with dataset=smmnist; it is for kth. Remove --kth_split."),
        ({"dataset": "kth", "image_width": 32}, "kth has 1 channel and 64 or 128 pixels"),
        ({"dataset": "bair"}, "bair has 3 channels"),
        ({"dataset": "bair", "channels": 3, "n_eval": 40}, "clips span 40 frames; trajectories of bair have 30"),
    ],
)
def test_an_impossible_configuration_is_refused_with_value_and_remedy(changes, message):
    with pytest.raises(ConfigError) as error:
        Config(**changes)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("", None, "is not a run: it has no config.json. Train one with svg-tf train."),
        ("nowhere", None, "nowhere is not a run"),
        ("", "{", "config.json is no configuration of this version of svg_tf: "),
        ("", json.dumps({"color": 3}), "unexpected keyword argument 'color'"),
        ("", json.dumps({"g_dim": "many"}), "g_dim is 'many'; it must be of type int."),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, path, text, message):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        Config.load(str(tmp_path / path))


WILD = (
    st.integers()
    | st.floats()
    | st.text()
    | st.none()
    | st.booleans()
    | st.binary(max_size=9)
    | st.lists(st.integers(), max_size=4)
    | st.sampled_from([10**400, 1e39, 5e-324, "x" * 5_000, "a\nb", np.int64(3), object()])
)


@given(name=st.sampled_from(sorted(FIELDS)), value=WILD)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_value_is_accepted_or_refused_in_one_sentence(name, value):
    try:
        config = Config(**{name: value})
    except ConfigError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 400
    else:
        assert getattr(config, name) == value and type(getattr(config, name)) is FIELDS[name].type
