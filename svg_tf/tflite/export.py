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
from svg_tf.tflite.conversion import ConversionError, Inputs

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
    """Write step_<variant>.tflite and rollout_<variant>.tflite, and their table, table.md; return its rows.

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
    """
    contexts, future = np.split(clips / np.float32(255), [model.n_past], axis=1)
    inputs, measured = _inputs(model, contexts, 1, horizon), None
    if calibration is not None:
        measured = _inputs(model, calibration[:, : model.n_past] / np.float32(255), 1, horizon)
    reference = _futures(model, inputs)[:, 0]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="svg_tf_") as workspace:
        saved_model = _save(model, workspace, horizon)
        for variant in variants:
            for kind, names in _FUNCTIONS.items():
                row = Row(f"{kind}_{variant}.tflite")
                path = os.path.join(workspace, row.name)
                logging.info("converting %s", row.name)
                try:
                    frames, frame_ms = conversion.convert(saved_model, names, variant, inputs, path, measured)
                    quality = checks.compare(frames[:, 0], reference, future)
                    refused = checks.find_fault(path, model, variant, frames, quality, tolerance)
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
    """Write a float32 file for several futures of one context, which the browser page uses, and return its path.

    See `functions.build` for the inputs and outputs of `observe` and `step`, with S = batch. `step` also returns
    `prior_stddev` [S, Z] if the prior is learned. The weights are not rounded to float16: the converter folds batch
    normalization into them, and the rounding of the products grows to 0.003 in a pixel after six frames.

    Raises:
        ConversionError: the conversion failed, or the frames differ from TensorFlow's. A previous file stays.
    """
    horizon, shape = 10, [1, model.n_past, model.image_size, model.image_size, model.channels]
    inputs = _inputs(model, np.random.default_rng(0).random(shape, np.float32), batch, horizon)
    reference = _futures(model, inputs)[0]
    with tempfile.TemporaryDirectory(prefix="svg_tf_") as workspace:
        saved_model, made = _save(model, workspace, horizon, batch, prior_stddev=True), f"{workspace}/step.tflite"
        frames, _ = conversion.convert(saved_model, _FUNCTIONS["step"], "float32", inputs, made)
        quality = checks.compare(frames[0], reference, reference)
        if fault := checks.find_fault(made, model, "float32", frames, quality, float("inf")):
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
        cells = ["", "", "", ""]
        if row.quality is not None:
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


def _save(model: SVG, workspace: str, horizon: int, samples: int = 1, prior_stddev: bool = False) -> str:
    """Save the functions of the files as a SavedModel and return its folder."""
    folder, copy = os.path.join(workspace, "saved_model"), saving.float32_copy(model, unroll=True)
    saving.save(copy, functions.build(copy, horizon, samples, prior_stddev=prior_stddev), folder)
    return folder


def _inputs(model: SVG, contexts: np.ndarray, samples: int, horizon: int) -> Inputs:
    seeds = tf.constant(noise.sample_seeds(0, range(len(contexts)), samples))
    eps = noise.rollout_noise(seeds, model.n_past - 1 + horizon, model.z_dim).numpy()  # [P-1+T, N, S, Z]
    return contexts, eps.transpose(1, 2, 0, 3)


def _futures(model: SVG, inputs: Inputs) -> np.ndarray:
    """Draw TensorFlow's futures, float32 [N, S, T, H, W, C]."""
    draw = tf.function(lambda contexts, eps: rollout.roll_out(model, contexts, eps).frames, autograph=False)
    return draw(tf.constant(inputs[0]), tf.constant(inputs[1].transpose(2, 0, 1, 3))).numpy()


def _copy(source: str, path: str) -> None:
    files.write_with(path, lambda temporary: shutil.copyfile(source, temporary))
