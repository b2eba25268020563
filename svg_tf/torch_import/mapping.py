"""Map the weights of the authors' PyTorch networks to ours, in both directions.

Tensors on the PyTorch side are named `module.key`, as in the authors' state dictionaries: `encoder.c1.main.0.weight`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np

from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.lstm import LSTMStack
from svg_tf.models.skips import SkipConv
from svg_tf.models.svg import SVG

Arrays = list[np.ndarray]
Convert = Callable[[np.ndarray], np.ndarray]


class Weight(NamedTuple):
    """Variables and PyTorch tensors of the same numbers: one each, except in skip convolutions and LSTM biases."""

    variables: list[keras.Variable]
    keys: list[str]
    to_keras: Callable[[Arrays], Arrays]
    to_torch: Callable[[Arrays], Arrays]


def assign_torch_weights(model: SVG, tensors: Mapping[str, np.ndarray]) -> None:
    """Set all weights and batch statistics of a model from PyTorch tensors by `module.key`.

    Raises:
        ValueError: a tensor is missing, unknown or of another shape; no weight was changed.
    """
    expected = torch_weights(model)
    for key in sorted(set(expected) ^ set(tensors)):
        raise ValueError(f"the tensor {key} {'is missing' if key in expected else 'does not exist in this model'}")
    for key, array in expected.items():
        if tensors[key].shape != array.shape:
            raise ValueError(f"the tensor {key} has shape {tensors[key].shape}; the model's has {array.shape}")
    for weight in layout(model):
        arrays = weight.to_keras([tensors[key] for key in weight.keys])
        for variable, array in zip(weight.variables, arrays, strict=True):
            variable.assign(array)


def torch_weights(model: SVG) -> dict[str, np.ndarray]:
    """Return all weights and batch statistics of a model as PyTorch tensors by `module.key`.

    The bias of an LSTM is the sum of two biases in PyTorch; each gets half of it.

    Raises:
        ValueError: the authors' code has no such network.
    """
    tensors: dict[str, np.ndarray] = {}
    for weight in layout(model):
        arrays = weight.to_torch([variable.numpy() for variable in weight.variables])
        tensors.update(zip(weight.keys, arrays, strict=True))
    return tensors


def layout(model: SVG) -> Iterator[Weight]:
    """Yield each weight and batch statistic of a model once; raises ValueError as `torch_weights` does."""
    if model.backbone not in _BACKBONES or model.recurrence != "vector":
        raise ValueError(f"the authors' code has no backbone={model.backbone} with recurrence={model.recurrence}")
    head, stem, last = model.encoder.head, model.decoder.stem, f"encoder.c{len(model.encoder.stages) + 1}"
    g_dim, width = head.linear.units, stem.filters
    # The authors' code has convolutions of 4x4 pixels where a linear layer stands here.
    yield _one(
        head.linear.kernel,
        f"{last}.0.weight",
        lambda tensor: _to_keras(tensor).reshape(16 * width, g_dim),
        lambda kernel: _to_torch(kernel.reshape(4, 4, width, g_dim)),
    )
    yield _one(
        stem.linear.kernel,
        "decoder.upc1.0.weight",
        lambda tensor: tensor.transpose(0, 2, 3, 1).reshape(g_dim, 16 * width),
        lambda kernel: kernel.reshape(g_dim, 4, 4, width).transpose(0, 3, 1, 2),
    )
    for bias, norm, prefix in ((head.linear.bias, head.norm, last), (stem.bias, stem.norm, "decoder.upc1")):
        yield _one(bias, f"{prefix}.0.bias")
        yield from _norm(norm, f"{prefix}.1")
    yield from _BACKBONES[model.backbone](model)
    for name in ("frame_predictor", "posterior", "prior"):
        if getattr(model, name) is not None:
            yield from _lstm_stack(getattr(model, name), name)


def _dcgan(model: SVG) -> Iterator[Weight]:
    decoder = model.decoder
    for index, block in enumerate(model.encoder.stages, start=1):
        yield from _block(block.conv, block.norm, f"encoder.c{index}.main")
    for index, (conv, norm) in enumerate(zip(decoder.convs, decoder.norms, strict=True), start=2):
        yield from _block(conv, norm, f"decoder.upc{index}.main")
    yield from _layer(decoder.pixels, f"decoder.upc{len(model.encoder.stages) + 1}.0")


def _vgg(model: SVG) -> Iterator[Weight]:
    decoder = model.decoder
    for index, stage in enumerate(model.encoder.stages, start=1):
        for depth, block in enumerate(stage):
            yield from _block(block.conv, block.norm, f"encoder.c{index}.{depth}.main")
    stages = zip(decoder.joins, decoder.norms, decoder.blocks, strict=True)
    for index, (join, norm, blocks) in enumerate(stages, start=2):
        yield from _block(join, norm, f"decoder.upc{index}.0.main")
        for depth, block in enumerate(blocks, start=1):
            yield from _block(block.conv, block.norm, f"decoder.upc{index}.{depth}.main")
    yield from _layer(decoder.pixels, f"decoder.upc{len(model.encoder.stages) + 1}.1")


_BACKBONES = {"dcgan": _dcgan, "vgg": _vgg}


def _lstm_stack(stack: LSTMStack, module: str) -> Iterator[Weight]:
    yield from _layer(stack.embed, f"{module}.embed")
    for index, cell in enumerate(stack.cells):
        prefix = f"{module}.lstm.{index}"
        yield _one(cell.kernel, f"{prefix}.weight_ih", _to_keras, _to_torch)
        yield _one(cell.recurrent_kernel, f"{prefix}.weight_hh", _to_keras, _to_torch)
        yield Weight(
            [cell.bias],
            [f"{prefix}.bias_ih", f"{prefix}.bias_hh"],
            lambda biases: [biases[0] + biases[1]],
            lambda biases: [biases[0] / 2, biases[0] / 2],
        )
    heads = {"code": "output.0"} if module == "frame_predictor" else {"mean": "mu_net", "logvar": "logvar_net"}
    for name, key in heads.items():
        yield from _layer(getattr(stack, name), f"{module}.{key}")


def _block(conv: keras.layers.Layer, norm: BatchNorm, prefix: str) -> Iterator[Weight]:
    yield from _layer(conv, f"{prefix}.0")
    yield from _norm(norm, f"{prefix}.1")


def _norm(norm: BatchNorm, prefix: str) -> Iterator[Weight]:
    yield _one(norm.gamma, f"{prefix}.weight")
    yield _one(norm.beta, f"{prefix}.bias")
    yield _one(norm.moving_mean, f"{prefix}.running_mean")
    yield _one(norm.moving_variance, f"{prefix}.running_var")


def _layer(layer: keras.layers.Layer, prefix: str) -> Iterator[Weight]:
    if isinstance(layer, SkipConv):
        # PyTorch concatenates [decoder maps, skip] on the input channels and convolves once.
        axis = 3 if isinstance(layer.conv, keras.layers.Conv2DTranspose) else 2
        maps = layer.conv.kernel.shape[axis]
        yield Weight(
            [layer.conv.kernel, layer.skip_conv.kernel],
            [f"{prefix}.weight"],
            lambda tensors: np.split(_to_keras(tensors[0]), [maps], axis=axis),
            lambda kernels: [_to_torch(np.concatenate(kernels, axis=axis))],
        )
        yield _one(layer.conv.bias, f"{prefix}.bias")
    else:
        yield _one(layer.kernel, f"{prefix}.weight", _to_keras, _to_torch)
        yield _one(layer.bias, f"{prefix}.bias")


def _one(variable: keras.Variable, key: str, to_keras: Convert = np.asarray, to_torch: Convert = np.asarray) -> Weight:
    return Weight([variable], [key], lambda a: [to_keras(a[0])], lambda a: [to_torch(a[0])])


def _to_keras(tensor: np.ndarray) -> np.ndarray:
    # PyTorch: [out, in, H, W], [in, out, H, W] if transposed. Keras: [H, W, in, out], [H, W, out, in].
    return np.moveaxis(tensor, (0, 1), (-1, -2))


def _to_torch(kernel: np.ndarray) -> np.ndarray:
    return np.moveaxis(kernel, (-1, -2), (0, 1))
