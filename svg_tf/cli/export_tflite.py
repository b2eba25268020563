"""Makes a run's files for devices: python export/tflite.py --run_dir=runs/demo"""

import os
import sys

from absl import flags

from svg_tf.cli import flags as command
from svg_tf.cli import run_flags
from svg_tf.config import ConfigError
from svg_tf.tflite import conversion as tflite_conversion
from svg_tf.tflite import device as tflite_device

flags.adopt_module_key_flags(run_flags)  # --help shows them
_VARIANTS = flags.DEFINE_list(
    "variants",
    list(tflite_conversion.VARIANTS),
    "number formats, by commas: float32; float16 (weights); dynamic_int8 (weights, and activations as they come); "
    "int8 (weights and activations, with ranges from training clips)",
)
_ROLLOUT_FRAMES = flags.DEFINE_integer(
    "rollout_frames", 0, "predicted frames of the rollout file, and of the trial; 0 is n_future", lower_bound=0
)
_CALIBRATION_CLIPS = flags.DEFINE_integer(
    "calibration_clips", 16, "training clips from which int8 takes its ranges", lower_bound=1
)
_N_CLIPS = flags.DEFINE_integer("n_clips", 50, "test clips on which the files are tried", lower_bound=1)
_TOLERANCE_DB = flags.DEFINE_float(
    "tolerance_db",
    0.1,
    "largest loss of PSNR to the true future against float32, in dB; beyond it a file is refused",
    lower_bound=0,
)
_OUT = flags.DEFINE_string("out", "", "folder to write to; empty: RUN_DIR/export/tflite")


def run() -> None:
    """Parses, exports and prints the table."""
    config = run_flags.config()
    variants = list(dict.fromkeys(_VARIANTS.value))
    unknown = [name for name in variants if name not in tflite_conversion.VARIANTS]
    if unknown or not variants:
        known = ", ".join(tflite_conversion.VARIANTS)
        raise ConfigError(f"variants has {(unknown or [''])[0]!r}, but takes some of {known}")
    folder = run_flags.folder_to_write(_OUT.value, "export", "tflite")
    tflite_device.require_interpreter()
    from svg_tf.tflite import export as tflite_export  # TensorFlow takes seconds to load: a wrong flag is told before

    rows = tflite_export.export(
        config,
        checkpoint=run_flags.checkpoint(),
        variants=variants,
        horizon=_ROLLOUT_FRAMES.value or config.n_future,
        calibration_clips=_CALIBRATION_CLIPS.value,
        n_clips=_N_CLIPS.value,
        tolerance=_TOLERANCE_DB.value,
        folder=folder,
    )
    with open(os.path.join(folder, "table.md"), encoding="utf-8") as file:
        print(file.read())
    print(f"wrote {folder}")
    if not any(row.size_mb and not row.refused for row in rows):
        sys.exit("error: every file was refused; the table says why")


def main(argv: list[str] | None = None) -> None:
    """Run the command; argv defaults to sys.argv."""
    command.run(run, argv)
