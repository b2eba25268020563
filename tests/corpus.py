"""Every kind of broken file: how its cases are made, and what a command does with them."""

import gzip
from collections.abc import Callable
from typing import NamedTuple

import broken_files
import numpy as np
import video_files
from broken_files import cuts, flips
from conftest import SMALL

from svg_tf.config import Config
from svg_tf.data import bair, digits
from svg_tf.data.videos import Videos
from svg_tf.torch_import import plan, runs
from svg_tf.training import checkpoints
from svg_tf.training import train as training

VIDEOS = Config(dataset="videos", image_width=32, channels=3, n_past=1, n_future=1, n_eval=2)
BAIR = Config(dataset="bair", channels=3, n_past=2, n_future=4, n_eval=30)


class Kind(NamedTuple):
    """A kind of broken file.

    Attributes:
        make: (folder to work in, how many of the random ones) to the cases.
        judge: (path, the folder it lies in) does what a command does with the file and returns what it gives.
        harmless: why some may be accepted; empty: none may.
        whole: (folder to work in) to the whole files, {name: bytes}: the format has checksums, so that whatever is
            accepted must give what they give.
    """

    make: Callable
    judge: Callable
    harmless: str = ""
    whole: Callable | None = None


def video(path, folder):
    source = Videos(VIDEOS.replace(data_dir=str(folder)), "train")
    assert not source.collection.skipped
    return source.videos[0].read(0, len(source.videos[0]))


def image_folder(path, folder):
    for name in ("a.png", "c.png"):
        (folder / name).write_bytes(broken_files.image_bytes("PNG"))
    return video(path, folder)


def records(path, folder):
    (folder / "test").mkdir()
    path.rename(folder / "test" / "traj_0_to_1.tfrecords")
    source = bair.BAIR(BAIR.replace(data_dir=str(folder)), "test")
    if source.collection.skipped:  # listed and told; the others stay
        raise bair.DataError(f"{path.name}: {source.collection.skipped}")
    return np.stack([video.read(0, 30) for video in source.videos])


def idx_file(path, folder):
    (folder / "train-images-idx3-ubyte").touch()
    config = Config(data_dir=str(folder), digit_size=28)
    return digits.load_digits(config, "test")


def checkpoint(path, folder):
    (folder / "checkpoints").mkdir()
    path.rename(checkpoints.path_of(str(folder), 1))
    model = _model()
    checkpoints.load_weights(model, str(folder), "latest")
    return np.concatenate([np.ravel(variable) for variable in model.variables])


def torch_file(path, folder):
    planned = plan.plan_import(str(path), str(folder / "run"), broken_files.original_files.FLAGS)
    model = runs.import_run(planned)
    return np.concatenate([np.ravel(variable) for variable in model.variables])


def torch_tensors(path, folder):
    planned = plan.plan_import(str(path), str(folder / "run"), broken_files.original_files.FLAGS)
    return np.concatenate([np.ravel(tensor) for tensor in planned.tensors.values()])


def configuration(path, folder):
    return np.array(Config.load(str(folder)).replace(run_dir="x").to_json())


_MODELS = []


def _model():
    if not _MODELS:
        _MODELS.append(training.compiled_model(Config(**SMALL)))
    return _MODELS[0]


def _saved(folder):
    variables = checkpoints.named_variables(_model(), training_state=True)
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    checkpoints.save(str(folder / "saved.npz"), arrays)
    return arrays, ("step_00000001.npz", (folder / "saved.npz").read_bytes())


def _videos(change):
    return lambda folder, count: [
        case
        for ending in video_files.CODECS
        for case in change(f"a{ending}", broken_files.video_bytes(ending, folder), count)
    ]


def _arrays(change):
    return lambda folder, count: [
        case for name, data in broken_files.whole_arrays().items() for case in change(name, data, count)
    ]


def _images(folder, count):
    whole = {f"b.{kind.lower()}": broken_files.image_bytes(kind) for kind in ("PNG", "JPEG", "BMP")}
    return [case for name, data in whole.items() for case in cuts(name, data, count)] + broken_files.wrong_images()


def _png(folder, count):
    return flips("b.png", broken_files.image_bytes("PNG"), count)


