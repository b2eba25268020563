"""Write small videos in the formats that people and publishers use."""

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
    """Return smooth colours that move and get brighter from frame to frame: uint8 [T, H, W, 3]."""
    t, y, x = np.mgrid[:count, :height, :width].astype(np.float64)
    phase = np.random.default_rng(seed).random(3) * 6
    waves = [np.sin(x / 9 + t / 5 + phase[c]) * np.cos(y / 7 - phase[c]) for c in range(3)]
    level = (40 + 150 * t / max(1, count - 1))[..., None]
    return (level + 35 * np.stack(waves, axis=-1)).astype(np.uint8)


def write_video(path, video, rotation=0, faststart=False):
    """Encode uint8 [T, H, W, 3] with the codec of the path's ending, at 25 frames per second."""
    path = os.fspath(path)
    codec, pixels = CODECS[os.path.splitext(path)[1]]
    with av.open(path, "w", options={"movflags": "faststart"} if faststart else {}) as container:
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
    """Write an AVI of the KTH actions, 160x120, and if there are sequences its line in 00sequences.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    write_video(folder / f"{name}_uncomp.avi", frames(count, width=160, height=120, **options))
    if sequences:
        with open(folder / "00sequences.txt", "a", encoding="latin-1", newline="") as file:
            pairs = ", ".join(f"{first}-{last}" for first, last in sequences)
            file.write(f"{name}\t\tframes\t{pairs}\r\n")


def bair_example(video, **changes):
    """Return the record of a trajectory, uint8 [30, 64, 64, 3], as published.

    Changes are lists of bytes by feature; None removes the feature.
    """
    features = {f"{t}/image_main/encoded": [frame[::-1].tobytes()] for t, frame in enumerate(video)}
    features |= {f"{t}/image_aux1/encoded": [frame.tobytes()] for t, frame in enumerate(video)}
    made = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        for name, values in (features | changes).items()
        if values is not None
    }
    for t in range(len(video)):
        for name, size in (("action", 4), ("endeffector_pos", 3)):
            made[f"{t}/{name}"] = tf.train.Feature(float_list=tf.train.FloatList(value=[0.5] * size))
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def write_records(path, records):
    """Write a TFRecord file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(os.fspath(path)) as writer:
        for record in records:
            writer.write(record)
