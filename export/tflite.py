"""Makes a run's files for devices: python export/tflite.py --run_dir=runs/demo"""

import os
import sys

import command
import run_flags
import tflite_conversion
import tflite_device
from absl import flags

from svg_tf.config import ConfigError

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


def main() -> None:
    """Parses, exports and prints the table."""
    config = run_flags.config()
    variants = list(dict.fromkeys(_VARIANTS.value))
    unknown = [name for name in variants if name not in tflite_conversion.VARIANTS]
    if unknown or not variants:
        known = ", ".join(tflite_conversion.VARIANTS)
        raise ConfigError(f"variants has {(unknown or [''])[0]!r}, but takes some of {known}")
    folder = run_flags.folder_to_write(_OUT.value, "export", "tflite")
    tflite_device.require_interpreter()
    import tflite_export  # TensorFlow takes seconds to load: a wrong flag is told before

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


if __name__ == "__main__":
    command.run(main)
