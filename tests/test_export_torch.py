import collections
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_commands import run
from torch_files import assert_same

from svg_tf.config import Config, ConfigError
from svg_tf.evaluation import futures
from svg_tf.models.svg import SVG
from svg_tf.torch_import import exporter, importer
from svg_tf.torch_import.checkpoint import read_checkpoint
from svg_tf.torch_import.mapping import torch_weights
from svg_tf.torch_import.plan import plan_import
from svg_tf.torch_import.writer import write_state_dicts
from svg_tf.training import checkpoints

SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "checkpoints"


@pytest.fixture
def made_run(small, trained_statistics):
    """Makes a run with one checkpoint of random weights; returns its configuration and model."""

    def make(**changes):
        config = small(**changes)
        model = trained_statistics(SVG(config))
        model.updates.assign(12)
        arrays = {name: v.numpy() for name, v in checkpoints.named_variables(model, training_state=False).items()}
        checkpoints.save(checkpoints.path_of(config.run_dir, 12), arrays)
        config.save(config.run_dir)
        return config, model

    return make


def _flat(checkpoint):
    return {
        f"{network}.{key}": array for network, tensors in checkpoint.modules.items() for key, array in tensors.items()
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "dcgan", "prior": "learned", "skip_frame": "last"},
        {"backbone": "vgg", "prior": "fixed", "skip_frame": "every", "learning_rate": 0.003, "seed": 4},
        {"backbone": "dcgan", "prior": "none", "skip_frame": "original", "motion": "deterministic"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_an_exported_run_comes_back_the_same_when_imported(made_run, tmp_path, changes):
    config, model = made_run(**changes)
    path, again = str(tmp_path / "out" / "m.pth"), str(tmp_path / "again")
    assert exporter.export_run(config.run_dir, path).endswith("step_00000012.npz")
    expected = {name: np.ascontiguousarray(array) for name, array in torch_weights(model).items()}
    assert_same(_flat(read_checkpoint(path)), expected)
    importer.write_run(plan_import(path, again, {}))
    assert Config.load(again) == config.replace(run_dir=again)
    weights = zip(model.variables, futures.load_model(Config.load(again)).variables, strict=True)
    for one, two in weights:
        if one is not model.updates:
            np.testing.assert_array_equal(one, two, err_msg=one.path)


@pytest.mark.skipif(not SHARED.exists(), reason="the reference checkpoints are not here")
@pytest.mark.parametrize("name", ["svgfp_dcgan_torch2", "svglp_vgg_torch2"])
def test_a_checkpoint_of_the_original_code_comes_back_from_the_run_made_of_it(name, tmp_path):
    path, run_dir = str(SHARED / f"{name}.pth"), str(tmp_path / "run")
    importer.write_run(plan_import(path, run_dir, {}))
    exporter.export_run(run_dir, str(tmp_path / "m.pth"))
    original, exported = _flat(read_checkpoint(path)), _flat(read_checkpoint(tmp_path / "m.pth"))
    assert set(exported) == {key for key in original if not key.endswith("num_batches_tracked")}
    for key, array in exported.items():
        if key.endswith(("bias_ih", "bias_hh")):  # only their sum has a meaning, and it is halved
            cell = key.rsplit("_", 1)[0]
            np.testing.assert_array_equal(2 * array, original[f"{cell}_ih"] + original[f"{cell}_hh"], err_msg=key)
        else:
            np.testing.assert_array_equal(array, original[key], err_msg=key)


def test_pytorch_reads_it_without_running_anything(made_run, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    config, model = made_run()
    path = str(tmp_path / "m.pth")
    exporter.export_run(config.run_dir, path)
    for mmap in (False, True):
        root = torch.load(path, weights_only=True, mmap=mmap)
        assert set(root) == {"encoder", "decoder", "frame_predictor", "posterior", "prior", "opt"}
        tensors = {f"{name}.{key}": tensor for name in root if name != "opt" for key, tensor in root[name].items()}
        assert set(tensors) == set(torch_weights(model))
        for name, array in torch_weights(model).items():
            assert tensors[name].dtype == torch.float32 and tensors[name].is_contiguous()
            np.testing.assert_array_equal(tensors[name].numpy(), array, err_msg=name)
    assert all(type(root[name]) is collections.OrderedDict for name in root if name != "opt")
    assert (root["opt"]["g_dim"], root["opt"]["model"], root["opt"]["lr"]) == (8, "dcgan", 0.002)
    _check_modules(torch, root["frame_predictor"], root["encoder"], config)


def _check_modules(torch, frame_predictor, encoder, config):
    """Modules of PyTorch take the tensors, with nothing missing or too many."""
    size, width = config.rnn_size, config.base_width
    predictor = torch.nn.Module()
    predictor.embed = torch.nn.Linear(config.g_dim + config.z_dim, size)
    predictor.lstm = torch.nn.ModuleList([torch.nn.LSTMCell(size, size) for _ in range(config.predictor_layers)])
    predictor.output = torch.nn.Sequential(torch.nn.Linear(size, config.g_dim), torch.nn.Tanh())
    predictor.load_state_dict(frame_predictor, strict=True)
    first = torch.nn.Sequential(torch.nn.Conv2d(config.channels, width, 4, 2, 1), torch.nn.BatchNorm2d(width))
    prefix = "c1.main."
    first.load_state_dict({k.removeprefix(prefix): v for k, v in encoder.items() if k.startswith(prefix)}, strict=True)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 1, 2)], ids=str)
