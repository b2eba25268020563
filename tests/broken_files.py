"""Makes damaged and hostile files of every format that is read, each with a word on what was done to it."""

import fractions
import gzip
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import original_files
import torch_files
import video_files
from PIL import Image


class Broken(NamedTuple):
    """A file that is not what it should be: what was done to it, its name, and its bytes, None for a folder."""

    fault: str
    name: str
    data: bytes | None


def cuts(name, data, count, seed=0):
    """The file cut at `count` points, the beginning and the last byte among them."""
    points = np.random.default_rng(seed).integers(1, len(data) - 1, count - 2)
    return [Broken(f"cut to {point} bytes", name, data[:point]) for point in (0, *points.tolist(), len(data) - 1)]


def flips(name, data, count, seed=0, first=0):
    """The file with one to three bytes changed, half of the time within the first 200, from `first` on."""
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        changed = bytearray(data)
        stop = min(len(data), first + 200) if number % 2 else len(data)
        for place in rng.integers(first, stop, 1 + number % 3):
            changed[place] ^= int(rng.integers(1, 256))
        found.append(Broken(f"bytes changed, {number}", name, bytes(changed)))
    return found


def video_bytes(ending, folder, count=12):
    """A whole video."""
    video_files.write_video(folder / f"whole{ending}", video_files.frames(count))
    return (folder / f"whole{ending}").read_bytes()


def no_videos(folder):
    """Files with a video's ending that are something else, or claim what cannot be."""
    whole = {ending: video_bytes(ending, folder) for ending in (".gif", ".mp4", ".avi")}
    gif, huge = bytearray(whole[".gif"]), bytearray(whole[".gif"])
    gif[6:10], huge[6:10] = struct.pack("<HH", 16_000, 16_000), struct.pack("<HH", 65_535, 65_535)
    coding = bytearray(whole[".avi"])
    for place in (coding.index(b"vids") + 4, coding.index(b"strf") + 24):
        coding[place : place + 4] = b"xyzw"
    found = [
        Broken("nothing", "a.mp4", b""),
        Broken("one byte", "a.avi", b"\0"),
        Broken("the header alone", "a.avi", whole[".avi"][:2_000]),
        Broken("text", "a.mp4", b"this is no video\n" * 99),
        Broken("a web page", "a.mkv", b"<!DOCTYPE html><html><body>404</body></html>"),
        Broken("an archive", "a.mov", zipped({"a.mp4": whole[".mp4"]})),
        Broken("an MP4 named GIF", "a.gif", whole[".mp4"]),
        Broken("frames of 16000x16000", "a.gif", bytes(gif)),
        Broken("frames of 65535x65535", "a.gif", bytes(huge)),
        Broken("an unknown coding", "a.avi", bytes(coding)),
        Broken("one frame", "a.mp4", video_bytes(".mp4", folder, 1)),
        Broken("frames of two sizes", "a.avi", _two_sizes(folder)),
        Broken("a folder without frames", "a.mp4", None),
    ]
    noise = np.random.default_rng(0)
    return found + [Broken("noise", f"a{ending}", noise.bytes(5_000)) for ending in video_files.CODECS]


def _two_sizes(folder):
    path = folder / "sizes.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number, (width, height) in enumerate([(64, 48)] * 6 + [(48, 32)] * 6):
            image = io.BytesIO()
            Image.fromarray(video_files.frames(1, width, height)[0]).save(image, "JPEG")
            packet = av.Packet(image.getvalue())
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base = fractions.Fraction(1, 25)
            container.mux(packet)
    return path.read_bytes()


# Arrays.


