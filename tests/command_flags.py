"""Describes a command in a process of its own, because two commands define the same flags.

python tests/command_flags.py svg_tf.cli.train < lines.json
prints {"flags": {name: {...}}, "errors": the message for each line or "", "heavy": large modules that were imported}
"""

import importlib
import json
import sys

from absl import flags
from absl.testing import flagsaver

from svg_tf.cli import flags as config_flags

FLAGS = flags.FLAGS


def _flags():
    """Return the flags that are not absl's."""
    modules = FLAGS.flags_by_module_dict()
    for flag in (flag for name, found in modules.items() if not name.startswith("absl.") for flag in found):
        bounds = [getattr(flag.parser, name, None) for name in ("lower_bound", "upper_bound")]
        yield (
            flag.name,
            {
                "help": flag.help,
                "default": flag.default,
                "type": flag.flag_type(),
                "choices": list(getattr(flag.parser, "enum_values", [])),
                "bounds": bounds != [None, None],
            },
        )


def _error(line, suites):
    if suites and (not line or line.pop(0) not in suites):
        return "is not a suite"
    with flagsaver.flagsaver():
        try:
            rest = FLAGS(["command", *config_flags.find_recipes(line)])[1:]
            if "batch_size" in FLAGS:
                config_flags.config_from_flags()
        except (flags.Error, ValueError) as error:
            return str(error)
    return f"takes no {rest}" if rest else ""


if __name__ == "__main__":
    lines = json.load(sys.stdin)
    module = importlib.import_module(sys.argv[1])
    heavy = sorted({"tensorflow", "keras", "sklearn", "scipy", "matplotlib", "av"} & set(sys.modules))
    errors = [_error(line, getattr(module, "SUITES", ())) for line in lines]
    json.dump({"flags": dict(_flags()), "errors": errors, "heavy": heavy}, sys.stdout)
