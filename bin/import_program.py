"""Makes a run of what a program has trained: python bin/import_program.py --program=FOLDER --run_dir=runs/x"""

import os

import config_flags
from absl import flags

_PROGRAM = flags.DEFINE_string("program", None, "folder of the program", required=True)
_STATE = flags.DEFINE_string("state", "", "folder of the state that the runner stored; empty: PROGRAM/out")
_RUN_DIR = flags.DEFINE_string("run_dir", None, "folder of the run: a new one, or the program's own", required=True)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the data, where it has moved since the program's writing")
_CACHE_DIR = flags.DEFINE_string("cache_dir", None, "folder of what was decoded of the data, where that has moved")


def main() -> None:
    """Parses, imports and prints what came of it."""
    from svg_tf.program.runner import description as description_lib

    program = _PROGRAM.value
    state = _STATE.value or os.path.join(program, "out")
    moved = {"data_dir": _DATA_DIR.value, "cache_dir": _CACHE_DIR.value}
    # TensorFlow takes seconds to load: a wrong or damaged folder is told before.
    description_lib.read_state(state, description_lib.read(program), optional=("optimizer", "metrics"))
    from svg_tf.program import reader

    config = reader.config_of(
        program, _RUN_DIR.value, **{name: folder for name, folder in moved.items() if folder is not None}
    )
    result = reader.import_state(program, state, config)
    best = "the best of the run" if result.is_best else "not the best of the run"
    print(f"wrote {result.checkpoint}: step {result.step} of {config.total_steps}, {best}")
    print(f"validation loss {result.validation_loss:.6g}")
    if not result.has_optimizer:
        print("without the optimizer's slots: enough to draw, evaluate and export, not to train on as before")


if __name__ == "__main__":
    config_flags.run(main)
