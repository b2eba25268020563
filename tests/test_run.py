"""The folder of a run."""

import os
import signal
import subprocess
import sys

import pytest

from svg_tf.config import Config, ConfigError
from svg_tf.training import run


def _open(config):
    with run.opened(config):
        pass


def test_a_run_is_opened_again_with_fields_that_do_not_change_the_steps_taken(small, tmp_path):
    _open(small())
    assert Config.load(small().run_dir) == small()
    _open(small(epochs=9, keep_checkpoints=9, data_dir=str(tmp_path), jit_compile="true"))
    _open(small(strategy="mirrored", connect_timeout=9))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({}, {"g_dim": 9}, "holds a run with g_dim=8, not 9"),
        ({}, {"mixed_precision": "bfloat16"}, "holds a run with mixed_precision=off, not bfloat16"),
        ({}, {"n_samples": 9}, "holds a run with n_samples=2, not 9"),
        ({"learning_rate_schedule": "cosine"}, {"epochs": 9}, "schedules end with it; epochs cannot become 9"),
    ],
)
def test_another_configuration_is_refused_by_the_name_of_the_field(small, old, new, message):
    _open(small(**old))
    with pytest.raises(ConfigError, match=message):
        _open(small(**old | new))


@pytest.mark.parametrize("created", [True, False])
def test_files_of_a_process_that_was_killed_are_removed(small, created):
    config = small()
    os.makedirs(config.run_dir)
    names = [".temporary-abc.json"]
    if created:
        config.save(config.run_dir)
        os.mkdir(config.run_dir + "/checkpoints")
        names.append("checkpoints/.temporary-x.npz")
    for name in names:
        with open(os.path.join(config.run_dir, name), "w") as file:
            file.write('{"half')
    _open(config)
    found = {name for _, _, names in os.walk(config.run_dir) for name in names}
    assert found == {".lock", "config.json"}


def test_another_folder_is_refused_and_left_alone(small, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no run"):
        _open(small(run_dir=str(tmp_path)))
    assert os.listdir(tmp_path) == ["precious.txt"]


def test_the_home_folder_is_expanded(small, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = small(run_dir="~/runs/a")
    _open(config)
    assert Config.load("~/runs/a").run_dir == config.run_dir == str(tmp_path / "runs" / "a")


_HOLD = """
import contextlib, sys, time
from svg_tf import files
with open(sys.argv[1] + "/.lock", "w") as file:
    assert files.lock(file)
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_run_that_another_process_trains_is_refused_until_that_process_is_killed(small):
    config = small()
    _open(config)
    with subprocess.Popen([sys.executable, "-c", _HOLD, config.run_dir], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(ConfigError, match=f"^Another process trains {config.run_dir}; wait for its end"):
            _open(config)
        other.send_signal(signal.SIGKILL)
        other.wait()
        _open(config)


@pytest.mark.parametrize(
    ("capability", "flags", "chosen", "reason"),
    [
        (None, "sse avx512_bf16", "bfloat16", "the CPU has avx512_bf16"),
        (None, "amx_bf16 amx_tile", "bfloat16", "the CPU has amx_bf16"),
        (None, "sse avx2 amx_tile", "off", "the CPU has no bfloat16 units"),
        ((8, 0), "sse", "bfloat16", "the GPU has compute capability 8.0"),
        ((7, 5), "avx512_bf16", "off", "the GPU has compute capability 7.5"),
    ],
)
def test_auto_is_bfloat16_where_the_machine_has_units_for_it(
    small, monkeypatch, tmp_path, capability, flags, chosen, reason
):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : fpu {flags}\n")
    monkeypatch.setattr(run, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(run.tf.config, "list_physical_devices", lambda _: ["GPU"] if capability else [])
    details = {"compute_capability": capability}
    monkeypatch.setattr(run.tf.config.experimental, "get_device_details", lambda _: details)
    logged = []
    monkeypatch.setattr(run.logging, "info", lambda text, *values: logged.append(text % values))
    assert run.choose_precision(small(mixed_precision="auto")).mixed_precision == chosen
    assert f"mixed_precision=auto: {chosen}, because {reason}" in logged[0]


@pytest.mark.parametrize("stored", ["off", "bfloat16"])
def test_auto_keeps_the_number_format_of_a_run_that_began_elsewhere(small, stored):
    _open(small(mixed_precision=stored))
    config = run.choose_precision(small(mixed_precision="auto"))
    assert config.mixed_precision == stored
    _open(config)
