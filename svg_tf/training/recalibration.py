"""New estimates of the stored statistics of batch normalization, after training.

Training leaves a moving average over its last batches, made with weights that still changed. A plain average over many
batches with the final weights is less noisy (Ioffe & Szegedy, 2015, section 3.1).
"""

import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from svg_tf import noise, rollout
from svg_tf.config import Config, ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.svg import SVG
from svg_tf.progress import progress


def recalibrate(model: SVG, config: Config, batches: int, over: str = "clips") -> dict[str, Any]:
    """Replace the moving statistics of batch normalization, in place, with averages over training batches.

    Args:
        model: a trained model.
        config: the configuration of its run, whose training data is read.
        batches: number K of batches of config.batch_size clips, at least 1.
        over: "clips" (true frames), "rollouts" (clips whose future frames are the model's own, as in generation) or
            "both" (K batches of each).

    Returns:
        A report for JSON: batches, clips, over, layers, and the validation loss before and after.

    Raises:
        ConfigError: the model has no batch normalization.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNorm)]
    if not layers:
        raise ConfigError(f"backbone {config.backbone} has no batch normalization; leave out --recalibrate_bn.")
    validation = list(make_dataset(config, "validation"))
    loss_before = _loss(model, config, validation)
    variables = [variable for layer in layers for variable in layer.non_trainable_weights]
    stored, momenta = [variable.numpy() for variable in variables], [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # a forward pass in training mode now replaces the statistics with those of its batch
    found = []
    training = itertools.islice(make_dataset(config, "train"), batches)
    for number, clips in enumerate(progress(training, batches, "statistics", "batch")):
        inputs = [clips] if over != "rollouts" else []
        if over != "clips":
            inputs.append(_with_own_futures(model, config, clips, number))
        for frames in inputs:
            model(frames, noise=_noise(model, frames, number), training=True)
            found.append([variable.numpy() for variable in variables])
            _assign(variables, stored)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    _assign(variables, [np.asarray(np.mean(values, axis=0, dtype=np.float64)) for values in zip(*found, strict=True)])
    return {
        "batches": batches,
        "clips": batches * config.batch_size,
        "over": over,
        "layers": len(layers),
        "validation_loss_before": loss_before,
        "validation_loss_after": _loss(model, config, validation),
    }


def _noise(model: SVG, frames: tf.Tensor, number: int) -> tf.Tensor | None:
    if not model.has_latent:
        return None
    shape = [frames.shape[1] - 1, len(frames), model.z_dim]
    return noise.step_noise(shape, model.seed, noise.VALIDATION_STREAM, tf.constant(number))


def _with_own_futures(model: SVG, config: Config, clips: tf.Tensor, number: int) -> tf.Tensor:
    """Replace the frames after the context with sampled futures: [B, T, H, W, C] -> float32 of the same shape."""
    context = tf.cast(clips[:, : config.n_past], tf.float32) / 255.0
    first = number * config.batch_size
    seeds = noise.sample_seeds(config.seed, range(first, first + len(clips)), 1)
    return tf.concat([context, rollout.generate(model, context, config.n_future, seeds).frames[:, 0]], axis=1)


def _loss(model: SVG, config: Config, validation: list[tf.Tensor]) -> float:
    """Return the mean objective on validation batches, with the posterior's means."""
    values = [model.objective(clips, None, config.beta, training=False)[0].loss for clips in validation]
    return float(np.mean(values))


def _assign(variables: list[tf.Variable], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
