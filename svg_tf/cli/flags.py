"""Command-line flags for the fields of Config, and the frame that every command runs in.

`main.main` imports the module of one command, which defines its flags, and calls `flags.run(module.run)`. The module's
docstring is the text of `--help`. `run()` checks the flags before it imports TensorFlow, so that a bad flag fails fast.
"""

import dataclasses
import errno
import logging as python_logging
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from svg_tf.cli import quiet
from svg_tf.config import Config

FLAGS = flags.FLAGS
RECIPES = Path(__file__).resolve().parents[1] / "recipes"
_SIGPIPE_STATUS = 141  # exit status of a shell command killed by SIGPIPE
_REMEDIES = {
    errno.ENOSPC: "make room on the disk, or choose another folder",
    errno.EDQUOT: "make room on the disk, or choose another folder",
    errno.EACCES: "choose a folder that you may write to and files that you may read",
    errno.EROFS: "choose a folder that you may write to",
}


def define_config_flags() -> None:
    """Define one flag for each field of Config, with the field's name, help text, default and bounds."""
    for field in dataclasses.fields(Config):
        name, about = field.name, field.metadata
        default: Any = field.default
        if about["choices"]:
            flags.DEFINE_enum(name, default, about["choices"], about["help"])
        elif field.type is int:
            flags.DEFINE_integer(name, default, about["help"], about["least"], about["most"])
        elif field.type is float:
            flags.DEFINE_float(name, default, about["help"], about["least"], about["most"])
        elif field.type is bool:
            flags.DEFINE_bool(name, default, about["help"])
        else:
            flags.DEFINE_string(name, default, about["help"])


def config_from_flags() -> Config:
    """Return the configuration given by the flags. Raises ConfigError if a value is out of range, or two do not fit."""
    return Config(**{field.name: FLAGS[field.name].value for field in dataclasses.fields(Config)})  # type: ignore[arg-type]


def command_line() -> str:
    """Return the command line, for reports."""
    return " ".join([sys.argv[0], shlex.join(sys.argv[1:])])


def run(main: Callable[[], None]) -> None:
    """Parse the flags and call main. An error that the user can fix is one line on stderr and exit status 1."""
    if os.environ.setdefault("KERAS_BACKEND", "tensorflow") != "tensorflow":
        sys.exit(f"error: KERAS_BACKEND is {os.environ['KERAS_BACKEND']!r}; svg_tf needs KERAS_BACKEND=tensorflow")
    # For --help, absl prints the docstring of __main__ and the key flags of sys.argv[0]: those of the command.
    sys.modules["__main__"].__doc__ = sys.modules[main.__module__].__doc__
    for name, found in FLAGS.flags_by_module_dict().items():
        for flag in found if name.startswith("svg_tf.") else ():
            FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    quiet.silence_tensorflow()
    try:
        try:
            app.run(lambda _: _guarded(main), flags_parser=_parse)
        finally:
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left in the buffer
        closed = isinstance(error, BrokenPipeError)  # stdout was closed, for example by `head`
        sys.exit(_SIGPIPE_STATUS if closed else f"error: the output cannot be written: {error.strerror}")


def _parse(arguments: list[str]) -> list[str]:
    try:
        rest = FLAGS(find_recipes(arguments))
    except flags.Error as error:
        message = str(error).removeprefix("ERROR:: ").rstrip(".")
        sys.exit(f"error: {message}; {arguments[0]} --help lists the flags")
    if len(rest) > 1:
        sys.exit(f"error: {rest[1]!r} is not a flag; write flags as --name=value")
    return rest


def find_recipes(arguments: list[str]) -> list[str]:
    """Point --flagfile=bair.flags at the file in the package, unless the current folder has a bair.flags."""
    found: list[str] = []
    for argument in arguments:
        option, equals, name = argument.rpartition("=")
        is_flag_file = (option if equals else "".join(found[-1:])) in ("--flagfile", "-flagfile")
        shipped = RECIPES / name
        if is_flag_file and name == os.path.basename(name) and shipped.is_file() and not os.path.exists(name):
            argument = f"{option}{equals}{shipped}"
        found.append(argument)
    return found


def _guarded(main: Callable[[], None]) -> None:
    logging.use_python_logging(quiet=True)
    python_logging.getLogger("matplotlib").setLevel(python_logging.WARNING)  # it reports a new font cache
    logging.set_verbosity(logging.INFO)
    logging.get_absl_handler().setFormatter(None)  # the message alone, without a prefix
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except BrokenPipeError:
        raise
    except Exception as error:
        message = message_for(error)
        if not message:
            raise
        sys.exit(f"error: {message}")


def message_for(error: BaseException) -> str:
    """Return one line for the user, or "" for a bug, which needs its traceback.

    The exception classes defined in svg_tf are meant for users: their text names a value and a remedy.
    """
    if type(error).__module__.partition(".")[0] == "svg_tf":
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        remedy = _REMEDIES.get(error.errno, "")
        return f"{where}{error.strerror}" + (f"; {remedy}" if remedy else "")
    if isinstance(error, MemoryError):
        return "there is not enough memory; lower --batch_size or the number of samples"
    tensorflow, data = sys.modules.get("tensorflow"), sys.modules.get("svg_tf.data.errors")
    if tensorflow is not None and data is not None and isinstance(error, tensorflow.errors.OpError):
        return data.data_error_message(error)
    return ""
