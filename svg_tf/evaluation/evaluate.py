"""The evaluation of a run: every test clip scored once, whatever interrupts it, then the tables."""

import dataclasses
import hashlib
import os
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from svg_tf.config import Config, ConfigError
from svg_tf.data.errors import DataError
from svg_tf.evaluation import definitions, machine, measures, predictors, results
from svg_tf.evaluation.clips import TestClips
from svg_tf.evaluation.protocols import N_SAMPLES, Setting, resolve
from svg_tf.evaluation.scoring import Scorer
from svg_tf.evaluation.store import Store
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints

# Fields of Config that decide no score: places, and what only training reads beyond the weights that it made.
_PLACES = ("run_dir", "data_dir", "cache_dir")


class Options(NamedTuple):
    """What to evaluate; see the flags of bin/evaluate.py."""

    checkpoint: str = "best"
    protocol: str = "run"
    n_clips: int = 0
    n_samples: int = 100
    select: str = "each"
    seed: int = 0
    lpips_weights: str = ""
    fvd_weights: str = ""
    recalibrate_bn: int = 0
    recalibrate_over: str = "clips"
    n_examples: int = 4
    command: str = ""


class _Networks(NamedTuple):
    lpips: Any  # metrics.lpips.LPIPS, or None
    fvd: Any  # metrics.fvd's features of videos, or None


def evaluate(config: Config, options: Options, folder: str) -> dict[str, Any]:
    """Scores a run's test clips and writes the tables, see results.write.

    What was scored is kept in folder/scores, clip by clip: the same call goes on where an interrupted one stopped, and
    ends with the same numbers to the last bit. Memory depends neither on the clips nor on the samples.

    Args:
        config: of the run.
        options: what to evaluate.
        folder: where to write.

    Returns:
        What is in folder/metrics.json.

    Raises:
        ConfigError: options that cannot work.
        CheckpointError: no such checkpoint, or a network's weights are damaged.
        DataError: the data is missing or broken.
    """
    setting = resolve(options.protocol, config)
    networks = _load_networks(options)
    model = SVG(setting.config)
    path = checkpoints.load_weights(model, config.run_dir, options.checkpoint)
    recalibration = None
    if options.recalibrate_bn:
        from svg_tf.training.recalibration import recalibrate

        recalibration = recalibrate(model, setting.config, options.recalibrate_bn, options.recalibrate_over)
    clips = TestClips(setting)
    n_clips = min(options.n_clips or clips.count, clips.count)
    metrics, missing = _metrics(options, networks, n_clips)  # fails before work is lost
    n_samples = options.n_samples if model.has_latent else 1
    try:
        mean_frame = predictors.training_mean(config)
    except DataError as error:
        mean_frame, no_mean = None, f"There is no training mean: {error}."
    else:
        no_mean = ""
    scorer = Scorer(
        model,
        clips,
        seed=options.seed,
        n_samples=n_samples,
        n_simulated=options.n_samples,
        mean_frame=mean_frame,
        measures=measures.with_lpips(networks.lpips),
        features=networks.fvd,
    )
    key = {
        **{name: value for name, value in dataclasses.asdict(setting.config).items() if name not in _PLACES},
        "weights": _digest(*(variable.numpy() for variable in model.variables)),
        "data": _digest(clips[0], *([] if mean_frame is None else [mean_frame])),
        "reflected": setting.reflected,
        "evaluation_seed": options.seed,
        "samples": [n_samples, options.n_samples],
        "networks": [network.definition for network in networks if network is not None],
        "program": [tf.__version__, [device.device_type for device in tf.config.list_physical_devices()]],
    }
    store = Store(os.path.join(folder, "scores"), key, scorer.record)
    done = min(len(store), n_clips)
    with tqdm(total=n_clips, initial=done, unit="clip", desc="evaluate", dynamic_ncols=True) as bar:
        for number in range(done, n_clips):
            store.append(scorer(number))
            bar.update()
    facts = {
        "model": {"learned": "SVG-LP", "fixed": "SVG-FP", "none": "deterministic baseline"}[config.prior],
        "run_dir": config.run_dir,
        "checkpoint": os.path.basename(path),
        "step": int(model.updates.numpy()),
        "dataset": config.dataset,
        "split": "test",
        "n_clips": n_clips,
        "n_past": setting.config.n_past,
        "n_eval": setting.config.n_eval,
        "n_samples": n_samples,
        "n_simulated": options.n_samples if clips.simulated else 0,
        "seed": options.seed,
        "select": options.select,
        "command": options.command,
        "machine": machine.describe(),
        "protocol": _protocol(setting, options, n_clips),
        "recalibration": recalibration,
        "notes": [*_notes(model, n_clips), *([no_mean] if no_mean else [])],
    }
    return results.write(folder, facts, metrics, missing, scorer, store, options.n_examples)


def _load_networks(options: Options) -> _Networks:
    lpips = fvd = None
    if options.lpips_weights:
        from svg_tf.metrics import lpips as lpips_module

        lpips = lpips_module.load(options.lpips_weights)
    if options.fvd_weights:
        from svg_tf.metrics import fvd as fvd_module

        fvd = fvd_module.load(options.fvd_weights)
    return _Networks(lpips, fvd)


def _metrics(
    options: Options, networks: _Networks, n_clips: int
) -> tuple[list[definitions.Metric], list[dict[str, str]]]:
    """The metrics that are computed, and why the others are not."""
    metrics, missing = list(definitions.OF_FRAMES), []
    for metric, network, flag in (
        (definitions.LPIPS, networks.lpips, "lpips_weights"),
        (definitions.FVD, networks.fvd, "fvd_weights"),
    ):
        reason = f"no weights given (--{flag})" if network is None else ""
        if not reason and metric is definitions.FVD and n_clips < 2:
            reason = "a distance of distributions needs two clips"
        if reason:
            missing.append({"name": metric.name, "title": metric.title, "reason": reason})
        else:
            metrics.append(metric._replace(definition=network.definition))
    if options.select not in ("each", *(metric.name for metric in metrics if metric is not definitions.FVD)):
        raise ConfigError(f"select is {options.select}, which is not computed here")
    return metrics, missing


def _protocol(setting: Setting, options: Options, n_clips: int) -> dict[str, Any]:
    deviations = list(setting.deviations)
    if setting.n_clips and n_clips < setting.n_clips:
        deviations.append(f"Of the protocol's {setting.n_clips:,} test clips {n_clips:,} are scored.")
    if setting.name != "run" and options.n_samples != N_SAMPLES:
        deviations.append(f"The number of samples of a clip is {options.n_samples}, the protocol's {N_SAMPLES}.")
    if setting.name != "run" and options.select != "each":
        deviations.append(f"{options.select} chooses the best sample for all metrics, each its own in the protocol.")
    if setting.name != "run" and options.recalibrate_bn:
        deviations.append("The statistics of batch normalisation were estimated anew after training.")
    return {
        "name": setting.name,
        "dataset": setting.config.dataset,
        "description": setting.description,
        "n_clips": setting.n_clips,
        "published": setting.published,
        "deviations": deviations,
    }


def _notes(model: SVG, n_clips: int) -> list[str]:
    notes = []
    if not model.has_latent:
        notes.append("The model has no latent, so all samples of a clip are equal: one is drawn.")
    if n_clips == 1:
        notes.append("One clip was scored, which gives no confidence interval.")
    return notes


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
