"""A run's files for devices: converted, tried, timed, and kept only if they are what they should be."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from svg_tf import files, visualization
from svg_tf.config import Config
from svg_tf.models.svg import SVG
from svg_tf.tflite import contents as tflite_contents
from svg_tf.tflite import conversion as tflite_conversion
from svg_tf.tflite import module as tflite_module
from svg_tf.tflite import table as tflite_table
from svg_tf.tflite import timing as tflite_timing
from svg_tf.tflite.conversion import ConversionError
from svg_tf.tflite.device import Device
from svg_tf.tflite.quality import Quality
from svg_tf.tflite.table import Row
from svg_tf.tflite.trial import Trial, save_calibration
from svg_tf.training import checkpoints

_FUNCTIONS = {"step": ("observe", "step"), "rollout": ("rollout",)}  # by the kind of file
_SHOWN_CLIPS = 4


def export(
    config: Config,
    *,
    checkpoint: str,
    variants: Sequence[str],
    horizon: int,
    calibration_clips: int,
    n_clips: int,
    tolerance: float,
    folder: str,
) -> list[Row]:
    """Writes step_<variant>.tflite and rollout_<variant>.tflite, table.md, table.json and futures.gif.

    A file that is refused is not there, nor is one of that name from before.

    Args:
        config: of the run.
        checkpoint: best, latest or a step.
        variants: some of `tflite_conversion.VARIANTS`.
        horizon: T, predicted frames of `rollout`, and of the trial of all files.
        calibration_clips: training clips from which int8 takes its ranges.
        n_clips: test clips of the trial.
        tolerance: largest loss of PSNR to the true future against float32, in dB.
        folder: where to write.

    Returns:
        The rows of the table, TensorFlow's first.

    Raises:
        CheckpointError: the run has no such checkpoint.
        DataError: the data is missing or damaged.
    """
    config = config.replace(mixed_precision="off")
    model = SVG(config)
    path = checkpoints.load_weights(model, config.run_dir, checkpoint)
    trial = Trial.of(model, n_clips, horizon)
    rows: list[Row] = []
    futures: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory(prefix="svg_tf_") as workspace:
        sources = _Sources.save(model, workspace, horizon, calibration_clips if "int8" in variants else 0)
        for variant in variants:
            for kind in _FUNCTIONS:
                row, frames = _made(kind, variant, sources, trial, tolerance, folder)
                rows.append(row)
                if kind == "step" and frames is not None and not row.refused:
                    futures[variant] = frames
        logging.info("timing the files and TensorFlow")
        sample = trial.contexts[0], trial.eps[0]
        rows = [
            *_tensorflow_rows(sources.looped, sample, Quality.of(trial.reference, trial.reference, trial.future)),
            *(_timed(row, os.path.join(folder, row.name), sample) for row in rows),
        ]
    tflite_table.write(folder, rows, _notes(path, trial, horizon))
    images = visualization.animation(_pictures(trial, futures), config.n_past)
    visualization.write_gif(os.path.join(folder, "futures.gif"), images)
    return rows


class _Sources(NamedTuple):
    """What the files are converted from; paths."""

    looped: str  # SavedModels, by how `rollout` is laid out
    unrolled: str
    calibration: str
    kernels: list[int]  # see `tflite_contents.fault`

    @classmethod
    def save(cls, model: SVG, workspace: str, horizon: int, calibration_clips: int) -> "_Sources":
        looped, unrolled, calibration = (
            os.path.join(workspace, name) for name in ("looped", "unrolled", "calibration.npz")
        )
        sources = cls(looped, unrolled, calibration, tflite_contents.kernel_sizes(model))
        tflite_module.save(model, sources.looped, horizon, looped=True)
        if calibration_clips:
            # The calibration of a loop ends the converter's process.
            tflite_module.save(model, sources.unrolled, horizon, looped=False)
            save_calibration(model.config, calibration_clips, horizon, sources.calibration)
        return sources


def _made(
    kind: str, variant: str, sources: _Sources, trial: Trial, tolerance: float, folder: str
) -> tuple[Row, np.ndarray | None]:
    """Converts and tries one file and keeps it, or not; its row, and its futures [B, T, H, W, C] if it gave any."""
    row, frames = Row(f"{kind}_{variant}.tflite"), None
    made = os.path.join(os.path.dirname(sources.looped), row.name)
    kept = os.path.join(folder, row.name)
    logging.info("converting %s", row.name)
    saved_model = sources.unrolled if variant == "int8" else sources.looped
    try:
        tflite_conversion.convert(saved_model, _FUNCTIONS[kind], variant, sources.calibration, made)
    except ConversionError as error:
        row = row._replace(refused=str(error))
    else:
        row, frames = _tried(row, made, variant, sources.kernels, trial, tolerance)
    if row.refused:
        logging.warning("%s is refused: %s", row.name, row.refused)
        with contextlib.suppress(FileNotFoundError):
            os.remove(kept)
    else:
        files.write_with(kept, lambda aside: shutil.copyfile(made, aside))
    return row, frames


def _tried(
    row: Row, path: str, variant: str, kernels: list[int], trial: Trial, tolerance: float
) -> tuple[Row, np.ndarray | None]:
    """As _made, of a file that was converted."""
    try:
        fault = tflite_contents.fault(tflite_contents.read(path), variant, kernels)
        if fault:
            return row._replace(refused=fault), None
        device = Device(path, threads=2)
        frames = np.stack([device.futures(*clip) for clip in zip(trial.contexts, trial.eps, strict=True)])
    except (ValueError, RuntimeError) as error:
        return row._replace(refused=f"the interpreter does not take it: {' '.join(str(error).split())[:300]}"), None
    if not np.all(np.isfinite(frames)):
        return row._replace(refused="its frames are not finite"), None
    quality = Quality.of(frames, trial.reference, trial.future)
    size = os.path.getsize(path) / 1e6
    return row._replace(size_mb=size, quality=quality, refused=quality.fault(variant, tolerance)), frames


def _timed(row: Row, path: str, sample: tuple[np.ndarray, np.ndarray]) -> Row:
    if row.refused:
        return row
    times = [tflite_timing.of_device(path, *sample, threads) for threads in tflite_timing.THREADS]
    name = "step" if "step" in times[0] else "rollout"
    return row._replace(observe_ms=times[0].get("observe"), frame_ms=[each[name] for each in times])


def _tensorflow_rows(saved_model: str, sample: tuple[np.ndarray, np.ndarray], quality: Quality) -> list[Row]:
    times = [tflite_timing.of_tensorflow(saved_model, *sample, threads) for threads in tflite_timing.THREADS]
    step = Row("TensorFlow, step", None, quality, times[0]["observe"], [each["step"] for each in times])
    return [step, Row("TensorFlow, rollout", None, quality, None, [each["rollout"] for each in times])]


def _notes(path: str, trial: Trial, horizon: int) -> list[str]:
    clips, known = len(trial.contexts), min(horizon, trial.future.shape[1])
    return [
        f"Weights: {path}. Trial: one future of each of {clips} test clips, the same noise for every file.",
        "dB to TF and max error: against TensorFlow's float32 frames, over the first "
        f"{min(horizon, 10)} predicted frames.",
        f"PSNR: against the true future, {known} frames.",
        "Times: the least of several repetitions, batch 1, while other processes may share the cores; those of a "
        f"rollout are of {horizon} frames, the context's included.",
    ]


def _pictures(trial: Trial, futures: dict[str, np.ndarray]) -> list[list[visualization.Row]]:
    """The first clips: the truth, TensorFlow's future, and that of every kept variant, for the same noise."""
    shown = min(trial.reference.shape[1], trial.future.shape[1])
    pictures = []
    for clip in range(min(_SHOWN_CLIPS, len(trial.contexts))):
        videos = {"Truth": trial.future, "TensorFlow": trial.reference, **futures}
        pictures.append(
            [
                visualization.Row(
                    name,
                    np.concatenate([trial.contexts[clip], frames[clip, :shown]]),
                    "truth" if name == "Truth" else "prediction",
                )
                for name, frames in videos.items()
            ]
        )
    return pictures
