"""Command-line flags made of the fields of Config, and the frame that every command runs in."""

import dataclasses
import os
import sys
from collections.abc import Callable

# TensorFlow's own remarks on the machine are no concern of a user's; set it yourself to see them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags, logging  # noqa: E402

from svg_tf.config import Config, ConfigError  # noqa: E402

FLAGS = flags.FLAGS
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define_config_flags() -> None:
    """Defines one flag for each field of Config, of the same name, with its help text and default."""
    for field in dataclasses.fields(Config):
        text, choices = field.metadata["help"], field.metadata["choices"]
        if choices:
            flags.DEFINE_enum(field.name, field.default, choices, text)
        else:
            define = _DEFINE[field.type]
            define(field.name, field.default, text)


def config_from_flags() -> Config:
    """The configuration that the flags say.

    Raises:
        ConfigError: flags that cannot work, alone or together.
    """
    return Config(**{field.name: FLAGS[field.name].value for field in dataclasses.fields(Config)})


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
        except (ConfigError, *_user_errors()) as error:
            sys.exit(f"error: {error}")

    app.run(guarded)


def _user_errors() -> tuple[type[Exception], ...]:
    """The errors that name a value and a remedy, of the modules that are loaded: one of those raised it."""
    names = {
        "svg_tf.data.errors": "DataError",
        "svg_tf.checkpoints": "CheckpointError",
        "svg_tf.training": "NonFiniteError",
        "svg_tf.rendezvous": "PeerError",
        "svg_tf.torch_import.records": "TorchFileError",
        "svg_tf.program.runner.parts": "ProgramError",
    }
    return tuple(getattr(sys.modules[module], name) for module, name in names.items() if module in sys.modules)
