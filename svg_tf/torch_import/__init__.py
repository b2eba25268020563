"""Read and write the checkpoints of the authors' PyTorch code, without PyTorch."""

from svg_tf.torch_import.reader import read
from svg_tf.torch_import.unpickler import TorchFileError

__all__ = ["TorchFileError", "read"]
