import errno
import os
from pathlib import Path

import numpy as np
import pytest
from original_files import FLAGS, drop, put, small_networks, tensors_of, write_file
from test_commands import run

from svg_tf import rollout
from svg_tf.config import Config, ConfigError
from svg_tf.evaluation import futures
from svg_tf.models.svg import SVG
from svg_tf.torch_import import importer
from svg_tf.torch_import.plan import plan_import
from svg_tf.torch_import.records import TorchFileError
from svg_tf.training import train as training

SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "checkpoints"
REFERENCE = {
    "svgfp_dcgan_torch2": {"prior": "fixed", "n_past": 3, "base_width": 4, "z_dim": 4, "dataset": "smmnist"},
    "svglp_dcgan_torch1_legacy": {"prior": "learned", "n_past": 2, "base_width": 8, "z_dim": 4, "dataset": "smmnist"},
    "svglp_vgg_torch2": {"prior": "learned", "n_past": 2, "base_width": 4, "z_dim": 6, "backbone": "vgg"},
}


@pytest.mark.skipif(not SHARED.exists(), reason="the reference checkpoints are not here")
@pytest.mark.parametrize("name", REFERENCE)
def test_an_imported_checkpoint_of_the_original_code_generates_the_originals_frames(name, tmp_path):
    run_dir = str(tmp_path / "run")
    importer.write_run(plan_import(str(SHARED / f"{name}.pth"), run_dir, {}))
    config = Config.load(run_dir)
    expected = {"g_dim": 16, "rnn_size": 32, "image_width": 64, "n_future": 4, "n_eval": 30, "batch_size": 3}
    expected |= {"skip_frame": "original", "epochs": 300, "steps_per_epoch": 600, "seed": 1, **REFERENCE[name]}
    assert {field: getattr(config, field) for field in expected} == expected
    with np.load(SHARED / f"{name}_expected.npz") as arrays:
        x, eps, frames = (arrays[key] for key in ("x", "eps", "x_generated"))
    result = rollout.roll_out(futures.load_model(config), x[: config.n_past].swapaxes(0, 1), eps[:, np.newaxis])
    assert np.abs(result.frames[0].numpy().swapaxes(0, 1) - frames[config.n_past :]).max() < 2e-5
    assert np.ptp(frames[config.n_past :]) > 0.1


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "dcgan", "prior": "learned"},
        {"backbone": "vgg", "prior": "fixed"},
        {"backbone": "dcgan", "prior": "none"},
        {"backbone": "vgg", "prior": "learned", "image_width": 128, "base_width": 2},
        {"backbone": "dcgan", "prior": "fixed", "image_width": 128, "base_width": 2},
        {"dataset": "bair", "backbone": "vgg", "channels": 3, "image_width": 64, "base_width": 2},
        {"predictor_layers": 3, "posterior_layers": 2, "prior_layers": 3, "g_dim": 5, "z_dim": 7, "rnn_size": 6},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_sizes_and_the_prior_come_from_the_weights(small, trained_statistics, tmp_path, changes):
    config = small(**changes, skip_frame="original")
    model = trained_statistics(SVG(config))
    path = write_file(tmp_path / "m.pth", tensors_of(model), options=None)
    told = ("dataset", "digits", "num_digits", "digit_size", "n_past", "n_future", "n_eval", "batch_size", "epochs")
    told += ("steps_per_epoch", "validation_steps", "n_samples") + (("z_dim",) if config.prior == "none" else ())
    importer.write_run(plan_import(path, config.run_dir, {field: getattr(config, field) for field in told}))
    assert Config.load(config.run_dir) == config
    for one, two in zip(model.variables, futures.load_model(config).variables, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=one.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("encoder", "c2.main.1.running_var"), "the tensor encoder.c2.main.1.running_var is missing"),
        (drop("decoder", "upc2.main.0.bias"), "the tensor decoder.upc2.main.0.bias is missing"),
        (put("encoder", "c2.main.0.weight", np.zeros(3, "f4")), "encoder.c2.main.0.weight has shape (3,), the"),
        (
            put("prior", "mu_net.weight", np.zeros([3, 4], "f4")),
            "mu_net.weight has shape (3, 4), the model's (3, 8)",
        ),
        (put("encoder", "c9.main.0.weight", np.zeros(3, "f4")), "encoder.c9.main.0.weight stands for nothing"),
    ],
)
def test_networks_that_are_not_the_originals_are_refused_and_leave_nothing(tmp_path, change, message):
    networks = small_networks()
    change(networks)
    path = write_file(tmp_path / "m.pth", networks)
    with pytest.raises(TorchFileError) as error:
        importer.write_run(plan_import(path, str(tmp_path / "runs" / "x"), FLAGS))
    assert str(error.value).startswith(f"{path} cannot be imported: the tensor ") and message in str(error.value)
    assert os.listdir(tmp_path) == ["m.pth"]


