"""Messages for the errors that a user can fix."""

import errno
import sys

from svg_tf.config import ConfigError

# Errors whose text names a value and a remedy, by module. A module that is not loaded cannot have raised one.
_CLASSES = {
    "svg_tf.data.errors": "DataError",
    "svg_tf.training.checkpoints": "CheckpointError",
    "svg_tf.training.train": "NonFiniteError",
    "svg_tf.training.rendezvous": "PeerError",
    "svg_tf.training.distribution": "PeerError",
    "svg_tf.torch_import.unpickler": "TorchFileError",
    "svg_tf.serving": "ExportError",
}
_REMEDIES = {
    errno.ENOSPC: "make room on the disk, or choose another folder",
    errno.EDQUOT: "make room on the disk, or choose another folder",
    errno.EACCES: "choose a folder that you may write to and files that you may read",
    errno.EPERM: "choose a folder that you may write to and files that you may read",
    errno.EROFS: "choose a folder that you may write to",
}


def message_for(error: BaseException) -> str:
    """Return one line for the user, or "" for a bug, which needs its traceback."""
    if isinstance(error, user_errors()):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        remedy = _REMEDIES.get(error.errno, "")
        return f"{where}{error.strerror}" + (f"; {remedy}" if remedy else "")
    if isinstance(error, MemoryError):
        return "there is not enough memory; lower --batch_size or the number of samples"
    return _tensorflow_message(error)


def user_errors() -> tuple[type[Exception], ...]:
    """Return the loaded exception classes whose text is meant for the user."""
    loaded = (getattr(sys.modules.get(module), name, None) for module, name in _CLASSES.items())
    return (ConfigError, *(found for found in loaded if found))


def _tensorflow_message(error: BaseException) -> str:
    """Return the message of an error of ours that TensorFlow has wrapped."""
    errors = getattr(sys.modules.get("tensorflow"), "errors", None)
    if errors is None or not isinstance(error, errors.OpError):
        return ""
    data = sys.modules.get("svg_tf.data.errors")
    return data.told_by_tensorflow(error) if data else ""
