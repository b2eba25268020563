"""Exports a model to TFLite files, each compared with TensorFlow before it is kept."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from svg_tf import files, noise, rollout
from svg_tf.models.svg import SVG
from svg_tf.serving import saving
from svg_tf.tflite import checks, conversion, functions
from svg_tf.tflite.checks import Quality
from svg_tf.tflite.conversion import ConversionError

_FUNCTIONS = {"step": ("observe", "step"), "rollout": ("rollout",)}  # by the kind of file


class Row(NamedTuple):
    """One file of the table."""

    name: str
    refused: str = ""  # why the file was not written
    megabytes: float = 0.0  # of 1,000,000 bytes
    quality: Quality | None = None
    frame_ms: float = 0.0  # milliseconds per frame on one thread


def export(
    model: SVG,
    clips: np.ndarray,
    folder: str,
    *,
    calibration: np.ndarray | None = None,
    variants: Sequence[str] = conversion.VARIANTS,
    horizon: int = 10,
    tolerance: float = 0.1,
) -> list[Row]:
    """Write step_<variant>.tflite and rollout_<variant>.tflite, and a table of what was tried, table.md.

    A file is replaced only by one that passes the checks: a refused conversion leaves the previous file as it was.
    The table is written after each file, so an interrupted export keeps its finished rows.

    Args:
        model: a trained model.
        clips: test clips, uint8 [N, T', H, W, C] with T' > n_past, on which the files are compared with TensorFlow.
        folder: where to write; created if missing.
        calibration: validation clips, uint8 [M, T'', H, W, C] with T'' >= n_past, from whose futures int8 measures its
            ranges; the variant int8 needs them.
        variants: some of `conversion.VARIANTS`.
        horizon: T, the frames predicted by `rollout` and in the comparison.
        tolerance: largest loss of PSNR to the true future, in dB.

    Returns:
        The rows of the table.
    """
    contexts, future = np.split(clips / np.float32(255), [model.n_past], axis=1)
    eps = _noise(model, len(clips), 1, horizon)
    reference = _futures(model, contexts, eps)[:, 0]
    measured = None
    if calibration is not None:
        past = calibration[:, : model.n_past] / np.float32(255)
        measured = past, _noise(model, len(past), 1, horizon)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="svg_tf_") as workspace:
        saved_model = os.path.join(workspace, "saved_model")
        copy = saving.float32_copy(model, unroll=True)
        saving.save(copy, functions.build(copy, horizon), saved_model)
        for variant in variants:
            for kind, names in _FUNCTIONS.items():
                row = Row(f"{kind}_{variant}.tflite")
                path = os.path.join(workspace, row.name)
                logging.info("converting %s", row.name)
                try:
                    frames, frame_ms = conversion.convert(saved_model, names, variant, contexts, eps, path, measured)
                    quality = checks.compare(frames[:, 0], reference, future)
                    refused = checks.find_fault(path, copy, variant, frames, quality, tolerance)
                    row = Row(row.name, refused, os.path.getsize(path) / 1e6, quality, frame_ms)
                except ConversionError as error:
                    row = row._replace(refused=str(error))
                if row.refused:
                    logging.warning("%s is refused: %s", row.name, row.refused)
                else:
                    _copy(path, os.path.join(folder, row.name))
                rows.append(row)
                files.write_text(os.path.join(folder, "table.md"), markdown(rows, len(clips), horizon))
    return rows


def export_step(model: SVG, path: str, batch: int = 12) -> str:
    """Write one float32 file with `observe` and `step` for several futures of one context, as the browser page uses it.

    See `functions.build` for the inputs and outputs, with S = batch. `step` also returns `prior_stddev` [S, Z] if the
    prior is learned. The weights are not rounded to float16: the converter folds batch normalization into them, and the
    rounding of the products grows to 0.003 in a pixel after six frames.

    Args:
        model: a trained model.
        path: the file to write.
        batch: S, the futures drawn at once.

    Returns:
        The path.

    Raises:
        ConversionError: the conversion failed, or the frames differ from TensorFlow's. A previous file stays.
    """
    horizon = 10
    shape = [1, model.n_past, model.image_size, model.image_size, model.channels]
    contexts, eps = np.random.default_rng(0).random(shape, np.float32), _noise(model, 1, batch, horizon)
    reference = _futures(model, contexts, eps)
    with tempfile.TemporaryDirectory(prefix="svg_tf_") as workspace:
        saved_model, made = os.path.join(workspace, "saved_model"), os.path.join(workspace, "step.tflite")
        copy = saving.float32_copy(model, unroll=True)
        saving.save(copy, functions.build(copy, horizon, batch, prior_stddev=True), saved_model)
        frames, _ = conversion.convert(saved_model, _FUNCTIONS["step"], "float32", contexts, eps, made)
        quality = checks.compare(frames[0], reference[0], reference[0])
        fault = checks.find_fault(made, copy, "float32", frames, quality, float("inf"))
        if fault:
            raise ConversionError(f"{path} is refused: {fault}")
        _copy(made, path)
    return path


def markdown(rows: Sequence[Row], clips: int, horizon: int) -> str:
    """Return the table as Markdown."""
    lines = [
        "| file | MB | PSNR to TensorFlow, dB | loss of PSNR, dB | ms per frame |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        if row.quality is None:
            cells = ["", "", "", ""]
        else:
            loss = f"{row.quality.psnr_loss:.3f} ± {row.quality.psnr_loss_error:.3f}"
            cells = [f"{row.megabytes:.2f}", f"{row.quality.psnr_to_tensorflow:.1f}", loss, f"{row.frame_ms:.2f}"]
        lines.append(f"| {' | '.join([row.name + (' (refused)' if row.refused else ''), *cells])} |")
    lines += ["", *(f"- {row.name} was not written: {row.refused}." for row in rows if row.refused)]
    lines += [
        f"{clips} test clips, one future of {horizon} frames of each, with the same noise in TensorFlow and in TFLite.",
        "PSNR to TensorFlow: the first 10 frames. Loss: PSNR to the true future, TensorFlow's less the file's, with",
        "its standard error. Time: the least of five repetitions on one thread, the context included.",
    ]
    return "\n".join(lines) + "\n"


def _noise(model: SVG, clips: int, samples: int, horizon: int) -> np.ndarray:
    """Return noise as the files take it, float32 [N, S, P-1+T, Z]."""
    seeds = tf.constant(noise.sample_seeds(0, range(clips), samples))
    return noise.rollout_noise(seeds, model.n_past - 1 + horizon, model.z_dim).numpy().transpose(1, 2, 0, 3)


def _futures(model: SVG, contexts: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """Draw TensorFlow's futures, float32 [N, S, T, H, W, C]."""
    draw = tf.function(lambda contexts, eps: rollout.roll_out(model, contexts, eps).frames, autograph=False)
    return draw(tf.constant(contexts), tf.constant(eps.transpose(2, 0, 1, 3))).numpy()


def _copy(source: str, path: str) -> None:
    files.write_with(path, lambda temporary: shutil.copyfile(source, temporary))
