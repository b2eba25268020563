"""Which weights of the original PyTorch networks are which of ours, and how each is laid out.

The names on the PyTorch side are those of the original's state dictionaries: `encoder.c1.main.0.weight` and so on.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np

from svg_tf.models import dcgan
from svg_tf.models.layers import CodeHead, CodeStem, SkipConv
from svg_tf.models.lstm import LSTMStack
from svg_tf.models.svg import SVG

Arrays = list[np.ndarray]


class Weight(NamedTuple):
    """The same numbers on both sides; a few tensors are one on one side and two on the other."""

    variables: list[keras.Variable]
    keys: list[str]  # module.key of the original
    to_keras: Callable[[Arrays], Arrays]
    to_torch: Callable[[Arrays], Arrays]


def assign_torch_weights(model: SVG, tensors: Mapping[str, np.ndarray]) -> None:
    """Sets every weight of the model from the original's tensors, float [...] by module.key.

    Raises:
        ValueError: a tensor is missing, of another shape, or stands for nothing in this model; nothing was set.
    """
    weights = list(layout(model))
    known = {key for weight in weights for key in weight.keys}
    missing = sorted(known - set(tensors))
    if missing:
        raise ValueError(f"the tensor {missing[0]} is missing ({len(missing)} in all)")
    extra = sorted(key for key in set(tensors) - known if not key.endswith("num_batches_tracked"))
    if extra:
        raise ValueError(f"the tensor {extra[0]} stands for nothing in this model ({len(extra)} in all)")
    assignments = []
    for weight in weights:
        current = weight.to_torch([variable.numpy() for variable in weight.variables])
        for key, array in zip(weight.keys, current, strict=True):
            if tensors[key].shape != array.shape:
                raise ValueError(f"the tensor {key} has shape {tensors[key].shape}, the model's {array.shape}")
        assignments.append((weight.variables, weight.to_keras([tensors[key] for key in weight.keys])))
    for variables, arrays in assignments:
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)


def torch_weights(model: SVG) -> dict[str, np.ndarray]:
    """The model's weights under the original's names and in its layout; a bias that is two there is halved."""
    tensors: dict[str, np.ndarray] = {}
    for weight in layout(model):
        arrays = weight.to_torch([variable.numpy() for variable in weight.variables])
        tensors.update(zip(weight.keys, arrays, strict=True))
    return tensors


def layout(model: SVG) -> Iterator[Weight]:
    """Every weight and batch statistic of the model, each once."""
    is_dcgan = isinstance(model.encoder, dcgan.Encoder)
    yield from _dcgan(model) if is_dcgan else _vgg(model)
    yield from _lstm_stack(model.frame_predictor, "frame_predictor", {"code": "output.0"})
    for name in ("posterior", "prior"):
        network = getattr(model, name)
        if network is not None:
            yield from _lstm_stack(network, name, {"mean": "mu_net", "logvar": "logvar_net"})


def _dcgan(model: SVG) -> Iterator[Weight]:
    encoder, decoder = model.encoder, model.decoder
    count = len(encoder.stages)
    for index, block in enumerate(encoder.stages, start=1):
        yield from _block(block.conv, block.norm, f"encoder.c{index}.main")
    yield from _head(encoder.head, f"encoder.c{count + 1}")
    yield from _stem(decoder.stem, "decoder.upc1")
    for index, (conv, norm) in enumerate(zip(decoder.convs, decoder.norms, strict=True), start=2):
        yield from _skip_conv(conv, f"decoder.upc{index}.main.0")
        yield from _norm(norm, f"decoder.upc{index}.main.1")
    yield from _skip_conv(decoder.pixels, f"decoder.upc{count + 1}.0")


def _vgg(model: SVG) -> Iterator[Weight]:
    encoder, decoder = model.encoder, model.decoder
    count = len(encoder.stages)
    for index, stage in enumerate(encoder.stages, start=1):
        for depth, block in enumerate(stage):
            yield from _block(block.conv, block.norm, f"encoder.c{index}.{depth}.main")
    yield from _head(encoder.head, f"encoder.c{count + 1}")
    yield from _stem(decoder.stem, "decoder.upc1")
    stages = zip(decoder.joins, decoder.norms, decoder.blocks, strict=True)
    for index, (join, norm, blocks) in enumerate(stages, start=2):
        yield from _skip_conv(join, f"decoder.upc{index}.0.main.0")
        yield from _norm(norm, f"decoder.upc{index}.0.main.1")
        for depth, block in enumerate(blocks, start=1):
            yield from _block(block.conv, block.norm, f"decoder.upc{index}.{depth}.main")
    yield from _conv(decoder.pixels, f"decoder.upc{count + 1}.1")


def _lstm_stack(stack: LSTMStack, module: str, heads: dict[str, str]) -> Iterator[Weight]:
    yield from _linear(stack.embed, f"{module}.embed")
    for index, cell in enumerate(stack.cells):
        prefix = f"{module}.lstm.{index}"
        yield _one(cell.kernel, f"{prefix}.weight_ih", np.transpose, np.transpose)
        yield _one(cell.recurrent_kernel, f"{prefix}.weight_hh", np.transpose, np.transpose)
        yield Weight(
            [cell.bias],
            [f"{prefix}.bias_ih", f"{prefix}.bias_hh"],
            lambda biases: [biases[0] + biases[1]],
            lambda biases: [biases[0] / 2, biases[0] / 2],
        )
    for name, key in heads.items():
        yield from _linear(getattr(stack, name), f"{module}.{key}")


def _block(conv: keras.layers.Layer, norm: keras.layers.Layer, prefix: str) -> Iterator[Weight]:
    yield from _conv(conv, f"{prefix}.0")
    yield from _norm(norm, f"{prefix}.1")


def _head(head: CodeHead, prefix: str) -> Iterator[Weight]:
    g_dim, width = head.linear.units, head.linear.kernel.shape[0] // 16
    yield _one(
        head.linear.kernel,
        f"{prefix}.0.weight",
        lambda tensor: tensor.transpose(2, 3, 1, 0).reshape(16 * width, g_dim),
        lambda kernel: kernel.reshape(4, 4, width, g_dim).transpose(3, 2, 0, 1),
    )
    yield _one(head.linear.bias, f"{prefix}.0.bias")
    yield from _norm(head.norm, f"{prefix}.1")


def _stem(stem: CodeStem, prefix: str) -> Iterator[Weight]:
    g_dim, width = stem.linear.kernel.shape[0], stem.filters
    yield _one(
        stem.linear.kernel,
        f"{prefix}.0.weight",
        lambda tensor: tensor.transpose(0, 2, 3, 1).reshape(g_dim, 16 * width),
        lambda kernel: kernel.reshape(g_dim, 4, 4, width).transpose(0, 3, 1, 2),
    )
    yield _one(stem.bias, f"{prefix}.0.bias")
    yield from _norm(stem.norm, f"{prefix}.1")


def _conv(conv: keras.layers.Layer, prefix: str) -> Iterator[Weight]:
    # PyTorch has [out, in, H, W], and [in, out, H, W] where transposed; TensorFlow just the reverse of both.
    yield _one(conv.kernel, f"{prefix}.weight", _to_channels_last, _to_channels_first)
    yield _one(conv.bias, f"{prefix}.bias")


def _skip_conv(layer: SkipConv, prefix: str) -> Iterator[Weight]:
    """The original convolves [decoder maps, skip], concatenated on the input channels."""
    axis = 3 if isinstance(layer.conv, keras.layers.Conv2DTranspose) else 2
    maps = layer.conv.kernel.shape[axis]
    yield Weight(
        [layer.conv.kernel, layer.skip_conv.kernel],
        [f"{prefix}.weight"],
        lambda tensors: np.split(_to_channels_last(tensors[0]), [maps], axis=axis),
        lambda kernels: [_to_channels_first(np.concatenate(kernels, axis=axis))],
    )
    yield _one(layer.conv.bias, f"{prefix}.bias")


def _norm(norm: keras.layers.BatchNormalization, prefix: str) -> Iterator[Weight]:
    yield _one(norm.gamma, f"{prefix}.weight")
    yield _one(norm.beta, f"{prefix}.bias")
    yield _one(norm.moving_mean, f"{prefix}.running_mean")
    yield _one(norm.moving_variance, f"{prefix}.running_var")


def _linear(linear: keras.layers.Dense, prefix: str) -> Iterator[Weight]:
    yield _one(linear.kernel, f"{prefix}.weight", np.transpose, np.transpose)
    yield _one(linear.bias, f"{prefix}.bias")


def _one(
    variable: keras.Variable,
    key: str,
    to_keras: Callable[[np.ndarray], np.ndarray] = np.asarray,
    to_torch: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Weight:
    return Weight([variable], [key], lambda a: [to_keras(a[0])], lambda a: [to_torch(a[0])])


def _to_channels_last(tensor: np.ndarray) -> np.ndarray:
    return tensor.transpose(2, 3, 1, 0)


def _to_channels_first(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(3, 2, 0, 1)
