import numpy as np
import pytest
import tensorflow as tf
from served_model import LIMITS, exported, request

from svg_tf import losses, rollout
from svg_tf.serving.client import decode_png, encode_png

KINDS = [{}, {"prior": "none", "skip_frame": "every", "n_past": 1, "backbone": "vgg", "channels": 3}]
TABLE = {
    "serving_default": ({"context": "float32"}, {"frames": "float32"}),
    "future": ({"context": "float32", "seed": "int64"}, {"frames": "float32"}),
    "futures": (
        {"context": "float32", "seeds": "int64", "horizon": "int32"},
        {"frames": "float32", "prior_stddev": "float32"},
    ),
    "futures_png": ({"context_bytes": "string", "seeds": "int64"}, {"frames_bytes": "string"}),
}


@pytest.fixture(scope="module", params=KINDS, ids=str)
def kind(request):
    return exported(**request.param)


def _close(actual, expected, atol=1e-6):
    np.testing.assert_allclose(actual, expected, atol=atol, rtol=0)


def test_the_table_of_signatures_with_free_batch_dimensions():
    definitions = exported().runtime.definitions
    assert set(definitions) == set(TABLE)
    for name, (inputs, outputs) in TABLE.items():
        for infos, expected in ((definitions[name].inputs, inputs), (definitions[name].outputs, outputs)):
            assert {key: tf.as_dtype(info.dtype).name for key, info in infos.items()} == expected
            assert {info.tensor_shape.dim[0].size for info in infos.values()} == {-1}


def test_every_signature_draws_the_frames_of_the_library(kind):
    model, _, runtime = kind
    inputs = request(model)
    answer = runtime.run("futures", inputs)
    expected = rollout.generate(model, inputs["context"], 4, inputs["seeds"])
    assert answer["frames"].shape[:3] == (2, 3, 4) and answer["frames"].std() > 0.02
    _close(answer["frames"], expected.frames)
    assert ("prior_stddev" in answer) == (model.prior is not None)
    if "prior_stddev" in answer:
        _close(answer["prior_stddev"], losses.stddev(expected.prior[1]), atol=1e-5)
    by_row = {"context": np.repeat(inputs["context"], 3, axis=0), "seed": inputs["seeds"].reshape(-1)}
    frames = runtime.run("future", by_row)["frames"]
    _close(frames.reshape(answer["frames"].shape), expected.frames)
    frames = runtime.run("serving_default", {"context": inputs["context"]})["frames"]
    _close(frames, model.generate(inputs["context"], LIMITS.horizon, LIMITS.n_samples, seed=0))


def test_rows_do_not_depend_on_the_rows_that_they_are_merged_with(kind):
    first, second = request(kind.model, rows=2), request(kind.model, rows=3, seed=1)
    inputs = [{"context": part["context"], "seed": part["seeds"][:, 0]} for part in (first, second)]
    merged = {name: np.concatenate([part[name] for part in inputs]) for name in inputs[0]}
    padded = {name: np.concatenate([value, value[:1], value[:1], value[:1]]) for name, value in merged.items()}
    frames = kind.runtime.run("future", padded)["frames"]
    _close(kind.runtime.run("future", inputs[0])["frames"], frames[:2])
    _close(kind.runtime.run("future", inputs[1])["frames"], frames[2:5])
    whole = kind.runtime.run("futures", second)["frames"]
    _close(kind.runtime.run("futures", {name: value[[1]] for name, value in second.items()})["frames"], whole[1:2])
    fewer = {**second, "seeds": second["seeds"][:, [2, 0]], "horizon": np.full(3, 2, np.int32)}
    _close(kind.runtime.run("futures", fewer)["frames"], whole[:, [2, 0], :2])


def test_png_files_in_and_out(kind):
    inputs = request(kind.model)
    pictures = np.round(255 * inputs["context"]).astype(np.uint8)
    files = np.array([[encode_png(frame) for frame in clip] for clip in pictures], object)
    answer = kind.runtime.run("futures_png", {"context_bytes": files, "seeds": inputs["seeds"]})["frames_bytes"]
    decoded = np.array([[[decode_png(file) for file in future] for future in row] for row in answer])
    exact = kind.runtime.run("futures", {**inputs, "context": pictures / np.float32(255)})["frames"]
    assert np.abs(decoded - 255 * exact).max() < 0.501


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": np.full([2, 3, 32, 32, 1], np.nan, np.float32)}, "finite numbers in"),
        ({"context": np.full([2, 3, 32, 32, 1], 200, np.float32)}, "divide bytes by 255"),
        ({"context": np.zeros([0, 3, 32, 32, 1], np.float32)}, "one row for each context|at least one row"),
        ({"seeds": np.zeros([3, 1], np.int64)}, "seeds must have one row for each context"),
        ({"seeds": np.zeros([2, 0], np.int64)}, "at least one column"),
        ({"horizon": np.array([4], np.int32)}, "horizon must have one row for each context"),
        ({"horizon": np.array([4, 5], np.int32)}, "horizon must be the same number in each row"),
        ({"horizon": np.array([0, 0], np.int32)}, "horizon must be at least 1"),
        ({"seeds": np.zeros([2, 33], np.int64)}, r"at most 64 futures a request \(B \* S\), not\] \[66\]"),
        ({"horizon": np.full(2, 184, np.int32)}, r"at most 1100 frames a request \(B \* S \* T\), not\] \[1104\]"),
        # 40 terabytes of frames: refused before anything is allocated.
        ({"horizon": np.full(2, 2**31 - 1, np.int32)}, r"at most 1100 frames .*\[12884901882\]"),
    ],
)
def test_a_wrong_request_is_refused_in_one_sentence(changes, message):
    model, _, runtime = exported()
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        runtime.run("futures", request(model) | changes)


@pytest.mark.parametrize("file", [b"garbage", b"", encode_png(np.zeros([32, 64, 1], np.uint8))], ids=len)
def test_bytes_that_are_not_a_png_of_the_right_size_are_refused(file):
    inputs = {"context_bytes": np.full([2, 3], file, object), "seeds": np.zeros([2, 1], np.int64)}
    with pytest.raises(tf.errors.InvalidArgumentError, match="PNG files of 32x32 pixels"):
        exported().runtime.run("futures_png", inputs)
