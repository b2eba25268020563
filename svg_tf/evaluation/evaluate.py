"""Evaluation of a model: each test clip is scored once, across interruptions; then the tables are written."""

import dataclasses
import hashlib
import os
import platform
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf.config import Config, ConfigError
from svg_tf.data.errors import DataError
from svg_tf.evaluation import definitions, results, scoring
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
    select: str = "each"
    seed: int = 0
    lpips_weights: str = ""
    fvd_weights: str = ""
    recalibrate_bn: int = 0
    recalibrate_over: str = "clips"
    n_examples: int = 4
    command: str = ""


class _Metrics(NamedTuple):
    """The metrics to compute, what they need, and the reasons for the missing ones."""

    shown: list[definitions.Metric]
    missing: list[dict[str, str]]
    measures: dict[str, definitions.Measure]
    identity: DigitIdentity | None
    features: scoring.VideoFeatures | None


def evaluate(
    config: Config,
    options: Options,
    folder: str,
    model: SVG | None = None,
    compared: dict[str, Any] | None = None,
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
    metrics = _metrics(options, setting, clips.count)
    n_samples = options.n_samples if model.has_latent else 1
    notes = []
    if not model.has_latent:
        notes.append("The model has no latent variable: all samples of a clip are equal, so one is drawn.")
    if clips.count == 1:
        notes.append("One clip was scored, so there is no confidence interval.")
    if 0 < clips.count < options.n_clips:
        notes.append(f"The test set has {clips.count:,} clips, fewer than --n_clips={options.n_clips}.")
    batch = scoring.clips_at_once(model, n_samples, clips.count)
    scorer = scoring.Scorer(
        model,
        clips,
        seed=options.seed,
        n_samples=n_samples,
        n_simulated=options.n_samples,
        batch=batch,
        measures=metrics.measures,
        identity=metrics.identity,
        features=metrics.features,
    )
    data = _digest(clips[[0]])
    key = {
        **{name: value for name, value in dataclasses.asdict(setting.config).items() if name not in _FOLDERS},
        "weights": _digest(*(variable.numpy() for variable in model.variables)),
        "data": data,
        "reflected": setting.reflected,
        "evaluation_seed": options.seed,
        "samples": [n_samples, options.n_samples],
        "batch": batch,
        "definitions": [metric.definition for metric in metrics.shown],
        "program": [tf.__version__, [device.device_type for device in tf.config.list_physical_devices()]],
    }
    store = Store(os.path.join(folder, "scores"), key, scorer.record)
    done = min(len(store), clips.count)
    with progress(total=clips.count, initial=done, unit="clip", desc="evaluate") as bar:
        for first in range(done - done % batch, clips.count, batch):
            for number, record in enumerate(scorer(first), start=first):
                if number == len(store):  # a resumed batch has clips that are stored already
                    store.append(record)
                    bar.update()
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
        "select": options.select,
        "command": options.command,
        "machine": _machine(),
        "protocol": _protocol(setting, options, clips.count),
        "recalibration": recalibration,
        "notes": notes,
    }
    return results.write(folder, facts, metrics.shown, metrics.missing, scorer, store, options.n_examples, compared)


def _with_context(model: SVG, n_past: int) -> SVG:
    """Return the model, or a copy of it that reads n_past context frames."""
    if model.n_past == n_past:
        return model
    other = SVG.from_config({**model.get_config(), "n_past": n_past})
    other.set_weights(model.get_weights())
    return other


def _metrics(options: Options, setting: Setting, n_clips: int) -> _Metrics:
    shown, measures = list(definitions.OF_FRAMES), dict(definitions.MEASURES)
    identity = lpips = features = None
    reasons = {}
    if setting.config.dataset == "smmnist":
        if setting.config.num_digits > 1:
            reasons[definitions.IDENTITY] = "it is defined for clips of one digit"
        else:
            try:
                identity = DigitIdentity(setting.config)
                shown.append(definitions.IDENTITY._replace(definition=identity.definition))
            except DataError as error:
                reasons[definitions.IDENTITY] = str(error)
    if options.lpips_weights:
        from svg_tf.metrics.lpips import Lpips

        lpips = measures["lpips"] = Lpips(options.lpips_weights)
        shown.append(definitions.LPIPS._replace(definition=lpips.definition))
    else:
        reasons[definitions.LPIPS] = "set --lpips_weights"
    if options.fvd_weights and n_clips > 1:
        from svg_tf.metrics.fvd import VideoFeatures

        features = VideoFeatures(options.fvd_weights)
        definition = f"{features.definition} Between the true videos and one sample of each clip, the first."
        shown.append(definitions.FVD._replace(definition=definition))
    else:
        reasons[definitions.FVD] = "it needs two clips" if options.fvd_weights else "set --fvd_weights"
    if options.select not in ("each", *(metric.name for metric in shown if metric.measure)):
        raise ConfigError(f"--select is {options.select}, a metric that is not computed here.")
    missing = [{"name": metric.name, "title": metric.title, "reason": reason} for metric, reason in reasons.items()]
    return _Metrics(shown, missing, measures, identity, features)


def _protocol(setting: Setting, options: Options, n_clips: int) -> dict[str, Any]:
    deviations = list(setting.deviations)
    if setting.n_clips and n_clips < setting.n_clips:
        deviations.append(f"Scored are {n_clips:,} of the protocol's {setting.n_clips:,} test clips.")
    if setting.name != "run" and options.n_samples != N_SAMPLES:
        deviations.append(f"There are {options.n_samples} samples per clip; the protocol has {N_SAMPLES}.")
    if setting.name != "run" and options.select != "each":
        deviations.append(f"{options.select} chooses the best sample for all metrics; in the protocol each its own.")
    if setting.name != "run" and options.recalibrate_bn:
        deviations.append("The statistics of batch normalisation were re-estimated after training.")
    return {
        "name": setting.name,
        "dataset": setting.config.dataset,
        "description": setting.description,
        "n_clips": setting.n_clips,
        "published": setting.published,
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
    for device in tf.config.list_physical_devices("GPU"):
        parts.append(tf.config.experimental.get_device_details(device).get("device_name", "a GPU"))
    return ", ".join([*parts, f"TensorFlow {tf.__version__}"])
