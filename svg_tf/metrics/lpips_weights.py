"""The published weights of LPIPS: which networks there are, and how their PyTorch files are found and read.

Each network takes two files in one folder: the features that torchvision publishes, and the linear calibration that
the `lpips` package holds in weights/v0.1 (its v0.0 has the same names and shapes, but is of another metric).
"""

import dataclasses
import glob
import hashlib
import os
import re

import numpy as np

from svg_tf.config import ConfigError
from svg_tf.torch_import import archive
from svg_tf.torch_import.records import Tensor, TorchFileError, quoted


@dataclasses.dataclass(frozen=True)
class Layer:
    """A max-pooling of stride 2 (channels 0), or a convolution with ReLU.

    Attributes:
        index: of the convolution in torchvision's `features`.
        channels: filters of the convolution.
        size: width and height of the window.
        stride: of the window.
        padding: zeros on each side.
        compared: whether LPIPS compares what comes out.
    """

    index: int
    channels: int
    size: int
    stride: int = 1
    padding: int = 1
    compared: bool = True


@dataclasses.dataclass(frozen=True)
class Network:
    """A published network.

    Attributes:
        title: its name in words.
        layers: in order, up to the last that is compared.
        smallest: least width and height of a frame, in pixels: less leaves nothing after the last pooling.
        backbone: name of the published file of features, in which 8 digits are those its SHA-256 begins with.
        linear: name of the published file of the linear calibration.
        digits: what the SHA-256 of the published files begins with, earlier ones of the same weights included.
        outdated: what the SHA-256 of the linear calibration of version 0.0 begins with.
    """

    title: str
    layers: tuple[Layer, ...]
    smallest: int
    backbone: str
    linear: str
    digits: tuple[str, ...]
    outdated: str

    @property
    def pattern(self) -> str:
        """Glob of the files of features."""
        return re.sub(r"-[0-9a-f]{8}\.", f"-{'[0-9a-f]' * 8}.", self.backbone)


def _pool(size: int) -> Layer:
    return Layer(-1, 0, size, stride=2, padding=0, compared=False)


