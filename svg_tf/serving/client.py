"""Asks a model server for futures and draws them as a GIF.

python export/client.py --run_dir=runs/demo --out=futures.gif                  # of a test clip of a run, by gRPC
python export/client.py --video=robot.mp4 --protocol=rest --out=futures.gif    # of a video file, by REST
"""

import os

import numpy as np
from absl import flags

from svg_tf.cli import flags as command
from svg_tf.config import Config
from svg_tf.serving import future_request
from svg_tf.serving.error import ExportError

_PORTS = {"grpc": 8500, "rest": 8501}
_SHOWN = 8

_PROTOCOL = flags.DEFINE_enum("protocol", "grpc", tuple(_PORTS), "how to ask")
_SERVER = flags.DEFINE_string("server", "", "host:port; empty: localhost:8500 for gRPC, localhost:8501 for REST")
_MODEL = flags.DEFINE_string("model", "svg", "name of the model on the server")
_TIMEOUT = flags.DEFINE_float("timeout", 60.0, "seconds to wait for an answer", lower_bound=0.001)
_RUN_DIR = flags.DEFINE_string("run_dir", "", "run whose test clips to continue; empty: --video's")
_CLIP = flags.DEFINE_integer("clip", 0, "number of the test clip, from 0", lower_bound=0, upper_bound=2**20 - 1)
_VIDEO = flags.DEFINE_string("video", "", "video file, .npy, .npz or folder of images to continue; empty: --run_dir's")
_START = flags.DEFINE_integer("start", 0, "frame of the video at which the context begins, from 0", lower_bound=0)
_RESIZE = flags.DEFINE_enum("resize", "crop", ("crop", "squash"), "how the video's frames become square")
_N_SAMPLES = flags.DEFINE_integer(
    "n_samples", 4, f"futures to ask for; the first {_SHOWN} are shown", lower_bound=1, upper_bound=4096
)
_HORIZON = flags.DEFINE_integer("horizon", 0, "frames to predict; 0 is what the export chose", lower_bound=0)
_PNG = flags.DEFINE_boolean("png", False, "send and take frames as PNG files: far fewer bytes, 8 bits a channel")
_SEED = flags.DEFINE_integer("seed", 0, "seed of the futures", lower_bound=0, upper_bound=2**31 - 1)
_OUT = flags.DEFINE_string("out", "futures.gif", "GIF to write")


def main() -> None:
    """Parses, asks and draws."""
    if bool(_RUN_DIR.value) == bool(_VIDEO.value):
        raise ExportError("name either a run, --run_dir, or a video, --video")
    if _PNG.value and _HORIZON.value:
        raise ExportError("--png predicts as many frames as the export chose; leave --horizon out")
    if os.path.isdir(_OUT.value):
        raise ExportError(f"out {_OUT.value} is a folder; name a file")
    config = Config.load(_RUN_DIR.value) if _RUN_DIR.value else None
    server = _SERVER.value or f"localhost:{_PORTS[_PROTOCOL.value]}"
    client = _client(server)
    n_past, height, width, channels = client.context_shape()
    clip = _test_clip(config) if config else _video_clip(_VIDEO.value, n_past, width, channels)
    if clip.shape[1:] != (height, width, channels) or (config and config.n_past != n_past):
        wanted = f"{n_past} frames of {width}x{height}x{channels}"
        raise ExportError(f"{_MODEL.value} at {server} takes {wanted}; {_RUN_DIR.value} is another model's run")
    seeds = future_request.sample_seeds(_SEED.value, _CLIP.value, _N_SAMPLES.value)
    ask = future_request.by_pictures if _PNG.value else future_request.by_numbers
    futures = ask(client, clip[:n_past], seeds, **({"horizon": _HORIZON.value} if _HORIZON.value else {}))
    _draw(clip, futures, n_past)
    print(f"{len(futures)} futures of {futures.shape[1]} frames from {server}; wrote {_OUT.value}")


def _client(server: str):
    if _PROTOCOL.value == "rest":
        from svg_tf.serving.rest_client import RestClient

        return RestClient(server, _MODEL.value, _TIMEOUT.value)
    from svg_tf.serving.grpc_client import GrpcClient  # TensorFlow takes seconds to load

    return GrpcClient(server, _MODEL.value, _TIMEOUT.value)


def _test_clip(config: Config) -> np.ndarray:
    """A test clip of a run: uint8 [n_eval, H, W, C]."""
    from svg_tf.data.dataset import make_dataset

    clips = make_dataset(config, "test", n_clips=_CLIP.value + 1).unbatch().skip(_CLIP.value)
    for clip in clips.as_numpy_iterator():
        return clip
    raise ExportError(f"clip is {_CLIP.value}, but {config.dataset} has fewer test clips")


def _video_clip(path: str, n_past: int, width: int, channels: int) -> np.ndarray:
    """A video from --start on: uint8 [T, W, W, C], T at least n_past."""
    from svg_tf.data import decoding
    from svg_tf.data.errors import DataError

    try:
        frames = list(decoding.read(path, decoding.Form(width, channels, _RESIZE.value)))[_START.value :]
    except DataError as error:
        raise ExportError(f"{path} {error}") from None
    if len(frames) < n_past:
        raise ExportError(f"{path} has {len(frames)} frames from {_START.value} on; the model needs {n_past} to begin")
    return np.stack(frames)


def _draw(clip: np.ndarray, futures: np.ndarray, n_past: int) -> None:
    """Writes the GIF: the truth, where there is enough of it, and futures."""
    from svg_tf import visualization
    from svg_tf.visualization import Row

    clip, frames = clip / np.float32(255), n_past + futures.shape[1]
    rows = [Row("Truth", clip[:frames], "truth")] if len(clip) >= frames else []
    for number, future in enumerate(futures[:_SHOWN], start=1):
        rows.append(Row(f"Sample {number}", np.concatenate([clip[:n_past], future])))
    try:
        visualization.write_gif(_OUT.value, visualization.animation([rows], n_past))
    except OSError as error:
        raise ExportError(f"{_OUT.value} cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    command.run(main)