def npy(shape, body=b"", descr="|u1", version=b"\1\0"):
    """An .npy file of this header, with any body."""
    header = str({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + body


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    return torch_files.zipped(members, compression)


def whole_arrays():
    """A video as .npy, .npz and compressed .npz."""
    video = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
    made = {".npy": io.BytesIO(), ".npz": io.BytesIO(), "z.npz": io.BytesIO()}
    for ending, save in ((".npy", np.save), (".npz", np.savez), ("z.npz", np.savez_compressed)):
        save(made[ending], video)
    return {f"a{ending}": file.getvalue() for ending, file in made.items()}


def wrong_arrays():
    """Array files that are no video, or claim what cannot be."""
    pixels = bytes(12 * 8 * 8 * 3)
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}] * 3), allow_pickle=True)
    headers = {
        "rank 2": npy((96, 24), pixels),
        "rank 5": npy((1, 12, 8, 8, 3), pixels),
        "4 channels": npy((9, 8, 8, 4), pixels),
        "no frames": npy((0, 8, 8, 3)),
        "a negative shape": npy((-12, 8, 8, 3), pixels),
        "float32 with nan": npy((2, 8, 8), np.full([2, 8, 8], np.nan, np.float32).tobytes(), "<f4"),
        "int8 with negative numbers": npy((12, 8, 8, 3), pixels, "|i1"),
        "text": npy((3, 8, 8), pixels, "<U3"),
        "a record": npy((12, 8, 8, 3), pixels, [("a", "|u1")]),
        "a pickle": pickled.getvalue(),
        "frames that are not there": npy((10**6, 4_096, 4_096, 3), pixels),
        "frames of 2^40 pixels": npy((9, 2**20, 2**20), pixels),
        "more than 2^63 bytes": npy((2**40, 2**40, 2**40), pixels),
        "an empty array of 2^124": npy((2**62, 2**62, 0), pixels),
        "more than its header says": npy((12, 8, 8, 3), pixels + b"x"),
        "a later version": npy((12, 8, 8, 3), pixels, version=b"\2\0"),
    }
    for name, text in {
        "brackets": b"(" * 5_000,
        "half": b"{'descr':",
        "digits": b"9" * 9_000,
        "ff": b"\xff" * 60,
    }.items():
        headers[f"a header of {name}"] = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + pixels
    found = [Broken(fault, "a.npy", data) for fault, data in headers.items()]
    found += [Broken(f"{fault}, in an archive", "a.npz", zipped({"a.npy": data})) for fault, data in headers.items()]
    two = {"a.npy": npy((12, 8, 8, 3), pixels), "b.npy": npy((12, 8, 8, 3), pixels)}
    bomb = npy((1, 2**14, 2**14), bytes(2**28))
    return found + [
        Broken("text", "a.npy", b"text"),
        Broken("text", "b.npz", b"text"),
        Broken("two arrays", "a.npz", zipped(two)),
        Broken("no array", "a.npz", zipped({})),
        Broken("a text file", "a.npz", zipped({"a.txt": b"text"})),
        Broken("a bomb of 2^28 bytes", "a.npz", zipped({"a.npy": bomb})),
    ]


# Images.


def image_bytes(kind, width=32, height=32, mode="RGB", seed=0):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


def wrong_images():
    """Images that cannot be a frame beside others of 32x32."""
    bomb = bytearray(image_bytes("PNG"))
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    return [
        Broken("another size", "b.png", image_bytes("PNG", 48)),
        Broken("16 bits a pixel", "b.png", image_bytes("PNG", mode="I;16")),
        Broken("60000x60000 by its header", "b.png", bytes(bomb)),
        Broken("nothing", "b.jpg", b""),
        Broken("text", "b.bmp", b"no image"),
        Broken("a folder", "b.png", None),
    ]


# idx.


def idx(count=10_000, width=28, magic=0x803):
    return struct.pack(">4I", magic, count, width, width) + bytes(count * width**2)


def wrong_idx():
    """Files named as MNIST's test images that are not."""
    name, whole = "t10k-images-idx3-ubyte", idx()
    found = {
        "labels": struct.pack(">2I", 0x801, 10_000) + bytes(10_000),
        "floats": idx(magic=0xD03),
        "a web page": b"<html>not found</html>",
        "other images": idx(7),
        "wider images": idx(width=29),
        "2^32 - 1 images": struct.pack(">4I", 0x803, 2**32 - 1, 28, 28) + whole[16:],
        "one byte more": whole + b"\0",
        "packed noise": b"\x1f\x8b\x08\0" + np.random.default_rng(0).bytes(999),
        "packed with a byte more": gzip.compress(whole + b"\0", 1),
        "packed noise after": gzip.compress(whole, 1) + b"noise",
        "a bomb of 2^28 bytes": gzip.compress(whole + bytes(2**28), 6),
    }
    return [Broken(fault, name, data) for fault, data in found.items()] + [Broken("a folder", name, None)]


