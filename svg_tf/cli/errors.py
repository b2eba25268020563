"""Messages for the errors that a user can fix."""

import errno
import sys

_REMEDIES = {
    errno.ENOSPC: "make room on the disk, or choose another folder",
    errno.EDQUOT: "make room on the disk, or choose another folder",
    errno.EACCES: "choose a folder that you may write to and files that you may read",
    errno.EPERM: "choose a folder that you may write to and files that you may read",
    errno.EROFS: "choose a folder that you may write to",
}


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
