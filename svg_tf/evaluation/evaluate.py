"""Evaluation of a model: each test clip is scored once, across interruptions; then the tables are written."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import platform
import re
import zipfile
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf import files
from svg_tf.config import Config
from svg_tf.data.errors import DataError
from svg_tf.evaluation import definitions, results, scoring
from svg_tf.evaluation.definitions import Metric
from svg_tf.evaluation.protocols import N_SAMPLES, Setting, resolve
from svg_tf.metrics.fvd import VideoFeatures
from svg_tf.metrics.identity import DigitIdentity
from svg_tf.metrics.lpips import Lpips
from svg_tf.models.svg import SVG
from svg_tf.progress import progress
from svg_tf.training.recalibration import recalibrate
from svg_tf.training.run import load_model

_NAMES = {"learned": "SVG-LP", "fixed": "SVG-FP", "none": "deterministic baseline"}
_FORMAT = 3  # of the saved scores; increase it when the same settings give other scores
_FOLDERS = ("run_dir", "data_dir", "cache_dir")  # fields of Config that do not change the scores


class Options(NamedTuple):
    """What to evaluate; see the flags of svg-tf evaluate."""

    checkpoint: str = "best"
    protocol: str = "run"
    n_clips: int = 0
    n_samples: int = 100
    select: str = "own"
    seed: int = 0
    lpips_weights: str = ""
    fvd_weights: str = ""
    recalibrate_bn: int = 0
    command: str = ""


def evaluate(
    config: Config, options: Options, folder: str, model: SVG | None = None, compared: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Score the test clips of a run, write the tables (see `results.write`) and return the content of metrics.json.

    Scores are saved in folder/scores after each batch of clips. The same call resumes an interrupted one and gives the
    same numbers to the last bit. Without a model, the checkpoint of the run is loaded. compared is the result of this
    function for another model, whose rows are added to the tables.

    Raises:
        ConfigError: options that cannot work.
        CheckpointError: the checkpoint is missing, or the weights of a network are damaged.
        DataError: the data is missing or broken.
        KeyboardInterrupt: with a text if scores were saved.
    """
    setting = resolve(options.protocol, config)
    model = _with_context(model or load_model(config, options.checkpoint), setting.config.n_past)
    recalibration = None
    if options.recalibrate_bn:
        recalibration = recalibrate(model, setting.config, options.recalibrate_bn)
    clips = scoring.TestClips(setting, options.n_clips)
    metrics, features, missing = _metrics(options, setting.config, clips.count)
    mean, notes = None, []
    try:
        mean = scoring.training_mean(config)
    except DataError as error:
        notes.append(f"There is no training mean: {error}")
    if not model.has_latent:
        notes.append("The model has no latent variable: all samples of a clip are equal, so one is drawn.")
    if clips.count == 1:
        notes.append("One clip was scored, so there is no confidence interval.")
    if clips.count < options.n_clips:
        notes.append(f"The test set has {clips.count:,} clips, fewer than --n_clips={options.n_clips}.")
    scorer = scoring.Scorer(model, clips, metrics, options.seed, options.n_samples, mean, features)
    data = _digest(clips[[0]])
    key = {
        **{name: value for name, value in dataclasses.asdict(setting.config).items() if name not in _FOLDERS},
        "format": _FORMAT,
        "weights": _digest(*(variable.numpy() for variable in model.variables)),
        "data": [data, None if mean is None else _digest(mean)],
        "reflected": setting.reflected,
        "evaluation_seed": options.seed,
        "samples": [scorer.n_samples, options.n_samples, scorer.batch],
        "definitions": [metric.definition for metric in metrics],
        "program": [tf.__version__, [device.device_type for device in tf.config.list_physical_devices()]],
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    scores = _scored(scorer, clips.count, os.path.join(folder, "scores", name))
    facts = {
        **{name: getattr(options, name) for name in ("checkpoint", "select", "seed", "command")},
        "model": _NAMES[model.prior_type],
        "run_dir": config.run_dir,
        "step": int(model.step.numpy()),
        "dataset": config.dataset,
        "split": "test",
        "data": data,
        "n_clips": clips.count,
        "n_past": setting.config.n_past,
        "n_eval": setting.config.n_eval,
        "n_samples": scorer.n_samples,
        "n_simulated": scorer.n_simulated,
        "machine": _machine(),
        "protocol": _protocol(setting, options, clips.count),
        "recalibration": recalibration,
        "notes": notes,
        "not_computed": missing,
    }
    return results.write(folder, facts, metrics, scorer, scores, compared)


def _scored(scorer: scoring.Scorer, n_clips: int, folder: str) -> dict[str, np.ndarray]:
    """Return the scores of the clips. A batch is read from its file in the folder, or computed and saved there."""
    batches: list[dict[str, np.ndarray]] = []
    with progress(total=n_clips, unit="clip", desc="evaluate") as bar:
        try:
            for first in range(0, n_clips, scorer.batch):
                path, count = os.path.join(folder, f"{first:06d}.npz"), min(scorer.batch, n_clips - first)
                batch: dict[str, np.ndarray] = {}
                with contextlib.suppress(OSError, ValueError, EOFError, zipfile.BadZipFile), np.load(path) as file:
                    batch = dict(file)
                if len(batch.get("model/mse", ())) < count:
                    batch = scorer(first)
                    files.write_with(path, functools.partial(np.savez, **batch))  # type: ignore[arg-type]
                batches.append({name: array[:count] for name, array in batch.items()})
                bar.update(count)
        except KeyboardInterrupt:
            if bar.n:
                raise KeyboardInterrupt(f"{bar.n} of {n_clips} clips are scored") from None
            raise
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _with_context(model: SVG, n_past: int) -> SVG:
    """Return the model, or a copy of it that reads n_past context frames."""
    if model.n_past == n_past:
        return model
    other = SVG.from_config({**model.get_config(), "n_past": n_past})
    other.set_weights(model.get_weights())
    return other


def _metrics(options: Options, config: Config, n_clips: int) -> tuple[list[Metric], Any, list[dict[str, str]]]:
    """Return the metrics to compute, the network of FVD or None, and the missing metrics with reasons."""
    metrics, features, missing = list(definitions.METRICS), None, []
    if config.dataset == "smmnist":
        try:
            identity = DigitIdentity(config)
            metrics.append(Metric("identity", "Digit kept", "", "higher", identity.definition, identity.measure))
        except DataError as error:
            missing.append({"name": "identity", "title": "Digit kept", "reason": str(error)})
    if options.lpips_weights:
        lpips = Lpips(options.lpips_weights)
        metrics.append(Metric("lpips", "LPIPS", "", "lower", lpips.definition, lpips.measure))
    else:
        missing.append({"name": "lpips", "title": "LPIPS", "reason": "set --lpips_weights"})
    if options.fvd_weights and n_clips > 1:
        features = VideoFeatures(options.fvd_weights)
        definition = f"{features.definition} Between the true videos and one sample of each clip, the first."
        metrics.append(Metric("fvd", "FVD", "", "lower", definition))
    else:
        reason = "it needs two clips" if options.fvd_weights else "set --fvd_weights"
        missing.append({"name": "fvd", "title": "FVD", "reason": reason})
    return metrics, features, missing


def _protocol(setting: Setting, options: Options, n_clips: int) -> dict[str, Any]:
    deviations = list(setting.deviations)
    if setting.n_clips and n_clips != setting.n_clips:
        deviations.append(f"{n_clips:,} test clips are scored; the protocol has {setting.n_clips:,}.")
    if setting.name != "run":
        if options.n_samples != N_SAMPLES:
            deviations.append(f"There are {options.n_samples} samples per clip; the protocol has {N_SAMPLES}.")
        if options.select != "own":
            deviations.append("One metric chooses the best sample; in the protocol each metric chooses its own.")
        if options.recalibrate_bn:
            deviations.append("The statistics of batch normalisation were re-estimated after training.")
    facts = {name: getattr(setting, name) for name in ("name", "description", "n_clips")}
    published = list(setting.published)
    return {**facts, "dataset": setting.config.dataset, "published": published, "deviations": deviations}


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _machine() -> str:
    """Return the processor, its cores, the GPUs and the version of TensorFlow in one line."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        processor = next(iter(re.findall(r"^model name\s*: (.*)", file.read(), re.MULTILINE)), processor)
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    names = [details.get("device_name", "a GPU") for details in gpus]
    return ", ".join([f"{processor}, {os.cpu_count()} cores", *names, f"TensorFlow {tf.__version__}"])
