import importlib
import os
import subprocess
import sys
from pathlib import Path

import exported_model
import numpy as np
import pytest
from PIL import Image

from svg_tf import noise
from svg_tf.serving import future_request, picture_files
from svg_tf.serving.error import ExportError

ROOT = Path(__file__).resolve().parents[1]


def run(script, *arguments):
    command = [sys.executable, str(ROOT / "export" / script), *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.fixture(scope="module")
def served():
    pytest.importorskip("tensorflow_serving", reason="not run: needs the package tensorflow-serving-api")
    import loopback

    made = exported_model.artefact()
    with loopback.serve(exported_model.runtime()) as (grpc_address, rest_address):
        yield made, grpc_address, rest_address


class _Fake:
    """A server whose future t of sample s is the context's last frame, darker by t + s levels."""

    def predict(self, signature, inputs):
        self.signature, self.seeds = signature, inputs["seeds"]
        samples = inputs["seeds"].shape[1]
        if signature == "rollout_png":
            last = np.stack([picture_files.decode(data, 3) for data in inputs["context_bytes"][0]])[-1] / 255
        else:
            last = inputs["context"][0, -1]
            assert inputs["context"].dtype == np.float32
        frames = np.array([[[last - (t + s) / 255 for t in range(5)] for s in range(samples)]], np.float32)
        if signature == "rollout":
            return {"frames": frames, "length": inputs["horizon"]}
        if signature == "serving_default":
            return {"frames": frames}
        files = np.empty(frames.shape[:3], object)
        for index in np.ndindex(files.shape):
            files[index] = picture_files.encode(np.round(255 * frames[index]).astype(np.uint8))
        return {"frames_bytes": files}


def test_futures_are_asked_for_in_numbers_and_in_pictures():
    context = np.random.default_rng(0).integers(100, 256, [3, 8, 8, 3], np.uint8)
    seeds, fake = future_request.sample_seeds(3, 2, 4), _Fake()
    expected = np.array([[context[-1] / 255 - (t + s) / 255 for t in range(5)] for s in range(4)])
    np.testing.assert_allclose(future_request.by_numbers(fake, context, seeds), expected, atol=1e-6)
    assert fake.signature == "serving_default"
    np.testing.assert_allclose(future_request.by_numbers(fake, context, seeds, 2), expected[:, :2], atol=1e-6)
    np.testing.assert_allclose(future_request.by_pictures(fake, context, seeds), expected, atol=1e-6)


def test_seeds_are_those_that_the_library_draws_a_clips_samples_from():
    np.testing.assert_array_equal(future_request.sample_seeds(7, 5, 9), noise.sample_seeds(7, [5], 9))


@pytest.mark.parametrize("channels", [1, 3])
def test_picture_files_keep_every_pixel(channels):
    frame = np.random.default_rng(0).integers(0, 256, [32, 32, channels], np.uint8)
    np.testing.assert_array_equal(picture_files.decode(picture_files.encode(frame), channels), frame)


def test_a_video_becomes_a_gif_of_futures_by_rest(served, tmp_path):
    video = np.random.default_rng(0).integers(0, 256, [9, 40, 50], np.uint8)
    np.save(tmp_path / "video.npy", video)
    out = tmp_path / "futures.gif"
    told = run(
        "client.py", f"--video={tmp_path}/video.npy", f"--server={served[2]}", "--protocol=rest", f"--out={out}",
        "--start=1", "--n_samples=3", "--horizon=5",
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "3 futures of 5 frames" in told.stdout
    with Image.open(out) as image:
        assert image.n_frames == 3 + 5
        truth_and_three = image.size[0]
    told = run(
        "client.py", f"--video={tmp_path}/video.npy", f"--server={served[2]}", "--protocol=rest", f"--out={out}"
    )
    assert told.returncode == 0, told.stderr
    with Image.open(out) as image:
        assert image.n_frames == 3 + 4 and image.size[0] > truth_and_three


def test_a_test_clip_of_a_run_becomes_a_gif_of_futures_by_grpc(served, tmp_path):
    made, address, _ = served
    out = tmp_path / "futures.gif"
    told = run("client.py", f"--run_dir={made.config.run_dir}", f"--server={address}", "--png", f"--out={out}")
    assert told.returncode == 0, told.stderr
    with Image.open(out) as image:
        assert image.n_frames == 3 + 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name either a run, --run_dir, or a video, --video"),
        (["--video=x.mp4", "--run_dir=y"], "name either a run"),
        (["--video=x.mp4", "--png", "--horizon=3"], "--png predicts as many frames as the export chose"),
        (["--video=x.mp4", "--protocol=rest", "--server=127.0.0.1:9"], "no server answers at 127.0.0.1:9"),
        (["--run_dir=nowhere"], "is not a run: it has no config.json"),
        (["--n_samples=0"], "n_samples"),
    ],
)
def test_what_the_client_cannot_do_is_told_in_a_sentence(arguments, message):
    told = run("client.py", *arguments)
    assert told.returncode != 0 and message in told.stderr and "Traceback" not in told.stderr


def test_grpc_without_its_package_is_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "grpc_client", raising=False)
    for name in ("tensorflow_serving", "tensorflow_serving.apis"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExportError, match=r"pip install 'svg_tf\[serving\]', or use REST"):
        importlib.import_module("grpc_client")


def test_a_video_or_run_that_does_not_fit_is_told(served, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros([4, 32, 32], np.uint8))
    rest = [f"--server={served[2]}", "--protocol=rest"]
    told = run("client.py", f"--video={tmp_path}/short.npy", "--start=2", *rest)
    assert "has 2 frames from 2 on; the model needs 3 to begin" in told.stderr
    told = run("client.py", f"--video={tmp_path}/missing.mp4", *rest)
    assert "missing.mp4 cannot be read" in told.stderr and "Traceback" not in told.stderr
    served[0].config.replace(n_past=4, run_dir=str(tmp_path)).save(str(tmp_path))
    told = run("client.py", f"--run_dir={tmp_path}", *rest)
    assert "takes 3 frames of 32x32x1" in told.stderr and "Traceback" not in told.stderr
