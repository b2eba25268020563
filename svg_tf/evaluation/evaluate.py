"""Evaluation of a model: each test clip is scored once, across interruptions; then the tables are written."""

import dataclasses
import hashlib
import os
import platform
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.errors import DataError
from svg_tf.evaluation import definitions, results, scoring
from svg_tf.evaluation.definitions import Metric
from svg_tf.evaluation.protocols import N_SAMPLES, Setting, resolve
from svg_tf.evaluation.store import Store
from svg_tf.metrics.identity import DigitIdentity
from svg_tf.models.svg import SVG
from svg_tf.progress import progress

_NAMES = {"learned": "SVG-LP", "fixed": "SVG-FP", "none": "deterministic baseline"}
_FOLDERS = ("run_dir", "data_dir", "cache_dir")  # fields of Config that do not change the scores


class Options(NamedTuple):
    """What to evaluate; see the flags of svg-tf evaluate."""

    checkpoint: str = "best"
    protocol: str = "run"
    n_clips: int = 0
    n_samples: int = 100
    seed: int = 0
    lpips_weights: str = ""
    fvd_weights: str = ""
    recalibrate_bn: int = 0
    recalibrate_over: str = "clips"
    command: str = ""


def evaluate(
    config: Config, options: Options, folder: str, model: SVG | None = None, compared: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Score the test clips of a run and write the tables, see `results.write`.

    Scores are saved in folder/scores after each batch of clips. The same call resumes an interrupted one and gives the
    same numbers to the last bit. Memory use does not grow with the number of samples.

    Args:
        config: of the run.
        options: what to evaluate.
        folder: folder to write to.
        model: the trained model; by default the checkpoint of the run.
        compared: result of this function for another model, whose rows are added to the tables.

    Returns:
        The content of folder/metrics.json.

    Raises:
        ConfigError: options that cannot work.
        CheckpointError: the checkpoint is missing, or the weights of a network are damaged.
        DataError: the data is missing or broken.
    """
    setting = resolve(options.protocol, config)
    if model is None:
        from svg_tf.training.run import load_model

        model = load_model(config, options.checkpoint)
    model = _with_context(model, setting.config.n_past)
    recalibration = None
    if options.recalibrate_bn:
        from svg_tf.training.recalibration import recalibrate

        recalibration = recalibrate(model, setting.config, options.recalibrate_bn, options.recalibrate_over)
    clips = scoring.TestClips(setting, options.n_clips)
    metrics, features, missing = _metrics(options, setting.config, clips.count)
    n_samples = options.n_samples if model.has_latent else 1
    batch = scoring.clips_at_once(model, n_samples, clips.count)
    scorer = scoring.Scorer(
        model,
        clips,
        [metric for metric in metrics if metric.measure],
        seed=options.seed,
        n_samples=n_samples,
        n_simulated=options.n_samples,
        batch=batch,
        features=features,
    )
    data = _digest(clips[[0]])
    key = {
        **{name: value for name, value in dataclasses.asdict(setting.config).items() if name not in _FOLDERS},
        "weights": _digest(*(variable.numpy() for variable in model.variables)),
        "data": data,
        "reflected": setting.reflected,
        "evaluation_seed": options.seed,
        "samples": [n_samples, options.n_samples],
        "definitions": [metric.definition for metric in metrics],
        "program": [tf.__version__, [device.device_type for device in tf.config.list_physical_devices()]],
    }
    store = Store(os.path.join(folder, "scores"), key, batch)
    with progress(total=clips.count, unit="clip", desc="evaluate") as bar:
        for first in range(0, clips.count, batch):
            count = min(batch, clips.count - first)
            if len(store.read(first)) < count:
                store.write(first, scorer(first))
            bar.update(count)
    facts = {
        "model": _NAMES[model.prior_type],
        "run_dir": config.run_dir,
        "checkpoint": options.checkpoint,
        "step": int(model.step.numpy()),
        "dataset": config.dataset,
        "split": "test",
        "data": data,
        "n_clips": clips.count,
        "n_past": setting.config.n_past,
        "n_eval": setting.config.n_eval,
        "n_samples": n_samples,
        "n_simulated": options.n_samples if clips.simulated else 0,
        "seed": options.seed,
        "command": options.command,
        "machine": _machine(),
        "protocol": _protocol(setting, options, clips.count),
        "recalibration": recalibration,
        "notes": _notes(model, options, clips.count),
    }
    return results.write(folder, facts, metrics, missing, scorer, store, compared)


def _notes(model: SVG, options: Options, n_clips: int) -> list[str]:
    notes = []
    if not model.has_latent:
        notes.append("The model has no latent variable: all samples of a clip are equal, so one is drawn.")
    if n_clips == 1:
        notes.append("One clip was scored, so there is no confidence interval.")
    if n_clips < options.n_clips:
        notes.append(f"The test set has {n_clips:,} clips, fewer than --n_clips={options.n_clips}.")
    return notes


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
        from svg_tf.metrics.lpips import Lpips

        lpips = Lpips(options.lpips_weights)
        metrics.append(Metric("lpips", "LPIPS", "", "lower", lpips.definition, lpips.measure))
    else:
        missing.append({"name": "lpips", "title": "LPIPS", "reason": "set --lpips_weights"})
    if options.fvd_weights and n_clips > 1:
        from svg_tf.metrics.fvd import VideoFeatures

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
    if setting.name != "run" and options.n_samples != N_SAMPLES:
        deviations.append(f"There are {options.n_samples} samples per clip; the protocol has {N_SAMPLES}.")
    if setting.name != "run" and options.recalibrate_bn:
        deviations.append("The statistics of batch normalisation were re-estimated after training.")
    return {
        "name": setting.name,
        "dataset": setting.config.dataset,
        "description": setting.description,
        "n_clips": setting.n_clips,
        "published": list(setting.published),
        "deviations": deviations,
    }


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _machine() -> str:
    """Return the processor, its cores, the GPUs and the version of TensorFlow in one line."""
    processor = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        processor = names[0] if names else processor
    parts = [f"{processor}, {os.cpu_count()} cores"]
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    parts += [details.get("device_name", "a GPU") for details in gpus]
    return ", ".join([*parts, f"TensorFlow {tf.__version__}"])
