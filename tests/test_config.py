import dataclasses
import json

import pytest

from svg_tf.config import Config, ConfigError


def test_the_defaults_are_the_papers_sm_mnist_recipe():
    config = Config()
    assert (config.n_past, config.n_future, config.n_frames, config.beta) == (5, 10, 15, 1e-4)
    assert config.total_steps == 180_000


def test_a_config_survives_the_way_to_disk_and_back(tmp_path):
    config = Config(run_dir=str(tmp_path), seed=3, beta=1e-6, prior="fixed")
    config.save(config.run_dir)
    assert Config.load(str(tmp_path)) == config


def test_a_moved_run_knows_where_it_is(tmp_path):
    Config(run_dir="elsewhere").save(str(tmp_path))
    assert Config.load(str(tmp_path)).run_dir == str(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "ucf"}, "dataset is 'ucf', but must be one of smmnist"),
        ({"image_width": 48}, "image_width is 48, but must be a power of two, 32 or more"),
        ({"image_width": 16}, "image_width is 16"),
        ({"g_dim": 0}, "g_dim is 0, but must be at least 1"),
        ({"beta": -1.0}, "beta is -1.0"),
        ({"beta": float("nan")}, "beta is nan"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0, but must be more than 0"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"seed": -1}, "seed is -1"),
        ({"run_dir": ""}, "run_dir is empty"),
        ({"n_eval": 5}, "n_eval is 5, but must be more than n_past, which is 5"),
        ({"skip_frame": "original", "n_past": 1}, "needs n_past of at least 2"),
        ({"beta_schedule": "linear"}, "needs beta_warmup_steps"),
        ({"beta_warmup_steps": 5}, "beta_warmup_steps has no effect with beta_schedule=constant"),
        ({"num_digits": 5}, "num_digits is 5, but must be 1 to 4"),
        ({"channels": 3}, "smmnist is grey"),
        ({"digit_size": 64}, "digit_size is 64, but must be less than image_width"),
        ({"epochs": 1.5}, "epochs is 1.5, but must be of type int"),
        ({"epochs": True}, "epochs is True, but must be of type int"),
        ({"batch_size": "8"}, "batch_size is '8', but must be of type int"),
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(changes, message):
    with pytest.raises(ConfigError) as error:
        Config(**changes)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_every_field_has_a_help_text():
    for field in dataclasses.fields(Config):
        assert len(field.metadata["help"]) > 10, field.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is not a run"),
        ("{", "cannot be read"),
        ("[]", "does not hold a configuration"),
        (json.dumps({"colour": 3}), "unknown field 'colour'"),
        (json.dumps({"g_dim": "many"}), "g_dim is 'many'"),
    ],
)
def test_a_damaged_config_file_is_refused_in_words(tmp_path, text, message):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        Config.load(str(tmp_path))
