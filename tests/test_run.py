import os

import pytest

from svg_tf.config import Config, ConfigError
from svg_tf.training import run


def test_a_run_is_created_and_opened_again(small):
    config = small()
    run.open_run(config)
    run.open_run(config)
    assert Config.load(config.run_dir) == config


def test_temporary_files_of_a_killed_process_are_removed(small):
    config = small()
    os.makedirs(config.run_dir + "/checkpoints")
    for name in (".temporary-abc.json", "checkpoints/.temporary-x.npz"):
        with open(os.path.join(config.run_dir, name), "w") as file:
            file.write('{"half')
    config.save(config.run_dir)
    run.open_run(config)
    assert sorted(os.listdir(config.run_dir)) == ["checkpoints", "config.json"]
    assert os.listdir(config.run_dir + "/checkpoints") == []


def test_a_run_that_was_killed_while_its_configuration_was_written_can_be_opened(small):
    config = small()
    os.makedirs(config.run_dir)
    with open(os.path.join(config.run_dir, ".temporary-abc.json"), "w") as file:
        file.write('{"half')
    run.open_run(config)
    assert os.listdir(config.run_dir) == ["config.json"]


def test_fields_that_do_not_change_the_steps_taken_may_differ(small, tmp_path):
    run.open_run(small())
    run.open_run(small(epochs=9, keep_checkpoints=9, data_dir=str(tmp_path), jit_compile="true"))
    run.open_run(small(strategy="mirrored", connect_timeout=9, best_by="free_running"))


@pytest.mark.parametrize("changes", [{"g_dim": 9}, {"seed": 1}, {"batch_size": 3}, {"mixed_precision": "bfloat16"}])
def test_another_configuration_is_refused_by_the_name_of_the_field(small, changes):
    run.open_run(small())
    with pytest.raises(ConfigError, match=f"holds a run with {next(iter(changes))}="):
        run.open_run(small(**changes))


def test_a_run_whose_schedule_ends_with_it_cannot_become_longer(small):
    run.open_run(small(learning_rate_schedule="cosine"))
    with pytest.raises(ConfigError, match="epochs cannot become 9"):
        run.open_run(small(learning_rate_schedule="cosine", epochs=9))


def test_another_folder_is_refused_and_left_alone(small, tmp_path):
    for name in ("precious.txt", ".temporary-x"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no run"):
        run.open_run(small(run_dir=str(tmp_path)))
    assert len(os.listdir(tmp_path)) == 2


def test_a_folder_that_cannot_be_created_is_an_error(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        run.open_run(small(run_dir=str(tmp_path / "file" / "run")))


def test_the_home_folder_is_expanded(small, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = small(run_dir="~/runs/a")
    run.open_run(config)
    assert Config.load("~/runs/a").run_dir == config.run_dir == str(tmp_path / "runs" / "a")
