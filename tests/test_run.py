import os

import pytest

from svg_tf.config import Config, ConfigError
from svg_tf.training import run


def test_a_new_run_is_made_and_the_same_one_opened_again(small):
    config = small()
    run.open_run(config)
    run.open_run(config)
    assert Config.load(config.run_dir) == config


def test_a_run_that_was_killed_while_its_config_was_written_can_be_opened(small):
    config = small()
    os.makedirs(config.run_dir)
    with open(os.path.join(config.run_dir, ".aside-abc.json"), "w") as file:
        file.write('{"half')
    run.open_run(config)
    assert os.listdir(config.run_dir) == ["config.json"]


def test_what_is_no_matter_of_what_was_computed_may_change(small, tmp_path):
    run.open_run(small())
    run.open_run(small(epochs=9, keep_checkpoints=9, data_dir=str(tmp_path), jit_compile="true"))
    run.open_run(small(strategy="mirrored", connect_timeout=9))


@pytest.mark.parametrize("changes", [{"g_dim": 9}, {"seed": 1}, {"batch_size": 3}, {"mixed_precision": "bfloat16"}])
def test_a_run_of_another_configuration_is_refused_by_name(small, changes):
    run.open_run(small())
    with pytest.raises(ConfigError, match=f"holds a run with {next(iter(changes))}="):
        run.open_run(small(**changes))


def test_a_schedule_that_ends_with_the_run_cannot_be_lengthened(small):
    run.open_run(small(learning_rate_schedule="cosine"))
    with pytest.raises(ConfigError, match="epochs cannot become 9"):
        run.open_run(small(learning_rate_schedule="cosine", epochs=9))


def test_a_folder_of_something_else_is_refused_and_left_alone(small, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no run"):
        run.open_run(small(run_dir=str(tmp_path)))
    assert os.listdir(tmp_path) == ["precious.txt"]


def test_a_folder_that_cannot_be_made_is_told(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        run.open_run(small(run_dir=str(tmp_path / "file" / "run")))
