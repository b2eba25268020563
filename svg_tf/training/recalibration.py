"""New estimates of the stored statistics of batch normalization, after training.

Training leaves a moving average over its last batches, made with weights that still changed. A plain average over many
batches with the final weights is less noisy (Ioffe & Szegedy, 2015, section 3.1).
"""

import itertools

import numpy as np
import tensorflow as tf

from svg_tf import noise
from svg_tf.config import Config, ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.svg import SVG
from svg_tf.progress import progress


def recalibrate(model: SVG, config: Config, batches: int) -> dict[str, float]:
    """Replace the moving statistics of batch normalization, in place, with averages over training batches.

    Args:
        model: a trained model.
        config: the configuration of its run, whose training and validation data is read.
        batches: number of batches of config.batch_size clips, at least 1.

    Returns:
        A report: batches, and the validation loss before and after, with the posterior's mean as z.

    Raises:
        ConfigError: the model has no batch normalization.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNorm)]
    if not layers:
        raise ConfigError(f"backbone {config.backbone} has no batch normalization; leave out --recalibrate_bn.")
    momenta, before = [layer.momentum for layer in layers], _validation_loss(model, config)
    training = itertools.islice(make_dataset(config, "train"), batches)
    for number, clips in enumerate(progress(training, total=batches, desc="statistics", unit="batch")):
        for layer in layers:
            layer.momentum = number / (number + 1)  # makes the moving average a plain one
        shape = [clips.shape[1] - 1, len(clips), model.z_dim]
        stream = noise.VALIDATION_STREAM
        drawn = noise.step_noise(shape, model.seed, stream, tf.constant(number)) if model.has_latent else None
        model(clips, noise=drawn, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    after = _validation_loss(model, config)
    return {"batches": batches, "validation_loss_before": before, "validation_loss_after": after}


def _validation_loss(model: SVG, config: Config) -> float:
    validation = make_dataset(config, "validation")
    return float(np.mean([model.objective(clips, None, config.beta, training=False)[0].loss for clips in validation]))
