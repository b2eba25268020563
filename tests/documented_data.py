"""Small data in the folders that the documentation mentions."""

import struct

import numpy as np
import original_files
import video_files
from sklearn import datasets

from svg_tf.models.svg import SVG

# The documented paths; tests replace each by the same path below a temporary folder.
PLACES = ("/data/mnist", "/data/kth", "/data/bair", "/data/softmotion30_44k")


def write(folder):
    """Write the folders of PLACES below `folder`, and the authors' two checkpoints into `folder`."""
    _write_mnist(folder / "data" / "mnist")
    for person in (1, 19, 21):
        video_files.write_kth(folder / "data" / "kth", f"person{person:02}_walking_d1", 50, [(1, 50)], seed=person)
    for name in ("bair", "softmotion30_44k"):
        for part, file, count in (("train", "traj_0_to_11.tfrecords", 12), ("test", "traj_0_to_255.tfrecords", 3)):
            videos = [video_files.frames(30, width=64, height=64, seed=number) for number in range(count)]
            examples = [video_files.bair_example(video) for video in videos]
            video_files.write_records(folder / "data" / name / part / file, examples)
    _write_checkpoints(folder)


def _write_mnist(folder):
    """Write as many images as MNIST has, of scikit-learn's digits."""
    folder.mkdir(parents=True)
    digits = np.kron(datasets.load_digits().images, np.ones((3, 3))) * 255 / 16  # [1797, 24, 24]
    digits = np.pad(digits, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    for name, count in (("train-images-idx3-ubyte", 60_000), ("t10k-images-idx3-ubyte", 10_000)):
        images = np.resize(digits, (count, 28, 28))
        (folder / name).write_bytes(struct.pack(">4i", 2051, *images.shape) + images.tobytes())


def _write_checkpoints(folder):
    """Write the two published files, with narrow networks."""
    sizes = {"image_size": 64, "g_dim": 8, "z_dim": 3, "rnn_size": 8, "base_width": 2, "n_past": 2}
    moving = {"dataset": "smmnist", "model": "dcgan", "channels": 1, "n_eval": 15}
    robot = {"dataset": "bair", "model": "vgg", "channels": 3, "n_eval": 12}
    for name, options in (("svglp_smmnist2.pth", moving), ("svglp_bair.pth", robot)):
        model = SVG(**sizes, backbone=options["model"], channels=options["channels"])
        written = {**original_files.OPTIONS, **options, "image_width": 64, "n_past": 2, "n_future": 4}
        original_files.write_file(folder / name, original_files.tensors_of(model), written)