NETWORKS = (
    Network(
        title="AlexNet",
        layers=(
            Layer(0, 64, 11, stride=4, padding=2),
            _pool(3),
            Layer(3, 192, 5, padding=2),
            _pool(3),
            Layer(6, 384, 3),
            Layer(8, 256, 3),
            Layer(10, 256, 3),
        ),
        smallest=31,
        backbone="alexnet-owt-7be5be79.pth",
        linear="alex.pth",
        digits=("7be5be79", "df73285e"),
        outdated="18720f55",
    ),
    Network(
        title="VGG16",
        layers=(
            Layer(0, 64, 3, compared=False),
            Layer(2, 64, 3),
            _pool(2),
            Layer(5, 128, 3, compared=False),
            Layer(7, 128, 3),
            _pool(2),
            Layer(10, 256, 3, compared=False),
            Layer(12, 256, 3, compared=False),
            Layer(14, 256, 3),
            _pool(2),
            Layer(17, 512, 3, compared=False),
            Layer(19, 512, 3, compared=False),
            Layer(21, 512, 3),
            _pool(2),
            Layer(24, 512, 3, compared=False),
            Layer(26, 512, 3, compared=False),
            Layer(28, 512, 3),
        ),
        smallest=16,
        backbone="vgg16-397923af.pth",
        linear="vgg.pth",
        digits=("397923af", "a78928a0"),
        outdated="b9e42362",
    ),
)


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a network's two files hold.

    Attributes:
        network: whose they are.
        kernels: for each convolution float32 [size, size, in, out].
        biases: for each convolution float32 [out].
        calibration: for each layer that is compared float32 [channels].
        files: the files and their SHA-256 in words.
    """

    network: Network
    kernels: list[np.ndarray]
    biases: list[np.ndarray]
    calibration: list[np.ndarray]
    files: str


def read_weights(path: str) -> Weights:
    """Reads the weights of the one network in a folder, or of that whose linear calibration is named.

    Args:
        path: a folder with alexnet-owt-7be5be79.pth and alex.pth, or with vgg16-397923af.pth and vgg.pth; of a folder
            with all four, the path of its alex.pth or vgg.pth.

    Raises:
        ConfigError: a file is not there, or it is not clear which is meant.
        TorchFileError: a file is damaged, of another network or of another version.
    """
    network, backbone, linear = _located(path)
    digests = [_digest(backbone), _digest(linear)]
    promised = os.path.basename(backbone).rsplit("-")[-1].removesuffix(".pth")
    if not digests[0].startswith(promised):
        raise TorchFileError(
            f"{backbone} is damaged: its SHA-256 begins with {digests[0][:8]}, but should with the {promised} of its "
            "name; download it again"
        )
    if digests[1].startswith(network.outdated):
        raise TorchFileError(
            f"{linear} is of LPIPS version 0.0, which is another metric; take weights/v0.1/{network.linear} of the "
            "lpips package"
        )
    features, lins = _StateDict(backbone), _StateDict(linear)
    kernels: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    calibration: list[np.ndarray] = []
    channels = 3
    for layer in network.layers:
        if layer.channels:
            shape = (layer.channels, channels, layer.size, layer.size)
            kernels.append(features.array(f"features.{layer.index}.weight", shape).transpose(2, 3, 1, 0))
            biases.append(features.array(f"features.{layer.index}.bias", (layer.channels,)))
            channels = layer.channels
        if layer.compared:
            key = f"lin{len(calibration)}.model.1.weight"
            calibration.append(lins.array(key, (1, channels, 1, 1)).reshape(channels))
    files = " and ".join(
        f"{os.path.basename(file)} (SHA-256 {digest[:16]}{'' if digest[:8] in network.digits else ', not published'})"
        for file, digest in zip((backbone, linear), digests, strict=True)
    )
    return Weights(network, kernels, biases, calibration, files)


def _located(path: str) -> tuple[Network, str, str]:
    """The network that a path means, its features' file and its linear calibration's."""
    if not os.path.exists(path):
        raise ConfigError(f"LPIPS has no weights: {path} is not there; {_remedy(NETWORKS)}")
    if os.path.isdir(path):
        folder, networks = path, [n for n in NETWORKS if os.path.exists(os.path.join(path, n.linear))]
        if len(networks) > 1:
            raise ConfigError(
                f"LPIPS has two networks to choose from in {path}: name {os.path.join(path, networks[0].linear)} or "
                f"{os.path.join(path, networks[1].linear)}"
            )
    else:
        folder, networks = os.path.dirname(path), [n for n in NETWORKS if n.linear == os.path.basename(path)]
    if not networks:
        raise ConfigError(
            f"LPIPS has no weights: {path} is neither alex.pth nor vgg.pth, nor a folder with one of "
            f"them; {_remedy(NETWORKS)}"
        )
    network = networks[0]
    found = sorted(glob.glob(os.path.join(glob.escape(folder), network.pattern)))
    if len(found) != 1:
        raise ConfigError(
            f"LPIPS needs one file {network.backbone} beside {os.path.join(folder, network.linear)}, but there are "
            f"{len(found)}; {_remedy(networks)}"
        )
    return network, found[0], os.path.join(folder, network.linear)


def _remedy(networks: list[Network] | tuple[Network, ...]) -> str:
    pairs = " or ".join(f"{network.backbone} and {network.linear}" for network in networks)
    return f"put {pairs} into one folder: torchvision publishes the first, the lpips package (weights/v0.1) the second"


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TorchFileError(f"{path} cannot be read: {error.strerror or error}") from None


class _StateDict:
    """The tensors of a file by key."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            entries, self._storages = archive.read(path)
        except TorchFileError as error:
            raise TorchFileError(f"{path} holds no weights that can be read: {error}") from None
        if not isinstance(entries, dict):
            raise TorchFileError(f"{path} holds no state dictionary, which is a dictionary of tensors")
        self._entries = entries

    def array(self, key: str, shape: tuple[int, ...]) -> np.ndarray:
        """A tensor as float32."""
        tensor = self._entries.get(key)
        if not isinstance(tensor, Tensor):
            found = ", ".join(quoted(key) for key in list(self._entries)[:4]) or "nothing"
            raise TorchFileError(f"{self._path} has no tensor {key}, but {found}: it is of another network")
        if tensor.shape != shape:
            raise TorchFileError(f"{self._path}: the tensor {key} has shape {tensor.shape}, but must have {shape}")
        array = tensor.array(self._storages[tensor.storage.key]).astype(np.float32)
        if not np.isfinite(array).all():
            raise TorchFileError(f"{self._path}: the tensor {key} is not finite; download the file again")
        return array
