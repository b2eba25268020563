import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tflite_models
from PIL import Image

from svg_tf.config import ConfigError
from svg_tf.tflite import conversion as tflite_conversion
from svg_tf.tflite import converter as tflite_converter
from svg_tf.tflite import device as tflite_device
from svg_tf.tflite import export as tflite_export
from svg_tf.tflite import timing as tflite_timing
from svg_tf.training import checkpoints

SCRIPT = Path(__file__).resolve().parents[1] / "export" / "tflite.py"


@pytest.fixture
def trained_run(small, trained_statistics):
    """Makes a run with weights; its configuration."""

    def make(**changes):
        config = small(**changes)
        config.save(config.run_dir)
        model = tflite_models.make(small, trained_statistics, **changes)
        weights = checkpoints.named_variables(model, training_state=False)
        path = os.path.join(checkpoints.folder(config.run_dir), checkpoints.BEST)
        checkpoints.save(path, {name: variable.numpy() for name, variable in weights.items()})
        return config

    return make


@pytest.fixture
def quick(monkeypatch):
    """Converts in this process and times nothing, but for what a test puts in place."""
    monkeypatch.setattr(
        tflite_conversion,
        "convert",
        lambda source, names, variant, clips, out: tflite_converter.main(source, variant, clips, out, *names),
    )
    times = {"observe": 1.0, "step": 2.0, "rollout": 3.0}
    monkeypatch.setattr(tflite_timing, "of_tensorflow", lambda *_: times)
    monkeypatch.setattr(tflite_timing, "milliseconds", lambda call: 1.0)


def _export(config, **changes):
    options = {"checkpoint": "best", "variants": ["float32"], "horizon": 3, "calibration_clips": 2, "n_clips": 3}
    folder = os.path.join(config.run_dir, "export", "tflite")
    return folder, tflite_export.export(config, **{**options, "tolerance": 100.0, "folder": folder, **changes})


@tflite_models.needs_interpreter
def test_a_run_becomes_files_a_table_and_a_picture(trained_run, quick):
    config = trained_run(mixed_precision="bfloat16")
    folder, rows = _export(config)
    assert sorted(os.listdir(folder)) == [
        "futures.gif", "rollout_float32.tflite", "step_float32.tflite", "table.json", "table.md"
    ]  # fmt: skip
    assert [row.name for row in rows[:2]] == ["TensorFlow, step", "TensorFlow, rollout"]
    for row in rows[2:]:
        assert row.refused is None and row.quality.max_error < 1e-5 and row.quality.psnr_to_tensorflow > 90
        assert row.size_mb == os.path.getsize(os.path.join(folder, row.name)) / 1e6
        assert row.quality.psnr == pytest.approx(rows[0].quality.psnr, abs=1e-3)
    assert json.loads(Path(folder, "table.json").read_text())["rows"][2]["name"] == "step_float32.tflite"
    assert Image.open(os.path.join(folder, "futures.gif")).n_frames == config.n_past + 3


@tflite_models.needs_interpreter
def test_a_variant_that_crashes_the_converter_is_refused_and_the_others_go_on(trained_run, quick, monkeypatch):
    convert = tflite_conversion.convert

    def crashing(source, names, variant, clips, out):
        if variant == "float16":
            raise tflite_conversion.ConversionError("the converter crashed: its process was ended by SIGSEGV")
        convert(source, names, variant, clips, out)

    monkeypatch.setattr(tflite_conversion, "convert", crashing)
    config = trained_run()
    stale = Path(config.run_dir, "export", "tflite", "step_float16.tflite")
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier export")
    folder, rows = _export(config, variants=["float16", "float32"])
    assert [bool(row.refused) for row in rows] == [False, False, True, True, False, False]
    assert not stale.exists() and os.path.exists(os.path.join(folder, "step_float32.tflite"))
    assert "step_float16.tflite is not there: the converter crashed: its process was ended by SIGSEGV." in (
        Path(folder, "table.md").read_text()
    )


@tflite_models.needs_interpreter
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda model: model.decoder.stem.linear.kernel.assign(model.decoder.stem.linear.kernel * np.nan),
            "not finite",
        ),
        (
            lambda model: model.encoder.head.linear.kernel.assign(-model.encoder.head.linear.kernel),
            "from TensorFlow's",
        ),
    ],
)
def test_files_of_other_numbers_are_refused(spoil, message, trained_run, quick, monkeypatch):
    save = tflite_export.tflite_module.save

    def spoiled(model, *arguments, **options):
        spoil(model)
        save(model, *arguments, **options)

    monkeypatch.setattr(tflite_export.tflite_module, "save", spoiled)
    folder, rows = _export(trained_run())
    assert all(message in row.refused for row in rows[2:])
    assert sorted(os.listdir(folder)) == ["futures.gif", "table.json", "table.md"]


@tflite_models.needs_interpreter
def test_a_file_that_the_interpreter_does_not_take_is_refused(trained_run, quick, monkeypatch):
    def broken(source, names, variant, clips, out):
        Path(out).write_bytes(b"no file of a model")

    monkeypatch.setattr(tflite_conversion, "convert", broken)
    _, rows = _export(trained_run())
    assert all("the interpreter does not take it: the file is no TFLite file" in row.refused for row in rows[2:])


@pytest.mark.slow
@tflite_models.needs_interpreter
def test_the_command_converts_in_other_processes_and_prints_the_table(trained_run):
    config = trained_run(prior="none")
    result = _command("--variants=int8", f"--run_dir={config.run_dir}", "--n_clips=2", "--tolerance_db=100")
    assert result.returncode == 0, result.stderr
    assert "| step_int8.tflite" in result.stdout and "| TensorFlow, step" in result.stdout
    assert "is not there" not in result.stdout and "Sharding" not in result.stderr


def _command(*flags):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run([sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, env=environment)


def test_wrong_flags_are_told_in_one_sentence(small, tmp_path):
    config = small()
    config.save(config.run_dir)
    (tmp_path / "file").write_text("")
    run = f"--run_dir={config.run_dir}"
    for flags, message in (
        ((run, "--variants=float32,int4"), "variants has 'int4', but takes some of float32, float16, dynamic_int8"),
        ((run, "--variants="), "variants has '', but takes some of"),
        ((run, f"--out={tmp_path}/file"), "is not a folder"),
        ((f"--run_dir={tmp_path}/none",), "is not a run: it has no config.json"),
        ((run, "--tolerance_db=-1"), "tolerance_db"),
    ):
        result = _command(*flags)
        assert result.returncode == 1 and message in result.stderr and "Traceback" not in result.stderr, result.stderr


def test_an_interpreter_that_is_not_installed_is_told(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ai_edge_litert" else find(name))
    with pytest.raises(ConfigError, match=r"ai-edge-litert, the interpreter, is not installed; pip install 'svg_tf"):
        tflite_device.require_interpreter()
