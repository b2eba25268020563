"""Which errors a user can do something about, each as one sentence; the others are faults of the program."""

import errno
import sys

from svg_tf.config import ConfigError

# Modules and their errors that name a value and a remedy. Only a module that is loaded can have raised one.
_NAMED = {
    "svg_tf.data.errors": "DataError",
    "svg_tf.training.train.checkpoints": "CheckpointError",
    "svg_tf.training.train": "NonFiniteError",
    "svg_tf.training.train.rendezvous": "PeerError",
    "svg_tf.torch_import.records": "TorchFileError",
    "svg_tf.program.runner.parts": "ProgramError",
    "export_error": "ExportError",
}
_REMEDIES = {
    errno.ENOSPC: "make room on the disk, or name another folder",
    errno.EDQUOT: "make room on the disk, or name another folder",
    errno.EACCES: "name a folder that can be written, and files that can be read",
    errno.EPERM: "name a folder that can be written, and files that can be read",
    errno.EROFS: "name a folder that can be written",
}


def sentence_of(error: BaseException) -> str:
    """What to tell the user, in one line; empty for a fault of the program, whose traceback is wanted."""
    if isinstance(error, named()):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        remedy = _REMEDIES.get(error.errno, "")
        return f"{where}{error.strerror}" + (f"; {remedy}" if remedy else "")
    if isinstance(error, MemoryError):
        return "there is not enough memory; lower --batch_size, or what else the command takes at once"
    return _of_tensorflow(error)


def named() -> tuple[type[Exception], ...]:
    """The errors whose text is a sentence that names a value and a remedy."""
    found = (getattr(sys.modules[module], name) for module, name in _NAMED.items() if module in sys.modules)
    return (ConfigError, *found)


def _of_tensorflow(error: BaseException) -> str:
    """Of the errors that TensorFlow's own threads and files raise."""
    errors = getattr(sys.modules.get("tensorflow"), "errors", None)
    if errors is None or not isinstance(error, errors.OpError):
        return ""
    data = sys.modules.get("svg_tf.data.errors")
    return data.told_by_tensorflow(error) if data else ""
