"""Frames of video files, arrays and folders of images, made square: by PyAV, which brings FFmpeg's decoders along."""

import fractions
import math
import os
import re
import zipfile
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from svg_tf import array_files
from svg_tf.data.errors import DataError

VIDEO_ENDINGS = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
ARRAY_ENDINGS = (".npy", ".npz")
IMAGE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png")

# Titles may be in any encoding. PyAV 19 takes them all, and the ones before it when they are told to.
_LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
# FFmpeg's default filter, with its exact arithmetic: without it colours come out 1.5 of 255 too dark.
_BICUBIC = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_LOST_FRAMES = 1.5  # a container's duration is rounded; more missing than this, and the file was cut short
_GIF_TRAILER = b"\x3b"
_ZIP_MAGIC = b"PK\x03\x04"
_MOST_PIXELS = 2**26  # of a frame, twice what the largest films have: no file may ask for any memory it likes


class Form(NamedTuple):
    """What frames are made into.

    Attributes:
        width: width and height, W, in pixels.
        channels: C, 1 grey or 3 RGB.
        resize: "crop" scales the shorter side to W and keeps the centre, "squash" scales both sides to W.
    """

    width: int
    channels: int
    resize: str


def read(path: str, form: Form, size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
    """Yields the frames of a video file, an array file or a folder of images: uint8 [W, W, C] in 0..255.

    Frames that have the form already come through exactly.

    Args:
        path: what to read; its ending decides how, see VIDEO_ENDINGS and ARRAY_ENDINGS.
        form: what frames are made into.
        size: width and height that the frames must have, in pixels; by default any, but the same in all.

    Raises:
        DataError: the reason without the path: it cannot be read or decoded, is cut short, or holds no video.
    """
    try:
        if os.path.isdir(path):
            frames = _images(path)
        elif path.lower().endswith(ARRAY_ENDINGS):
            frames = _array(path)
        else:
            frames = _video(path)
        yield from _shaped(frames, form, size)
    except DataError:
        raise
    except (OSError, EOFError, ValueError, ArithmeticError, av.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or array_files.reason_of(error)
        raise DataError(f"cannot be read: {reason}") from None


def natural_key(name: str) -> list[tuple[int, str]]:
    """A sort key by which frame2 comes before frame10."""
    return [(int(digits or -1), text.lower()) for digits, text in re.findall(r"(\d+)|(\D+)", name)]


def _shaped(frames: Iterator[av.VideoFrame], form: Form, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
    reformatter = VideoReformatter()  # keeps its tables from frame to frame
    number = -1
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
        # A telephone stores how it was held. The squares of both ways of resizing turn with the picture.
        yield np.ascontiguousarray(np.rot90(square, frame.rotation // 90))
    if number < 0:
        raise DataError("has no frames")


def _video(path: str) -> Iterator[av.VideoFrame]:
    _check_bytes(path)
    with av.open(path, **_LENIENT) as container:
        if not container.streams.video:
            raise DataError("has no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise DataError("cannot be read: its coding is unknown, or the file is damaged")
        _check_size(stream.width, stream.height)
        stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}  # the frames may say another size
        last = None
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise DataError("is damaged or cut short: a packet is incomplete")
            for last in packet.decode():
                if last.is_corrupt:
                    raise DataError("is damaged: a frame cannot be decoded")
                yield last
        rate = stream.average_rate or fractions.Fraction(25)
        declared = _declared_seconds(container, stream, rate)
        if last is None or last.pts is None:
            seconds = 0.0
        else:
            length = last.duration * last.time_base if last.duration else 1 / rate
            seconds = float((last.pts - (stream.start_time or 0)) * last.time_base + length)
        if declared - seconds > _LOST_FRAMES / rate:
            raise DataError(f"is cut short: it has {seconds:.2f} of {declared:.2f} seconds")


def _check_size(width: int, height: int) -> None:
    if width * height > _MOST_PIXELS:
        raise DataError(f"has frames of {width}x{height} pixels; at most {_MOST_PIXELS:,} pixels are taken")


def _declared_seconds(
    container: av.container.InputContainer, stream: av.VideoStream, rate: fractions.Fraction
) -> float:
    """The video's length by the file's own word, in seconds; 0 where it says none."""
    if "avi" in container.format.name:
        return float(stream.frames / rate)  # its duration is shortened with the file
    if stream.duration:
        return float(stream.duration * stream.time_base)
    clock = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if clock:
        hours, minutes, seconds = (float(part) for part in clock.groups())
        return 3600 * hours + 60 * minutes + seconds
    alone = len(container.streams) == 1  # the duration of several is that of the longest
    return container.duration / av.time_base if container.duration and alone else 0.0


def _check_bytes(path: str) -> None:
    with open(path, "rb") as file:
        if os.path.getsize(path) == 0:
            raise DataError("is empty")
        if path.lower().endswith(".gif"):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != _GIF_TRAILER:
                raise DataError("is cut short: it has no GIF trailer")


def _array(path: str) -> Iterator[av.VideoFrame]:
    with open(path, "rb") as file:
        if file.read(len(_ZIP_MAGIC)) != _ZIP_MAGIC:
            file.seek(0)
            yield from _stored_frames(file, path)
            return
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise DataError(f"holds {len(names)} arrays, but must hold one video")
            with archive.open(names[0]) as member:
                yield from _stored_frames(member)
    except (DataError, OSError):
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds on damage
        raise DataError(f"cannot be read: {array_files.reason_of(error)}") from None


def _stored_frames(file: IO[bytes], path: str = "") -> Iterator[av.VideoFrame]:
    """The frames of an .npy file, or of one in an archive, which has no path; one frame in memory at a time."""
    try:
        shape, fortran_order, dtype = array_files.read_header(file)
    except array_files.ArrayFileError as error:
        raise DataError(f"cannot be read: {error}") from None
    grey = len(shape) == 3 or (len(shape) == 4 and shape[-1] == 1)
    if dtype != np.uint8 or not (grey or (len(shape) == 4 and shape[-1] == 3)):
        raise DataError(f"is {dtype} {list(shape)}, but must be uint8 [T, H, W] or [T, H, W, 1 or 3]")
    if 0 in shape:
        raise DataError(f"has no pixels: its shape is {list(shape)}")
    _check_size(shape[2], shape[1])
    if path and os.path.getsize(path) - file.tell() != math.prod(shape):
        fault = "is cut short" if os.path.getsize(path) - file.tell() < math.prod(shape) else "is too long"
        raise DataError(f"{fault}: its shape is {list(shape)}")
    if fortran_order and not path:
        raise DataError("is in Fortran order; save numpy.ascontiguousarray of it")
    stored = np.memmap(path, np.uint8, "r", file.tell(), shape, "F") if fortran_order else None
    for number in range(shape[0]):
        if stored is not None:
            image = np.ascontiguousarray(stored[number])
        else:
            data = file.read(math.prod(shape[1:]))
            if len(data) != math.prod(shape[1:]):
                raise DataError(f"is cut short: it has {number} of {shape[0]} frames")
            image = np.frombuffer(data, np.uint8).reshape(shape[1:])
        yield av.VideoFrame.from_ndarray(image.reshape(shape[1:3]) if grey else image, "gray" if grey else "rgb24")
    if file.read(1):  # by which an archive's checksum is verified, too
        raise DataError(f"is too long: its shape is {list(shape)}")


def _images(folder: str) -> Iterator[av.VideoFrame]:
    names = [name for name in os.listdir(folder) if name.lower().endswith(IMAGE_ENDINGS)]
    for name in sorted(names, key=natural_key):
        try:
            with Image.open(os.path.join(folder, name)) as image:
                _check_size(*image.size)
                if image.mode[0] in "IF":
                    raise DataError(f"{name} has more than 8 bits a pixel")
                grey = image.mode in ("1", "L", "LA")
                pixels = np.asarray(image.convert("L" if grey else "RGB"))
        except DataError:
            raise
        except Exception as error:  # Pillow's readers raise a dozen kinds on damage
            raise DataError(f"{name} cannot be read: {array_files.reason_of(error)}") from None
        yield av.VideoFrame.from_ndarray(pixels, "gray" if grey else "rgb24")