def _trajectories(folder, count):
    video = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), np.uint8)
    good, name = video_files.bair_example(video), "traj_0_to_1.tfrecords"

    def file(*examples):
        video_files.write_records(folder / "x.tfrecords", examples)
        return (folder / "x.tfrecords").read_bytes()

    whole = file(good, good)
    wrong = {
        "a frame that is missing": video_files.bair_example(video, **{"7/image_aux1/encoded": None}),
        "a frame that is too short": video_files.bair_example(video, **{"7/image_aux1/encoded": [b"short"]}),
        "20 frames": video_files.bair_example(video[:20]),
        "numbers for a frame": video_files.bair_example(video, **{"7/image_aux1/encoded": [7]}),
        "text": b"this is no example",
        "nothing": b"",
    }
    made = [broken_files.Broken(fault, name, file(good, example)) for fault, example in wrong.items()]
    made += [broken_files.Broken("not a TFRecord", name, b"text" * 99), broken_files.Broken("no records", name, b"")]
    return made + cuts(name, whole, count) + flips(name, whole, count)


def _idx(folder, count):
    name, whole = "t10k-images-idx3-ubyte", broken_files.idx()
    packed = gzip.compress(whole, 1)
    return [
        *cuts(name, whole, count),
        *cuts(name, packed, count),
        *flips(name, whole[:16], 16),
        *flips(name, packed, count),
        *broken_files.wrong_idx(),
    ]


def _checkpoints(folder, count):
    arrays, whole = _saved(folder)
    return cuts(*whole, 3 * count) + flips(*whole, 3 * count) + broken_files.wrong_checkpoints(arrays)


def _torch(folder, count):
    cut = [case for whole in broken_files.whole_torch(folder).items() for case in cuts(*whole, count)]
    return cut + broken_files.wrong_torch(folder)


def _torch_zip(folder, count):
    return flips("a.zip", broken_files.whole_torch(folder)["a.zip"], count)


def _torch_stream(folder, count):
    return flips("a.stream", broken_files.whole_torch(folder)["a.stream"], count)


def _config(folder, count):
    whole = Config().to_json().encode()
    return cuts("config.json", whole.rstrip(), 3 * count) + flips("config.json", whole, 3 * count)


_INDEX = "only its index or a part of its last packet is gone, or a byte in the middle of a GIF looks like its trailer"
_NO_CHECKSUM = "codecs have no checksums: the picture changes and nothing tells"
_UNUSED = "the bytes are of no consequence: all frames or tensors are those of the whole file"
KINDS = {
    "videos, cut short": Kind(_videos(cuts), video, _INDEX),
    "videos, bytes changed": Kind(_videos(flips), video, _NO_CHECKSUM),
    "other files with a video's ending": Kind(lambda folder, count: broken_files.no_videos(folder), video),
    "arrays, cut short": Kind(_arrays(cuts), video),
    "arrays .npz, bytes changed": Kind(
        lambda folder, count: [case for case in _arrays(flips)(folder, 2 * count) if ".npz" in case.name],
        video,
        _UNUSED,
        lambda folder: {name: data for name, data in broken_files.whole_arrays().items() if ".npz" in name},
    ),
    "arrays .npy, bytes changed": Kind(
        lambda folder, count: [case for case in _arrays(flips)(folder, 2 * count) if ".npy" in case.name],
        video,
        "no checksum: a pixel may be any byte",
    ),
    "arrays that are no video": Kind(lambda folder, count: broken_files.wrong_arrays(), video),
    "folders of images": Kind(_images, image_folder, "the last byte of a PNG, after all that is of a picture"),
    "PNG, bytes changed": Kind(_png, image_folder, _UNUSED, lambda folder: {"b.png": broken_files.image_bytes("PNG")}),
    "TFRecords of BAIR": Kind(_trajectories, records),
    "idx files of MNIST": Kind(_idx, idx_file, _UNUSED, lambda folder: {"t10k-images-idx3-ubyte": broken_files.idx()}),
    "checkpoints": Kind(_checkpoints, checkpoint, _UNUSED, lambda folder: dict([_saved(folder)[1]])),
    "PyTorch's files": Kind(_torch, torch_file),
    "PyTorch's archives, bytes changed": Kind(_torch_zip, torch_tensors, _UNUSED, broken_files.whole_torch),
    "PyTorch's streams, bytes changed": Kind(_torch_stream, torch_tensors, "no checksum: a weight may be any number"),
    "config.json": Kind(_config, configuration, "a digit or letter became another that can be meant"),
}
