"""Import of the authors' checkpoints as runs, and export of runs as PyTorch checkpoints."""

import os
import shlex
from pathlib import Path

import numpy as np
import pytest
from original_files import FLAGS, OPTIONS, small_networks, tensors_of, write_file
from test_commands import run
from torch_files import assert_same

from svg_tf import rollout
from svg_tf.config import Config
from svg_tf.torch_import import TorchFileError, read, runs
from svg_tf.torch_import.mapping import assign_torch_weights, torch_weights
from svg_tf.torch_import.plan import plan_import
from svg_tf.training import checkpoints
from svg_tf.training.run import load_model, model_from_config

SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "checkpoints"
REFERENCE = {
    "svgfp_dcgan_torch2": {"dataset": "smmnist", "prior": "fixed", "z_dim": 4, "n_past": 3, "base_width": 4},
    "svglp_dcgan_torch1_legacy": {"dataset": "smmnist", "prior": "learned", "z_dim": 4, "n_past": 2, "base_width": 8},
    "svglp_vgg_torch2": {"dataset": "bair", "prior": "learned", "z_dim": 6, "n_past": 2, "base_width": 4},
}


@pytest.fixture
def made_run(small, trained_statistics):
    """Return a function that makes a run with random weights and returns its configuration and model."""

    def make(**changes):
        config = small(**changes)
        model = trained_statistics(model_from_config(config))
        arrays = {name: v.numpy() for name, v in checkpoints.named_variables(model, training_state=False).items()}
        checkpoints.save(checkpoints.path_of(config.run_dir, 12), arrays)
        config.save(config.run_dir)
        return config, model

    return make


def assert_same_weights(one, two):
    for first, second in zip(one.variables, two.variables, strict=True):
        np.testing.assert_array_equal(first, second, err_msg=first.path)


# Import.


@pytest.mark.skipif(not SHARED.exists(), reason="the reference checkpoints are not here")
@pytest.mark.parametrize("name", REFERENCE)
def test_imported_weights_give_the_authors_frames(tmp_path, name):
    run_dir = str(tmp_path / "run")
    runs.import_run(plan_import(str(SHARED / f"{name}.pth"), run_dir, {}))
    config = Config.load(run_dir)
    expected = {"g_dim": 16, "rnn_size": 32, "image_width": 64, "skip_frame": "original", **REFERENCE[name]}
    assert {field: getattr(config, field) for field in expected} == expected
    with np.load(SHARED / f"{name}_expected.npz") as arrays:
        x, eps, frames = (arrays[key] for key in ("x", "eps", "x_generated"))  # time first
    context, n_past = x[: config.n_past].swapaxes(0, 1), config.n_past
    result = rollout.roll_out(load_model(config), context, eps[:, :, np.newaxis])
    assert np.abs(result.frames[:, 0].numpy().swapaxes(0, 1) - frames[n_past:]).max() < 2e-5
    assert np.ptp(frames[n_past:]) > 0.1


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "vgg", "prior": "fixed", "predictor_layers": 3, "posterior_layers": 2, "g_dim": 5, "z_dim": 7},
        {"backbone": "dcgan", "prior": "none", "image_width": 64, "base_width": 2},
    ],
    ids=["vgg", "dcgan"],
)
def test_sizes_and_the_prior_come_from_the_weights(small, trained_statistics, tmp_path, changes):
    config = small(**changes, skip_frame="original")
    model = trained_statistics(model_from_config(config))
    path = write_file(tmp_path / "m.pth", tensors_of(model), options=None)
    not_given = {"backbone", "image_width", "channels", "base_width", "g_dim", "rnn_size", "prior", "predictor_layers"}
    not_given |= {"posterior_layers", "prior_layers", "run_dir", "skip_frame"}
    not_given |= set() if config.prior == "none" else {"z_dim"}
    flags = {name: value for name, value in vars(config).items() if name not in not_given}
    runs.import_run(plan_import(path, config.run_dir, flags))
    assert Config.load(config.run_dir) == config
    assert_same_weights(model, load_model(config))


