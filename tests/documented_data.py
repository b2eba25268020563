"""Small data in the places and forms that the documentation names: /data/mnist, /data/kth and so on."""

import numpy as np
import original_files
import video_files
from sklearn import datasets
from test_digits import TEST_NAME, TRAIN_NAME, idx_bytes

from svg_tf.config import Config
from svg_tf.models.svg import SVG

# The folders and files of the documentation; each is to be replaced by one below the folder that write() is given.
PLACES = ("/data/mnist", "/data/kth", "/data/bair", "/data/softmotion30_44k")


def write(folder):
    """Writes the folders of PLACES below folder, and in folder itself the files that are named without a folder."""
    _write_mnist(folder / "data" / "mnist")
    _write_kth(folder / "data" / "kth")
    for name in ("bair", "softmotion30_44k"):
        _write_bair(folder / "data" / name)
    _write_checkpoints(folder)
    video_files.write_video(folder / "robot.mp4", video_files.frames(12))


def _write_mnist(folder):
    """As many images as MNIST has, of scikit-learn's digits."""
    folder.mkdir(parents=True)
    digits = np.kron(datasets.load_digits().images, np.ones((3, 3))) * 255 / 16  # [1797, 24, 24]
    digits = np.pad(digits, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    for name, count in ((TRAIN_NAME, 60_000), (TEST_NAME, 10_000)):
        (folder / name).write_bytes(idx_bytes(np.resize(digits, (count, 28, 28))))


def _write_kth(folder):
    for person in (1, 19, 21):
        video_files.write_kth(folder, f"person{person:02}_walking_d1", 50, [(1, 50)], seed=person)


def _write_bair(folder):
    for part, name, count in (("train", "traj_0_to_11.tfrecords", 12), ("test", "traj_0_to_255.tfrecords", 3)):
        videos = [video_files.frames(30, width=64, height=64, seed=number) for number in range(count)]
        video_files.write_records(folder / part / name, [video_files.bair_example(video) for video in videos])


def _write_checkpoints(folder):
    """The two published files, of narrow networks."""
    sizes = {"image_width": 64, "g_dim": 8, "z_dim": 3, "rnn_size": 8, "base_width": 2, "n_past": 2}
    moving = {"dataset": "smmnist", "model": "dcgan", "channels": 1, "n_eval": 15}
    robot = {"dataset": "bair", "model": "vgg", "channels": 3, "n_eval": 12}
    for name, options in (("svglp_smmnist2.pth", moving), ("svglp_bair.pth", robot)):
        fields = {"dataset": options["dataset"], "backbone": options["model"], "channels": options["channels"]}
        networks = original_files.tensors_of(SVG(Config(**sizes, **fields)))
        said = {**original_files.OPTIONS, **options, "image_width": 64, "n_past": 2, "n_future": 4}
        original_files.write_file(folder / name, networks, said)
