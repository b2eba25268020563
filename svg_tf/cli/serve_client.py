"""Draw futures on a model server and write them as a GIF.

svg-tf serve-client --run_dir=runs/demo                          # a test clip of a run, over REST
svg-tf serve-client --video=robot.mp4 --protocol=grpc            # a video file, over gRPC
"""

import os

import numpy as np
from absl import flags

from svg_tf.cli import run_flags
from svg_tf.serving import ExportError

_PORTS = {"rest": 8501, "grpc": 8500}
_SHOWN = 8

_PROTOCOL = flags.DEFINE_enum("protocol", "rest", list(_PORTS), "rest, or grpc, which is faster")
_SERVER = flags.DEFINE_string("server", "", "host:port; empty: localhost:8501 for REST, localhost:8500 for gRPC")
_MODEL = flags.DEFINE_string("model", "svg", "name of the model on the server")
_TIMEOUT = flags.DEFINE_float("timeout", 60.0, "seconds to wait for an answer", lower_bound=0.001)
_VIDEO = flags.DEFINE_string("video", "", "video file or folder of images to continue; empty: a test clip")
_CLIP = flags.DEFINE_integer("clip", 0, "test clip of the run or preset to continue, from 0", lower_bound=0)
_N_SAMPLES = flags.DEFINE_integer("n_samples", 4, f"futures to draw; {_SHOWN} are shown", lower_bound=1)
_HORIZON = flags.DEFINE_integer("horizon", 0, "frames to predict; 0: as chosen at export", lower_bound=0)
_SIGNATURE = flags.DEFINE_enum(
    "signature",
    "futures",
    ["futures", "future", "futures_png"],
    "futures; future, for a server with batching; futures_png, for a slow network",
)
# Keeps the seeds of the futures below 2**53, which JSON clients and servers keep exactly.
_SEED = flags.DEFINE_integer("seed", 0, "seed of the futures", lower_bound=0, upper_bound=2**21 - 1)
_OUT = flags.DEFINE_string("out", "futures.gif", "GIF to write")


def run() -> None:
    """Draw the futures and write the GIF."""
    if _HORIZON.value and _SIGNATURE.value != "futures":
        raise ExportError(f"--signature={_SIGNATURE.value} predicts a fixed number of frames; leave --horizon out")
    if os.path.isdir(_OUT.value):
        raise ExportError(f"--out is {_OUT.value}, which is a folder; name a file")
    from svg_tf.serving import client as clients

    server = _SERVER.value or f"localhost:{_PORTS[_PROTOCOL.value]}"
    make_client = clients.RestClient if _PROTOCOL.value == "rest" else clients.GrpcClient
    client = make_client(server, _MODEL.value, _TIMEOUT.value)
    n_past, height, width, channels = client.shape().context
    clip = _read_video(n_past, width, channels) if _VIDEO.value else _read_test_clip()
    if clip.shape[1:] != (height, width, channels):
        raise ExportError(
            f"the clip has frames of shape {list(clip.shape[1:])}, but {_MODEL.value} at {server} takes "
            f"{[height, width, channels]}; choose another run or model"
        )
    from svg_tf import noise, visualization  # import TensorFlow, late so that an unknown server fails fast

    seeds = noise.sample_seeds(_SEED.value, [_CLIP.value], _N_SAMPLES.value)[0]
    futures = clients.draw_futures(client, clip[:n_past], seeds, _HORIZON.value, _SIGNATURE.value)
    frames = n_past + futures.shape[1]
    clip = clip / np.float32(255)
    rows = [visualization.Row("Truth", clip[:frames], "truth")] if len(clip) >= frames else []
    for number, future in enumerate(futures[:_SHOWN], start=1):
        rows.append(visualization.Row(f"Sample {number}", np.concatenate([clip[:n_past], future])))
    visualization.write_gif(_OUT.value, visualization.animation([rows], n_past))
    print(f"{len(futures)} futures of {futures.shape[1]} frames from {server}; wrote {_OUT.value}")


def _read_test_clip() -> np.ndarray:
    """Return a test clip of the run or preset, uint8 [n_eval, H, W, C]."""
    config = run_flags.config()
    from svg_tf.data.dataset import make_dataset

    for clip in make_dataset(config, "test", n_clips=_CLIP.value + 1).unbatch().skip(_CLIP.value).as_numpy_iterator():
        return clip
    raise ExportError(f"--clip is {_CLIP.value}, but there are fewer test clips")


def _read_video(n_past: int, width: int, channels: int) -> np.ndarray:
    """Return the frames of the video, uint8 [T, W, W, C] with T of n_past or more."""
    from svg_tf.data import decoding
    from svg_tf.data.errors import DataError

    try:
        frames = list(decoding.read(_VIDEO.value, decoding.Form(width, channels, "crop")))
    except DataError as error:
        raise ExportError(f"{_VIDEO.value} {error}") from None
    if len(frames) < n_past:
        raise ExportError(f"{_VIDEO.value} has {len(frames)} frames; the model needs {n_past}")
    return np.stack(frames)
