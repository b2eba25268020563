"""Decode videos, array files and folders of images into square frames, with PyAV, which bundles FFmpeg."""

import fractions
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from svg_tf.data.errors import DataError

VIDEO_ENDINGS = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
ARRAY_ENDINGS = (".npy", ".npz")
IMAGE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png")

# Titles may have any encoding. PyAV 19 accepts every one and no longer has this option.
_LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
# FFmpeg's default filter with exact arithmetic; without it, pixels are 1.5 of 255 too dark.
_BICUBIC = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_LOST_FRAMES = 1.5  # containers round the duration; if more frames are missing, the file was cut short
_GIF_TRAILER = b"\x3b"
_MAX_PIXELS = 2**26  # per frame, twice 8K video; a damaged header may claim any size


class Form(NamedTuple):
    """Shape of decoded frames, [width, width, channels], and how they become square."""

    width: int
    channels: int  # 1: grey, 3: RGB
    resize: str  # crop: scale the shorter side to width and keep the centre; squash: scale both sides to width


def read(path: str, form: Form) -> Iterator[np.ndarray]:
    """Yield the frames of a video file, an array file or a folder of images: uint8 [W, W, C] in 0..255.

    The ending of the path selects the decoder. Frames that already have this shape are returned unchanged.

    Raises:
        DataError: the file is unreadable, cut short or not a video. The message does not repeat the path.
    """
    array = path.lower().endswith(ARRAY_ENDINGS)
    reader = _images if os.path.isdir(path) else _array if array else _video
    try:
        yield from _shaped(reader(path), form)
    except DataError:
        raise
    except (OSError, EOFError, ValueError, ArithmeticError, av.FFmpegError) as error:
        raise DataError(f"cannot be read: {_reason(error)}") from None


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts frame2 before frame10."""
    return [(int(digits or -1), text.lower()) for digits, text in re.findall(r"(\d+)|(\D+)", name)]


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split())[:120] or type(error).__name__


def _shaped(frames: Iterator[av.VideoFrame], form: Form) -> Iterator[np.ndarray]:
    reformatter = VideoReformatter()  # keeps its filter tables between frames
    size = None
    for number, frame in enumerate(frames):
        size = size or (frame.width, frame.height)
        if (frame.width, frame.height) != size:
            raise DataError(f"frame {number} is {frame.width}x{frame.height}, not {size[0]}x{size[1]}")
        scale = form.width / min(size)
        scaled = [max(form.width, round(side * scale)) if form.resize == "crop" else form.width for side in size]
        pixels = "gray" if form.channels == 1 else "rgb24"
        image = reformatter.reformat(frame, *scaled, pixels, interpolation=_BICUBIC, threads=1).to_ndarray()
        x, y = ((side - form.width) // 2 for side in scaled)
        square = image[y : y + form.width, x : x + form.width].reshape(form.width, form.width, form.channels)
        # Phones store unrotated frames and an angle. Both resize modes commute with the rotation.
        yield np.ascontiguousarray(np.rot90(square, frame.rotation // 90))
    if size is None:
        raise DataError("has no frames")


def _video(path: str) -> Iterator[av.VideoFrame]:
    if os.path.getsize(path) == 0:
        raise DataError("is empty")
    if path.lower().endswith(".gif"):
        with open(path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read() != _GIF_TRAILER:
                raise DataError("is cut short: it has no GIF trailer")
    with av.open(path, **_LENIENT) as container:
        if not container.streams.video:
            raise DataError("has no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise DataError("cannot be read: its codec is unknown, or the file is damaged")
        stream.codec_context.options = {"max_pixels": str(_MAX_PIXELS)}
        last = None
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise DataError("is damaged or cut short: a packet is incomplete")
            for last in packet.decode():
                if last.is_corrupt:
                    raise DataError("is damaged: a frame cannot be decoded")
                yield last
        rate = stream.average_rate or fractions.Fraction(25)
        declared, seconds = _declared_seconds(container, stream, rate), 0.0
        if last is not None and last.pts is not None:
            duration = last.duration * last.time_base if last.duration else 1 / rate
            seconds = float((last.pts - (stream.start_time or 0)) * last.time_base + duration)
        if declared - seconds > _LOST_FRAMES / rate:
            raise DataError(f"is cut short: it has {seconds:.2f} of {declared:.2f} seconds")


def _declared_seconds(container: Any, stream: av.VideoStream, rate: fractions.Fraction) -> float:
    """Return the duration that the file declares, or 0."""
    if "avi" in container.format.name:
        return float(stream.frames / rate)  # FFmpeg estimates the AVI duration from the file size
    if stream.duration:
        return float(stream.duration * stream.time_base)
    clock = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if clock:
        hours, minutes, seconds = (float(part) for part in clock.groups())
        return 3600 * hours + 60 * minutes + seconds
    alone = len(container.streams) == 1  # with several streams, the duration is that of the longest
    return container.duration / av.time_base if container.duration and alone else 0.0


def _array(path: str) -> Iterator[av.VideoFrame]:
    try:
        stored = np.load(path, mmap_mode="r")  # .npy is memory-mapped: one frame in memory at a time
        if isinstance(stored, np.lib.npyio.NpzFile):
            with stored as archive:
                (name,) = archive.files
                stored = archive[name]
        shape, dtype = stored.shape, stored.dtype
    except OSError:
        raise
    except Exception as error:  # NumPy and zipfile raise many types for damaged files
        raise DataError(f"cannot be read as one NumPy array ({type(error).__name__}); use numpy.save") from None
    grey = len(shape) == 3 or shape[3:] == (1,)
    if dtype != np.uint8 or not (grey or shape[3:] == (3,)) or 0 in shape:
        raise DataError(f"is {dtype} {list(shape)}, but must be uint8 [T, H, W] or [T, H, W, 1 or 3], none of them 0")
    for image in stored:
        image = np.ascontiguousarray(image.reshape(shape[1:3]) if grey else image)
        yield av.VideoFrame.from_ndarray(image, "gray" if grey else "rgb24")


def _images(folder: str) -> Iterator[av.VideoFrame]:
    names = [name for name in os.listdir(folder) if name.lower().endswith(IMAGE_ENDINGS)]
    for name in sorted(names, key=natural_key):
        try:
            with Image.open(os.path.join(folder, name)) as image:
                if image.mode[0] in "IF":
                    raise ValueError("it has more than 8 bits per pixel")
                grey = image.mode in ("1", "L", "LA")
                pixels = np.asarray(image.convert("L" if grey else "RGB"))
        except Exception as error:  # Pillow raises many types for damaged images
            raise DataError(f"{name} cannot be read: {_reason(error)}") from None
        yield av.VideoFrame.from_ndarray(pixels, "gray" if grey else "rgb24")