# Checkpoints.


def wrong_checkpoints(arrays):
    """Archives that are not the checkpoint of these arrays."""

    def saved(save=np.savez, **changes):
        file = io.BytesIO()
        save(file, **{name: array for name, array in {**arrays, **changes}.items() if array is not None})
        return file.getvalue()

    name = "model/svg/encoder/stage_0/conv/kernel"
    kernel, nan = arrays[name], arrays[name].copy()
    nan.flat[3] = np.nan
    huge = {f"{key}.npy": npy((2**40,) if key == name else (1,), bytes(4), "<f4") for key in arrays}
    found = {
        "a missing tensor": saved(**{name: None}),
        "a superfluous tensor": saved(**{"model/svg/encoder/stage_9/conv/kernel": kernel}),
        "another shape": saved(**{name: kernel[..., :-1]}),
        "the same size, another shape": saved(**{name: kernel.reshape(-1)}),
        "float64": saved(**{name: kernel.astype(np.float64)}),
        "integers": saved(**{name: kernel.astype(np.int32)}),
        "text": saved(**{name: kernel.astype("U9")}),
        "a pickle": saved(**{name: np.array([{}], object)}),
        "nan": saved(**{name: nan}),
        "inf": saved(**{name: kernel * np.float32(np.inf)}),
        "compressed": saved(np.savez_compressed),
        "a tensor that is not there": zipped(huge, zipfile.ZIP_STORED),
        "no tensors": zipped({}),
        "a text file": zipped({"a.txt": b"text"}, zipfile.ZIP_STORED),
        "an array": npy((3,), bytes(3)),
        "text in its place": b"not an archive",
    }
    return [Broken(fault, "step_00000001.npz", data) for fault, data in found.items()] + [
        Broken("a folder", "step_00000001.npz", None)
    ]


# PyTorch's files.


def whole_torch(folder):
    """The original's checkpoint in both of PyTorch's formats."""
    found = {"a.zip": Path(original_files.write_file(folder / "whole.pth")).read_bytes()}
    file = torch_files.TorchFile()
    root = {
        network: torch_files.ordered({key: file.tensor(array) for key, array in tensors.items()})
        for network, tensors in original_files.small_networks().items()
    }
    options = torch_files.New(torch_files.NAMESPACE, original_files.OPTIONS)
    return {**found, "a.stream": file.stream({**root, "opt": options})}


def wrong_torch(folder):
    """Pickles that are no checkpoint of the original's, or do more than one may."""
    roots = {
        "a command": torch_files.Call(torch_files.Name("os", "system"), ("true",)),
        "eval": torch_files.Call(torch_files.Name("builtins", "eval"), ("1",)),
        "a class of its own": torch_files.New(torch_files.Name("__main__", "Model"), {}),
        "a list": [1, 2],
        "no networks": {"model": {}},
        "a number for a network": {"encoder": 3},
        "numbers for tensors": {"encoder": {"w": 3}, "decoder": {}},
    }
    found = [Broken(fault, "a.pth", torch_files.TorchFile().zip(root)) for fault, root in roots.items()]
    others = {
        "nothing": b"",
        "text": b"text" * 9,
        "a pickle": torch_files.pickled({"encoder": 1}),
        "zeros": bytes(4_096),
    }
    others |= {"an archive": zipped({"archive/a.txt": b"text"}), "json": json.dumps({"encoder": 1}).encode()}
    found += [Broken(fault, "a.pth", data) for fault, data in others.items()] + [Broken("a folder", "a.pth", None)]
    changes = {
        "nan": np.float32(np.nan),
        "another shape": np.zeros(3, np.float32),
        "integers": np.zeros([4, 1, 4, 4], int),
    }
    for fault, value in {**changes, "a missing tensor": None}.items():
        networks = original_files.small_networks()
        key = "c1.main.0.weight"
        tensor = networks["encoder"].pop(key)
        if value is not None:
            networks["encoder"][key] = tensor * value if fault == "nan" else value
        path = original_files.write_file(folder / "changed.pth", networks)
        found.append(Broken(fault, "a.pth", Path(path).read_bytes()))
    return found
