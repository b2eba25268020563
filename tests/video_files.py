"""Small videos in the formats that people and publishers have, for the tests."""

import os

import av
import numpy as np
import tensorflow as tf

CODECS = {
    ".avi": ("mpeg4", "yuv420p"),
    ".gif": ("gif", "rgb8"),
    ".mkv": ("libx264", "yuv420p"),
    ".mov": ("libx264", "yuv420p"),
    ".mp4": ("libx264", "yuv420p"),
    ".webm": ("libvpx", "yuv420p"),
}


def frames(count, width=64, height=48, seed=0):
    """Smooth colours that move, with the frame's number to be read from the brightness: uint8 [T, H, W, 3]."""
    t, y, x = np.mgrid[:count, :height, :width].astype(np.float64)
    phase = np.random.default_rng(seed).random(3) * 6
    waves = [np.sin(x / 9 + t / 5 + phase[c]) * np.cos(y / 7 - phase[c]) for c in range(3)]
    level = (40 + 150 * t / max(1, count - 1))[..., None]
    return (level + 35 * np.stack(waves, axis=-1)).astype(np.uint8)


def write_video(path, video, rotation=0, faststart=False, title=""):
    """Encodes uint8 [T, H, W, 3] by the codec of the path's ending, 25 frames a second."""
    path = os.fspath(path)
    codec, pixels = CODECS[os.path.splitext(path)[1]]
    with av.open(path, "w", options={"movflags": "faststart"} if faststart else {}) as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt = pixels
        if codec != "gif":
            stream.bit_rate = 2_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        for image in video:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def write_kth(folder, name, count, sequences=None, **options):
    """An AVI as the KTH actions have it, 160x120, and its line in 00sequences.txt where sequences are given."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {"width": 160, "height": 120, **options}
    write_video(folder / f"{name}_uncomp.avi", frames(count, **options))
    if sequences:
        with open(folder / "00sequences.txt", "a", encoding="latin-1", newline="") as file:
            pairs = ", ".join(f"{first}-{last}" for first, last in sequences)
            file.write(f"{name}\t\tframes\t{pairs}\r\n")


def bair_example(video, **changes):
    """The record of a trajectory, uint8 [30, 64, 64, 3], as published; changes replace features or take them out."""
    features = {}
    for t, frame in enumerate(video):
        features[f"{t}/image_main/encoded"] = [frame[::-1].tobytes()]
        features[f"{t}/image_aux1/encoded"] = [frame.tobytes()]
        features[f"{t}/action"] = [0.5] * 4
        features[f"{t}/endeffector_pos"] = [0.25] * 3
    features |= changes
    return example({name: values for name, values in features.items() if values is not None})


def example(features):
    """A serialized tf.train.Example of {name: list of bytes, floats or integers}."""
    kinds = {bytes: ("bytes_list", tf.train.BytesList), float: ("float_list", tf.train.FloatList)}
    kinds |= {int: ("int64_list", tf.train.Int64List)}
    made = {}
    for name, values in features.items():
        kind, cls = kinds[type(values[0])]
        made[name] = tf.train.Feature(**{kind: cls(value=values)})
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def write_records(path, records):
    """A TFRecord file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(os.fspath(path)) as writer:
        for record in records:
            writer.write(record)
