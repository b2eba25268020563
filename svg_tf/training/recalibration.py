"""The stored statistics of batch normalisation, estimated anew after training.

Training leaves a moving average over its last few tens of batches, of weights that still changed. What is evaluated,
served or exported rests on it; a plain average over many batches with the final weights is less noisy (Ioffe &
Szegedy, 2015, section 3.1).
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from svg_tf import noise, rollout
from svg_tf.config import Config, ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.svg import SVG

OVER = ("clips", "rollouts", "both")


def recalibrate(model: SVG, config: Config, batches: int, over: str = "clips") -> dict[str, Any]:
    """Replaces the stored means and variances by plain averages over training batches, in place.

    Args:
        model: with its trained weights.
        config: whose training data is read, in the order of training.
        batches: K, of config.batch_size clips each, at least 1.
        over: clips (true frames, as in training), rollouts (the same clips with their futures replaced by the model's
            own, which is what it sees when it generates) or both (K batches of each).

    Returns:
        What it changed, fit for JSON: batches, clips, over, layers, the largest shift of a mean (in its old standard
        deviations) and the largest factor of a variance with the names of their layers, and the loss on the
        validation clips before and after.

    Raises:
        ConfigError: batches or over is not one of the above.
        DataError: the training data is missing or broken.
    """
    if batches < 1:
        raise ConfigError(f"recalibrate_bn is {batches}, but statistics need at least 1 batch")
    if over not in OVER:
        raise ConfigError(f"recalibrate over {over!r} is not known; say one of {', '.join(OVER)}")
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNorm)]
    validation = list(make_dataset(config, "validation"))
    seen = itertools.islice(make_dataset(config, "train"), batches)
    before = [_read(layer) for layer in layers]
    loss_before = _loss(model, validation)
    shown = _shown(model, config, seen, over, layers)
    averages = _averages(model, layers, shown, batches * (2 if over == "both" else 1))
    _write(layers, averages)
    shifts = [
        float(np.max(np.abs(new[0] - old[0]) / np.sqrt(old[1] + layer.epsilon)))
        for layer, old, new in zip(layers, before, averages, strict=True)
    ]
    factors = [
        float(np.exp(np.max(np.abs(np.log((new[1] + layer.epsilon) / (old[1] + layer.epsilon))))))
        for layer, old, new in zip(layers, before, averages, strict=True)
    ]
    furthest, widest = int(np.argmax(shifts)), int(np.argmax(factors))
    return {
        "batches": batches,
        "clips": batches * config.batch_size,
        "over": over,
        "layers": len(layers),
        "largest_mean_shift": {"layer": layers[furthest].path, "standard_deviations": shifts[furthest]},
        "largest_variance_factor": {"layer": layers[widest].path, "factor": factors[widest]},
        "validation_loss_before": loss_before,
        "validation_loss_after": _loss(model, validation),
    }


def _shown(
    model: SVG, config: Config, batches: Iterable[tf.Tensor], over: str, layers: list[BatchNorm]
) -> Iterator[tuple[int, tf.Tensor]]:
    """A batch's number and clips uint8 or float32 [B, T, H, W, C], of which the statistics are to be.

    Rollouts are drawn with the old statistics.
    """
    old = [_read(layer) for layer in layers]
    for number, clips in enumerate(batches):
        if over in ("clips", "both"):
            yield number, clips
        if over in ("rollouts", "both"):
            _write(layers, old)
            context = tf.cast(clips[:, : config.n_past], tf.float32) / 255.0
            first = number * config.batch_size
            seeds = noise.sample_seeds(config.seed, range(first, first + len(clips)), 1)
            future = rollout.generate(model, context, config.n_future, seeds).frames[0]  # [B, T, H, W, C]
            yield number, tf.concat([context, future], axis=1)


def _averages(
    model: SVG, layers: list[BatchNorm], shown: Iterable[tuple[int, tf.Tensor]], count: int
) -> list[tuple[np.ndarray, ...]]:
    """The plain averages of every layer's batch means and variances, float32 [C] each."""
    sums = [[np.zeros(variable.shape, np.float64) for variable in _statistics(layer)] for layer in layers]
    for number, clips in tqdm(shown, "statistics", count, unit="batch"):
        for layer in layers:  # from 0, a training pass leaves 1 - momentum of the batch's own statistics
            for variable in _statistics(layer):
                variable.assign(tf.zeros_like(variable))
        _pass(model, clips, tf.constant(number))
        for layer, totals in zip(layers, sums, strict=True):
            for variable, total in zip(_statistics(layer), totals, strict=True):
                total += variable.numpy() / (1.0 - layer.momentum)
    return [tuple((total / count).astype(np.float32) for total in totals) for totals in sums]


@tf.function(reduce_retracing=True)
def _pass(model: SVG, clips: tf.Tensor, number: tf.Tensor) -> None:
    """A training pass without an update; its posterior samples are those of no training or validation step."""
    z_noise = None
    if model.has_latent:
        shape = [clips.shape[1] - 1, tf.shape(clips)[0], model.config.z_dim]
        z_noise = noise.step_noise(shape, model.config.seed, noise.VALIDATION_STREAM, number + 1)
    model(clips, noise=z_noise, training=True)


def _loss(model: SVG, validation: list[tf.Tensor]) -> float:
    """The mean objective on validation batches, with the posterior's means."""
    beta = tf.constant(model.config.beta)
    return float(np.mean([model.objective(clips, None, beta, training=False).loss for clips in validation]))


def _statistics(layer: BatchNorm) -> tuple:
    return layer.moving_mean, layer.moving_variance


def _read(layer: BatchNorm) -> tuple[np.ndarray, ...]:
    return tuple(variable.numpy() for variable in _statistics(layer))


def _write(layers: list[BatchNorm], statistics: list[tuple[np.ndarray, ...]]) -> None:
    for layer, values in zip(layers, statistics, strict=True):
        for variable, value in zip(_statistics(layer), values, strict=True):
            variable.assign(value)
