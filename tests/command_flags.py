"""Says which flags a command has, and what it has against command lines; a process for each command.

python tests/command_flags.py bin/train.py < [["--flagfile=demo.flags"], ...]
prints {"flags": ..., "errors": [...], "heavy": modules loaded}
"""

import argparse
import json
import os
import runpy
import sys

from absl import flags
from absl.testing import flagsaver

FLAGS = flags.FLAGS


def _by_absl(script, lines):
    sys.path.insert(0, os.path.dirname(script))
    sys.argv = [script]
    names = runpy.run_path(script, run_name="documented")
    own = [flag for module, found in FLAGS.flags_by_module_dict().items() if module[:5] != "absl." for flag in found]
    found = {}
    for flag in own:
        bounds = [getattr(flag.parser, name, None) for name in ("lower_bound", "upper_bound")]
        found[flag.name] = {
            "help": flag.help,
            "default": flag.default,
            "type": flag.flag_type(),
            "choices": list(getattr(flag.parser, "enum_values", [])),
            "bounds": bounds != [None, None],
        }
    return found, [_absl_error(list(line), names) for line in lines]


def _absl_error(line, names):
    """What the command says to the flags, before it does anything; nothing where they are right."""
    if "_BENCHMARKS" in names and (not line or line.pop(0) not in names["_BENCHMARKS"]):
        return "names no benchmark"
    with flagsaver.flagsaver():
        try:
            rest = FLAGS(["command", *line])[1:]
            if "batch_size" in FLAGS:
                sys.modules["config_flags"].config_from_flags()
        except (flags.Error, ValueError) as error:
            return str(error)
    return f"takes no {rest}" if rest else ""


def _by_argparse(lines):
    from svg_tf.program.runner import command

    parser = command._parser("program")
    found = {}
    for action in parser._actions:
        if action.option_strings and action.dest != "help":
            kind = {int: "int", float: "float"}.get(action.type, "string")
            values = {"help": action.help, "default": action.default, "type": kind}
            found[action.dest] = {**values, "choices": list(action.choices or []), "bounds": False}
    errors = []
    for line in lines:
        try:
            parser.parse_args(line)
        except (SystemExit, argparse.ArgumentError) as error:
            errors.append(f"ended with {error}")
        else:
            errors.append("")
    return found, errors


if __name__ == "__main__":
    path, wanted = sys.argv[1], json.load(sys.stdin)
    has, said = _by_argparse(wanted) if os.path.basename(path) == "run_program.py" else _by_absl(path, wanted)
    heavy = sorted({"tensorflow", "keras", "jax", "sklearn", "matplotlib", "av"} & set(sys.modules))
    json.dump({"flags": has, "errors": said, "heavy": heavy}, sys.stdout)