def test_a_tensor_of_any_shape_comes_back(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    options = {"a": 1, "b": -1.5, "c": "ü", "d": None, "e": True, "f": 2**40}
    write_state_dicts(str(tmp_path / "m.pth"), {"encoder": {"x": array, "y": 2 * array.T}}, options)
    checkpoint = read_checkpoint(tmp_path / "m.pth")
    assert_same(checkpoint.modules["encoder"], {"x": array, "y": 2 * array.T})
    assert checkpoint.options == options


def test_the_file_has_the_parts_that_pytorch_looks_for_and_no_date(tmp_path):
    write_state_dicts(str(tmp_path / "m.pth"), {"encoder": {"x": np.ones([2, 3], np.float32)}}, {"g_dim": 3})
    with zipfile.ZipFile(tmp_path / "m.pth") as archive:
        members = archive.infolist()
        assert archive.read("archive/version") == b"3\n" and archive.read("archive/byteorder") == b"little"
    assert {member.filename for member in members} == {
        "archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/version"
    }  # fmt: skip
    assert {(member.date_time, member.compress_type) for member in members} == {((1980, 1, 1, 0, 0, 0), 0)}


def test_a_file_that_cannot_be_written_is_told(made_run, tmp_path):
    config, _ = made_run()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="m.pth cannot be written: .*; name another --out"):
        exporter.export_run(config.run_dir, str(tmp_path / "file" / "m.pth"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_run_without_weights_is_told_and_nothing_is_written(small, tmp_path):
    config = small()
    config.save(config.run_dir)
    with pytest.raises(checkpoints.CheckpointError, match="has no checkpoint yet"):
        exporter.export_run(config.run_dir, str(tmp_path / "m.pth"))
    assert not os.path.exists(tmp_path / "m.pth")


def test_the_command_writes_a_file(made_run, tmp_path):
    config, _ = made_run()
    out = tmp_path / "m.pth"
    exported = run("bin/export_torch.py", f"--run_dir={config.run_dir}", f"--out={out}", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert f"wrote {out} from {config.run_dir}/checkpoints/step_00000012.npz" in exported.stdout
    assert "encoder" in read_checkpoint(out).modules
    refused = run("bin/export_torch.py", f"--run_dir={config.run_dir}", f"--out={tmp_path}", cwd=tmp_path)
    assert refused.returncode == 1 and refused.stderr == f"error: out {tmp_path} is a folder; name a file\n"