def test_networks_that_are_not_the_authors_are_refused_and_leave_nothing(tmp_path, tiny):
    networks = small_networks()
    networks["encoder"].pop("c2.main.1.running_var")
    path = write_file(tmp_path / "m.pth", networks)
    with pytest.raises(TorchFileError, match=f"{path} cannot be imported: the tensor encoder.c2.main.1.running_var is"):
        runs.import_run(plan_import(path, str(tmp_path / "runs" / "x"), FLAGS))
    assert os.listdir(tmp_path) == ["m.pth"]
    model = tiny()
    before = torch_weights(model)
    with pytest.raises(ValueError, match=r"the tensor encoder.c2.main.0.weight has shape \(3,\); the"):
        assign_torch_weights(model, {**before, "encoder.c2.main.0.weight": np.zeros(3, "f4")})
    assert_same(torch_weights(model), before)


# Export.


def test_an_exported_run_is_the_same_after_import(made_run, tmp_path):
    config, model = made_run(backbone="vgg", prior="fixed", skip_frame="every", learning_rate=0.003, seed=4)
    path, again = str(tmp_path / "out" / "m.pth"), str(tmp_path / "again")
    assert runs.export_run(config.run_dir, path).endswith("step_00000012.npz")
    root = read(path)
    root.pop("opt")
    assert_same(root, tensors_of(model))
    runs.import_run(plan_import(path, again, {}))
    assert Config.load(again) == config.replace(run_dir=again)
    assert_same_weights(model, load_model(Config.load(again)))


def test_biases_of_lstms_are_halved_and_other_tensors_come_back_bit_for_bit(tmp_path):
    networks = small_networks()
    runs.import_run(plan_import(write_file(tmp_path / "m.pth", networks), str(tmp_path / "run"), FLAGS))
    runs.export_run(str(tmp_path / "run"), str(tmp_path / "again.pth"))
    exported = read(tmp_path / "again.pth")
    for network, tensors in networks.items():
        assert set(exported[network]) == set(tensors)
        for key, tensor in tensors.items():
            if "bias_" in key:  # only their sum has a meaning
                tensor = (tensors[key[:-2] + "ih"] + tensors[key[:-2] + "hh"]) / 2
            np.testing.assert_array_equal(exported[network][key], tensor, err_msg=key)


def test_pytorch_loads_an_exported_run_without_running_anything(made_run, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    config, model = made_run()
    runs.export_run(config.run_dir, str(tmp_path / "m.pth"))
    root = torch.load(str(tmp_path / "m.pth"), weights_only=True)
    tensors = {f"{name}.{key}": tensor for name in root if name != "opt" for key, tensor in root[name].items()}
    assert_same({name: tensors[name].numpy() for name in torch_weights(model)}, torch_weights(model))
    for new_format in (False, True):
        torch.save(root, tmp_path / "again.pth", _use_new_zipfile_serialization=new_format)
        assert_same(read(tmp_path / "again.pth"), read(tmp_path / "m.pth"))


# The commands.


@pytest.mark.slow
def test_the_commands_import_generate_export_and_train(tmp_path):
    networks = small_networks()
    networks["encoder"]["c1.main.1.num_batches_tracked"] = np.array(7)  # ignored
    path = write_file(tmp_path / "a file.pth", networks, {**OPTIONS, "niter": 1, "epoch_size": 2})
    run_dir, out = str(tmp_path / "a run"), tmp_path / "out.pth"
    flags = [f"--{name}={value}" for name, value in {**FLAGS, "validation_steps": 1, "n_samples": 1}.items()]
    imported = run("bin/import_torch.py", f"--checkpoint={path}", f"--run_dir={run_dir}", *flags, cwd=tmp_path)
    assert imported.returncode == 0, imported.stderr
    assert "is SVG-LP" in imported.stdout and "from its options: seed=5 dataset=smmnist" in imported.stdout
    generated = run("bin/generate.py", f"--run_dir={run_dir}", "--n_clips=1", "--n_samples=1", cwd=tmp_path)
    assert generated.returncode == 0, generated.stderr
    exported = run("bin/export_torch.py", f"--run_dir={run_dir}", f"--out={out}", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert f"wrote {out} from {run_dir}/checkpoints/step_00000000.npz" in exported.stdout and "encoder" in read(out)
    printed = shlex.split(imported.stdout.splitlines()[-1])[2:]  # without svg-tf train
    trained = run("bin/train.py", *printed, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert int(load_model(Config.load(run_dir), "latest").step) == 2
