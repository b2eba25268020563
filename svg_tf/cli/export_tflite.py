"""Export a model to TFLite files for phones and small boards: svg-tf export-tflite --run_dir=runs/demo."""

import importlib.util
import os
import sys

import numpy as np
from absl import flags

from svg_tf.cli import run_flags
from svg_tf.serving import ExportError
from svg_tf.tflite.conversion import VARIANTS

_CALIBRATION_CLIPS = 16
_VARIANTS = flags.DEFINE_multi_enum(
    "variant",
    list(VARIANTS),
    list(VARIANTS),
    "number format: float32; float16 weights; dynamic_int8, int8 weights with activations quantized on the fly; or "
    "int8, the same with ranges measured beforehand. Repeat the flag for several.",
)
_ROLLOUT_FRAMES = flags.DEFINE_integer(
    "rollout_frames", 0, "frames predicted by the rollout files; 0: n_future", lower_bound=0
)
_N_CLIPS = flags.DEFINE_integer("n_clips", 50, "test clips on which files are compared with TensorFlow", lower_bound=1)
_TOLERANCE_DB = flags.DEFINE_float(
    "tolerance_db", 0.1, "refuse a file that loses more PSNR, beyond two standard errors, in dB", lower_bound=0
)
_OUT = flags.DEFINE_string("out", "", "folder to write to; empty: RUN_DIR/export/tflite")


def run() -> None:
    """Export the model and print the table."""
    folder = run_flags.folder_to_write(_OUT.value, "export", "tflite")
    if importlib.util.find_spec("ai_edge_quantizer") is None:
        raise ExportError("the package ai-edge-quantizer is not installed; run pip install ai-edge-quantizer")
    config, model = run_flags.load()
    from svg_tf.data.dataset import make_dataset
    from svg_tf.tflite import export

    def clips(split: str, count: int) -> np.ndarray:
        return np.concatenate(list(make_dataset(config, split, n_clips=count).as_numpy_iterator()))

    variants = list(dict.fromkeys(_VARIANTS.value))
    rows = export.export(
        model,
        clips("test", _N_CLIPS.value),
        folder,
        calibration=clips("validation", _CALIBRATION_CLIPS) if "int8" in variants else None,
        variants=variants,
        horizon=_ROLLOUT_FRAMES.value or config.n_future,
        tolerance=_TOLERANCE_DB.value,
    )
    with open(os.path.join(folder, "table.md"), encoding="utf-8") as file:
        print(file.read())
    print(f"wrote {folder}")
    if all(row.refused for row in rows):
        sys.exit("error: every file was refused; the table says why")
