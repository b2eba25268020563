"""Files that PyTorch wrote: those of the original training code, and one made on the spot where PyTorch is there."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from torch_files import assert_same

from svg_tf.torch_import.checkpoint import read_checkpoint

SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "checkpoints"

REFERENCE = {
    "svgfp_dcgan_torch2": ("dcgan", 1, 4, {"encoder": 35, "decoder": 30, "frame_predictor": 12, "posterior": 10}),
    "svglp_dcgan_torch1_legacy": (
        "dcgan",
        1,
        8,
        {"encoder": 35, "decoder": 30, "frame_predictor": 12, "posterior": 10, "prior": 10},
    ),
    "svglp_vgg_torch2": (
        "vgg",
        3,
        4,
        {"encoder": 77, "decoder": 72, "frame_predictor": 12, "posterior": 10, "prior": 10},
    ),
}


@pytest.mark.skipif(not SHARED.exists(), reason="the reference checkpoints are not here")
@pytest.mark.parametrize("name", REFERENCE)
def test_checkpoints_of_the_original_training_code_are_read(name):
    backbone, channels, width, counts = REFERENCE[name]
    checkpoint = read_checkpoint(SHARED / f"{name}.pth")
    options, modules = checkpoint.options, checkpoint.modules
    assert {key: len(tensors) for key, tensors in modules.items()} == counts
    assert checkpoint.class_names["encoder"] == f"models.{backbone}_64.encoder"
    assert (options["model"], options["channels"], options["image_width"]) == (backbone, channels, 64)
    assert options["optimizer"] == "<torch.optim.adam.Adam>"
    g_dim, z_dim, rnn_size = options["g_dim"], options["z_dim"], options["rnn_size"]
    first = "c1.main.0.weight" if backbone == "dcgan" else "c1.0.main.0.weight"
    size = 4 if backbone == "dcgan" else 3
    assert modules["encoder"][first].shape == (width, channels, size, size)
    assert modules["frame_predictor"]["embed.weight"].shape == (rnn_size, g_dim + z_dim)
    assert modules["frame_predictor"]["lstm.1.weight_hh"].shape == (4 * rnn_size, rnn_size)
    assert modules["posterior"]["mu_net.weight"].shape == (z_dim, rnn_size)
    for tensors in modules.values():
        assert all(np.isfinite(tensor).all() for tensor in tensors.values())
        assert all((tensor > 0).all() for key, tensor in tensors.items() if key.endswith("running_var"))


@pytest.mark.parametrize("new_format", [False, True], ids=["stream", "zip"])
def test_what_pytorch_itself_saves_is_read_bit_for_bit(tmp_path, monkeypatch, new_format):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    models = types.ModuleType("models.dcgan_64")

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.c1 = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 4), torch.nn.BatchNorm2d(3), torch.nn.Tanh())
            self.lstm = torch.nn.ModuleList([torch.nn.LSTMCell(4, 5)])
            self.register_buffer("half_precision", torch.randn(2, 3).half().T)
            self.register_buffer("brain_float", torch.randn(4, 4).bfloat16()[1:, ::2])
            self.register_buffer("left_out", torch.zeros(3), persistent=False)
            self.tied = self.c1[0].weight
            self.hidden = [(torch.randn(2), torch.randn(2))]

    Encoder.__module__, Encoder.__qualname__ = "models.dcgan_64", "Encoder"
    models.Encoder = Encoder
    monkeypatch.setitem(sys.modules, "models", types.ModuleType("models"))
    monkeypatch.setitem(sys.modules, "models.dcgan_64", models)
    torch.manual_seed(0)
    network = Encoder()
    root = {"encoder": network, "prior": network.state_dict(), "opt": {"lr": 0.1, "device": torch.device("cpu")}}
    torch.save(root, tmp_path / "m.pth", _use_new_zipfile_serialization=new_format)
    checkpoint = read_checkpoint(tmp_path / "m.pth")
    expected = {
        key: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        for key, tensor in network.state_dict().items()
    }
    assert_same(checkpoint.modules["encoder"], expected)
    assert_same(checkpoint.modules["prior"], expected)
    assert checkpoint.options == {"lr": 0.1, "device": "cpu"}