def test_counters_of_batches_are_passed_over(tmp_path):
    networks = small_networks()
    networks["encoder"]["c1.main.1.num_batches_tracked"] = np.array(7)
    importer.write_run(plan_import(write_file(tmp_path / "m.pth", networks), str(tmp_path / "run"), FLAGS))
    assert sorted(os.listdir(tmp_path / "run")) == ["checkpoints", "config.json"]
    assert os.listdir(tmp_path / "run" / "checkpoints") == ["step_00000000.npz"]


def test_a_folder_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    plan = plan_import(write_file(tmp_path / "m.pth"), str(tmp_path / "run"), FLAGS)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Config, "save", full)
        with pytest.raises(ConfigError, match="run cannot be written: No space left on device; name another"):
            importer.write_run(plan)
    assert os.listdir(tmp_path) == ["m.pth"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("made while the model was")
    with pytest.raises(ConfigError, match="cannot be written"):
        importer.write_run(plan)
    assert sorted(os.listdir(tmp_path)) == ["m.pth", "run"] and os.listdir(tmp_path / "run") == ["mine"]


@pytest.mark.slow
def test_training_goes_on_from_the_imported_weights(tmp_path):
    run_dir = str(tmp_path / "run")
    flags = {**FLAGS, "epochs": 1, "steps_per_epoch": 2, "validation_steps": 1, "learning_rate": 1e-9, "n_samples": 1}
    imported = importer.write_run(plan_import(write_file(tmp_path / "m.pth"), run_dir, flags))
    trained = training.train(Config.load(run_dir))
    assert int(trained.updates) == 2
    for one, two in zip(imported.trainable_variables, trained.trainable_variables, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6, err_msg=one.path)


@pytest.mark.slow
def test_the_command_makes_a_run_that_generates(tmp_path):
    path, run_dir = write_file(tmp_path / "a file.pth"), str(tmp_path / "a run")
    flags = [f"--{name}={value}" for name, value in FLAGS.items()]
    imported = run("bin/import_torch.py", f"--checkpoint={path}", f"--run_dir={run_dir}", *flags, cwd=tmp_path)
    assert imported.returncode == 0, imported.stderr
    for words in (
        "is SVG-LP",
        "by its weights: image_width=32 channels=1 backbone=dcgan",
        "by its options: seed=5 dataset=smmnist",
        "by flags: digits=embedded num_digits=1 digit_size=16",
        "stored statistics",
        f"svg-tf train '--run_dir={run_dir}' --seed=5 --digits=embedded",
    ):
        assert words in imported.stdout
    generated = run("bin/generate.py", f"--run_dir={run_dir}", "--n_clips=1", "--n_samples=1", cwd=tmp_path)
    assert generated.returncode == 0, generated.stderr


def test_the_command_refuses_in_one_sentence(tmp_path):
    hostile = tmp_path / "hostile.pth"
    hostile.write_bytes(b"not a checkpoint")
    refused = run("bin/import_torch.py", f"--checkpoint={hostile}", f"--run_dir={tmp_path / 'x'}", cwd=tmp_path)
    assert refused.returncode == 1 and refused.stderr.startswith(f"error: {hostile} is not a checkpoint")
    assert refused.stderr.count("\n") == 1 and os.listdir(tmp_path) == ["hostile.pth"]
    unnamed = run("bin/import_torch.py", f"--checkpoint={hostile}", cwd=tmp_path)
    assert unnamed.returncode == 1 and unnamed.stderr.startswith("error: run_dir is not given")
