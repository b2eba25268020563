"""Command-line flags made of the fields of Config, and the frame that every command runs in."""

import dataclasses
import io
import os
import sys
from collections.abc import Callable
from typing import Any

# TensorFlow's own remarks on the machine are no concern of a user's; set it yourself to see them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags, logging  # noqa: E402

from svg_tf.cli.errors import sentence_of  # noqa: E402
from svg_tf.config import Config  # noqa: E402

FLAGS = flags.FLAGS
_DEFINE: dict[Any, Callable] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
_READER_LEFT = 141  # what a shell says of a program whose output nobody reads any more


def define_config_flags(values: flags.FlagValues = FLAGS) -> None:
    """Defines one flag for each field of Config, of the same name, with its help text and default."""
    for field in dataclasses.fields(Config):
        text, choices = field.metadata["help"], field.metadata["choices"]
        default: Any = field.default
        if choices:
            flags.DEFINE_enum(field.name, default, choices, text, flag_values=values)
        else:
            define = _DEFINE[field.type]
            define(field.name, default, text, flag_values=values)


def config_from_flags(values: flags.FlagValues = FLAGS) -> Config:
    """The configuration that the flags say.

    Raises:
        ConfigError: flags that cannot work, alone or together.
    """
    said: dict[str, Any] = {field.name: values[field.name].value for field in dataclasses.fields(Config)}
    return Config(**said)


def flags_of(config: Config) -> list[str]:
    """The flags that say a configuration, of the fields that differ from their defaults."""
    fields = {field: getattr(config, field.name) for field in dataclasses.fields(Config)}
    return [f"--{field.name}={value}" for field, value in fields.items() if value != field.default]


def run(main: Callable[[], None]) -> None:
    """Parses the flags and calls main; an error of the user's making becomes one sentence and exit status 1."""

    def guarded(arguments: list[str]) -> None:
        if len(arguments) > 1:
            sys.exit(f"error: {arguments[1]!r} is not a flag; flags begin with -- and lists are not taken")
        logging.use_python_logging(quiet=True)
        logging.set_verbosity(logging.INFO)
        logging.get_absl_handler().setFormatter(None)  # the message alone, without a prefix
        try:
            main()
        except KeyboardInterrupt:
            sys.exit("interrupted")
        except BrokenPipeError:
            raise
        except Exception as error:
            sentence = sentence_of(error)
            if not sentence:
                raise
            sys.exit(f"error: {sentence}")

    _open_outputs()
    _check_text([os.path.abspath(__file__), os.getcwd(), *sys.argv])
    try:
        try:
            app.run(guarded, flags_parser=_parse)
        finally:
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes there
        reader_left = isinstance(error, BrokenPipeError)  # as of `| head`
        sys.exit(_READER_LEFT if reader_left else f"error: the output cannot be written: {error.strerror}")


def _open_outputs() -> None:
    """Lets a program print where its output is closed, or has no letters for a path."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _check_text(given: list[str]) -> None:
    """Fails where a path or a flag has bytes that are no letters to this Python: TensorFlow would not take them."""
    for text in given:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            encoding = sys.getfilesystemencoding()
            sys.exit(f"error: {text!a} is not text in {encoding}; set PYTHONUTF8=1, or rename what is not UTF-8")


def _parse(arguments: list[str]) -> list[str]:
    try:
        return app.parse_flags_with_usage(arguments)
    except UnicodeDecodeError as error:
        sys.exit(f"error: a flag file is not text in {error.encoding}: {error.reason}")
