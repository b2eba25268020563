"""The sizes of a checkpoint's networks, as the shapes of its tensors tell them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from svg_tf.torch_import.records import TorchFileError

Modules = Mapping[str, Mapping[str, np.ndarray]]  # network, then PyTorch's flat key

_NEEDED = ("encoder", "decoder", "frame_predictor")
_STAGES = {"dcgan": "c{}.main.0.weight", "vgg": "c{}.0.main.0.weight"}  # the encoder's, counted from 1


def sizes(modules: Modules) -> dict[str, Any]:
    """The fields of Config that the weights decide.

    Returns:
        backbone, image_width, channels, base_width, g_dim, rnn_size, predictor_layers and prior; with a posterior
        z_dim and posterior_layers, and with a prior prior_layers.

    Raises:
        TorchFileError: a network or a tensor that tells a size is missing or has other dimensions.
    """
    for network in _NEEDED + (("posterior",) if "prior" in modules else ()):
        if network not in modules:
            raise TorchFileError(f"it has the networks {', '.join(modules)}, but no {network}")
    encoder = modules["encoder"]
    backbone = next((name for name, key in _STAGES.items() if key.format(1) in encoder), None)
    if backbone is None:
        expected = " nor ".join(f"encoder.{key.format(1)}" for key in _STAGES.values())
        raise TorchFileError(f"its encoder is neither DCGAN nor VGG: it has neither the tensor {expected}")
    first_key = _STAGES[backbone]
    stages = _count(encoder, first_key, start=1)
    base_width, channels, _, _ = _shape(modules, "encoder", first_key.format(1), "[base_width, channels, k, k]")
    g_dim, *_ = _shape(modules, "encoder", f"c{stages + 1}.0.weight", "[g_dim, width, 4, 4]")
    rnn_size, inputs = _shape(modules, "frame_predictor", "embed.weight", "[rnn_size, g_dim + z_dim]")
    found = {
        "backbone": backbone,
        "image_width": 2 ** (stages + 2),  # every stage halves it, down to 4
        "channels": channels,
        "base_width": base_width,
        "g_dim": g_dim,
        "rnn_size": rnn_size,
        "predictor_layers": _layers(modules, "frame_predictor"),
        "prior": "learned" if "prior" in modules else "fixed" if "posterior" in modules else "none",
    }
    if "posterior" in modules:
        found["z_dim"], _ = _shape(modules, "posterior", "mu_net.weight", "[z_dim, rnn_size]")
        found["posterior_layers"] = _layers(modules, "posterior")
    elif inputs != g_dim:
        raise TorchFileError(
            f"its frame_predictor takes {inputs} numbers, a latent beside the {g_dim} of the encoder, but the file "
            "has no posterior"
        )
    if "prior" in modules:
        found["prior_layers"] = _layers(modules, "prior")
    return found


def _layers(modules: Modules, network: str) -> int:
    count = _count(modules[network], "lstm.{}.weight_ih", start=0)
    if not count:
        raise TorchFileError(f"the tensor {network}.lstm.0.weight_ih is missing")
    return count


def _count(tensors: Mapping[str, np.ndarray], key: str, start: int) -> int:
    count = 0
    while key.format(start + count) in tensors:
        count += 1
    return count


def _shape(modules: Modules, network: str, key: str, expected: str) -> tuple[int, ...]:
    tensor = modules[network].get(key)
    if tensor is None:
        raise TorchFileError(f"the tensor {network}.{key} is missing")
    if tensor.ndim != expected.count(",") + 1:
        raise TorchFileError(f"the tensor {network}.{key} has shape {tensor.shape}, but must have {expected}")
    return tensor.shape
