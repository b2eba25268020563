import cpp_runtime
import exported_model
import numpy as np
import pytest
import tensorflow as tf

from svg_tf import losses, noise, rollout
from svg_tf.serving import picture_files

KINDS = [
    {},
    {"prior": "fixed", "backbone": "vgg"},
    {"prior": "none", "skip_frame": "every", "n_past": 1},
]
TABLE = {
    "serving_default": ("context f4, seeds i8", "frames f4"),
    "rollout": ("context f4, horizon i4, seeds i8", "frames f4, length i4"),
    "rollout_eps": ("context f4, eps f4", "frames f4"),
    "rollout_png": ("context_bytes O, seeds i8", "frames_bytes O"),
    "rollout_uncertainty": ("context f4, seeds i8", "frames f4, prior_stddev f4"),
}


@pytest.fixture(scope="module", params=KINDS, ids=str)
def kind(request):
    return exported_model.artefact(**request.param), exported_model.runtime(**request.param)


@pytest.fixture(scope="module")
def learned():
    return exported_model.artefact(), exported_model.runtime()


def _eps(config, seeds, horizon):
    drawn = noise.rollout_noise(tf.constant(seeds), config.n_past - 1 + horizon, config.z_dim)
    return np.ascontiguousarray(np.transpose(drawn, [2, 1, 0, 3]))  # [B, S, N, Z]


def _close(actual, expected, atol=1e-6):
    np.testing.assert_allclose(actual, expected, atol=atol, rtol=0)


def test_the_table_of_signatures(learned):
    for name, sides in TABLE.items():
        for infos, expected in zip(learned[1].signatures[name], sides, strict=True):
            found = sorted(f"{key} {info.dtype.str.strip('<|')}" for key, info in infos.items())
            assert ", ".join(found) == expected
    assert set(learned[1].signatures) == {*TABLE, "init", "step"}


def test_no_input_is_a_scalar_and_all_begin_with_a_free_batch_axis(kind):
    for signature in kind[1].signatures.values():
        for info in [*signature.inputs.values(), *signature.outputs.values()]:
            assert info.shape and info.shape[0] is None


def test_frames_are_those_of_the_library(kind):
    (config, model, _), runtime = kind
    inputs = exported_model.request(config)
    frames = runtime.run("serving_default", inputs)["frames"]
    expected = rollout.generate(model, inputs["context"], 4, inputs["seeds"])
    assert frames.shape == (2, 3, 4, 32, 32, 1) and frames.std() > 0.02
    _close(frames, np.swapaxes(expected.frames, 0, 1))
    if model.prior is not None:
        uncertain = runtime.run("rollout_uncertainty", inputs)
        _close(uncertain["frames"], frames)
        _close(uncertain["prior_stddev"], np.swapaxes(losses.stddev(expected.prior[1]), 0, 1), atol=1e-5)


def test_only_a_learned_prior_has_an_uncertainty(kind):
    assert ("rollout_uncertainty" in kind[1].signatures) == (kind[0].config.prior == "learned")


def test_given_noise_makes_the_frames_of_its_seeds(kind):
    (config, *_), runtime = kind
    inputs = exported_model.request(config)
    given = {"context": inputs["context"], "eps": _eps(config, inputs["seeds"], 4)}
    frames = runtime.run("serving_default", inputs)["frames"]
    _close(runtime.run("rollout_eps", given)["frames"], frames)


def test_frame_by_frame_equals_the_rollout(kind):
    (config, *_), runtime = kind
    inputs, first = exported_model.request(config), config.n_past
    eps = _eps(config, inputs["seeds"], 4)
    state = runtime.run("init", {"context": inputs["context"], "eps": eps[:, :, :first]})
    frames = [state["frame"]]
    for step in range(first, first + 3):
        state = runtime.run("step", {**state, "eps": eps[:, :, step : step + 1]})
        frames.append(state["frame"])
    _close(np.stack(frames, axis=2), runtime.run("serving_default", inputs)["frames"])


def test_pictures_in_and_out_are_the_frames_in_bytes(kind):
    (config, *_), runtime = kind
    inputs = exported_model.request(config)
    pictures = np.round(255 * inputs["context"]).astype(np.uint8)
    files = np.empty(pictures.shape[:2], object)
    for index in np.ndindex(files.shape):
        files[index] = picture_files.encode(pictures[index])
    answer = runtime.run("rollout_png", {"context_bytes": files, "seeds": inputs["seeds"]})["frames_bytes"]
    decoded = np.array([[[picture_files.decode(x, 1) for x in sample] for sample in row] for row in answer])
    exact = runtime.run("serving_default", {"context": pictures / np.float32(255), "seeds": inputs["seeds"]})["frames"]
    assert np.abs(decoded - 255 * exact).max() < 0.501


def test_each_row_has_its_own_horizon(learned):
    (config, *_), runtime = learned
    inputs = exported_model.request(config, rows=3)
    horizons = np.array([2, 6, 1], np.int32)
    answer = runtime.run("rollout", {**inputs, "horizon": horizons})
    assert answer["frames"].shape[2] == 6
    np.testing.assert_array_equal(answer["length"], horizons)
    longest = runtime.run("rollout", {**inputs, "horizon": np.full(3, 6, np.int32)})["frames"]
    for row, horizon in enumerate(horizons):
        _close(answer["frames"][row, :, :horizon], longest[row, :, :horizon])
        assert not answer["frames"][row, :, horizon:].any()


def test_a_sample_depends_on_its_context_and_seed_alone(kind):
    (config, *_), runtime = kind
    inputs = exported_model.request(config, rows=3, samples=4)
    whole = runtime.run("serving_default", inputs)["frames"]

    def run(rows, samples):
        part = {"context": inputs["context"][rows], "seeds": inputs["seeds"][rows][:, samples]}
        return runtime.run("serving_default", part)["frames"]

    _close(run([1], [2]), whole[1:2, 2:3])  # alone
    _close(run([0, 1], slice(None)), whole[:2])  # split
    _close(run([2, 0, 1, 2, 2, 2, 2, 2], slice(None)), whole[[2, 0, 1, 2, 2, 2, 2, 2]])  # merged and padded
    _close(run(slice(None), [3, 1]), whole[:, [3, 1]])  # fewer samples, in another order


def test_noise_is_decided_by_the_seeds_and_not_frozen(learned):
    (config, *_), runtime = learned
    inputs = exported_model.request(config, rows=1, samples=2)
    first = runtime.run("serving_default", inputs)["frames"]
    np.testing.assert_array_equal(runtime.run("serving_default", inputs)["frames"], first)
    other = runtime.run("serving_default", {**inputs, "seeds": inputs["seeds"] + 1})["frames"]
    assert np.abs(other - first).max() > 1e-3 and np.abs(first[:, 0] - first[:, 1]).max() > 1e-3
    negative = runtime.run("serving_default", {**inputs, "seeds": -inputs["seeds"]})["frames"]
    assert np.abs(negative - first).max() > 1e-3


def _png(width, length=None):
    return picture_files.encode(np.random.default_rng(0).integers(0, 255, [width, width, 1], np.uint8))[:length]


def _bomb():
    """The head of a PNG file that claims 60,000 x 60,000 pixels."""
    data = bytearray(_png(32))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(data)


WRONG = {
    "more frames": ("serving_default", {"context": lambda x: np.concatenate([x, x], 1)}, r"\[2,6,32,32,1\]"),
    "other pixels": ("serving_default", {"context": lambda x: x[:, :, :16]}, "compatible"),
    "rank": ("serving_default", {"context": lambda x: x[0]}, "compatible"),
    "NaN": ("serving_default", {"context": lambda x: x * np.nan}, r"context must hold finite numbers in \[0, 1\]"),
    "infinity": ("rollout", {"context": lambda x: x + np.inf}, r"finite numbers in \[0, 1\]"),
    "bytes": ("serving_default", {"context": lambda x: 255 * x}, "divide bytes by 255"),
    "integers": ("serving_default", {"context": lambda x: x.astype(np.int32)}, "float"),
    "no rows": ("serving_default", {"context": lambda x: x[:0], "seeds": lambda x: x[:0]}, "at least one row"),
    "seeds of one row": ("serving_default", {"seeds": lambda x: x[0]}, "compatible"),
    "rows": ("serving_default", {"seeds": lambda x: x[:1]}, "seeds must have one row for each"),
    "no samples": ("serving_default", {"seeds": lambda x: x[:, :0]}, "1 to 100 samples"),
    "huge S": ("serving_default", {"seeds": lambda x: np.zeros([2, 10**6], np.int64)}, "1 to 100 samples"),
    "huge horizon": ("rollout", {"horizon": lambda _: np.array([2, 10**9], np.int32)}, "horizon must be 1 to 30"),
    "no horizon": ("rollout", {"horizon": lambda _: np.array([2, 0], np.int32)}, "horizon must be 1 to 30"),
    "scalar horizon": ("rollout", {"horizon": lambda _: np.array(3, np.int32)}, "compatible"),
    "short eps": ("rollout_eps", {"eps": lambda x: x[:, :, :2]}, "2 steps for the context and then 1 to 30"),
    "long eps": (
        "rollout_eps",
        {"eps": lambda x: np.tile(x, [1, 1, 9, 1])},
        "2 steps for the context and then 1 to 30",
    ),
    "narrow eps": ("rollout_eps", {"eps": lambda x: x[..., :2]}, "compatible"),
    "NaN eps": ("rollout_eps", {"eps": lambda x: x * np.nan}, "eps must be finite"),
    "garbage": (
        "rollout_png",
        {"context_bytes": lambda x: np.full(x.shape, b"garbage", object)},
        "PNG files of 32x32",
    ),
    "no bytes": ("rollout_png", {"context_bytes": lambda x: np.full(x.shape, b"", object)}, "PNG files of 32x32"),
    "small PNG": (
        "rollout_png",
        {"context_bytes": lambda x: np.full(x.shape, _png(16), object)},
        "PNG files of 32x32",
    ),
    "bomb": ("rollout_png", {"context_bytes": lambda x: np.full(x.shape, _bomb(), object)}, "PNG files of 32x32"),
    "cut PNG": ("rollout_png", {"context_bytes": lambda x: np.full(x.shape, _png(32, 300), object)}, "Invalid PNG"),
    "steps": ("init", {"eps": lambda x: np.concatenate([x, x], 2)}, "compatible"),
    "NaN frame": ("step", {"frame": lambda x: x * np.nan}, "frame must hold finite"),
    "samples of eps": ("step", {"eps": lambda x: x[:, :2]}, "eps must have the rows and samples of frame"),
    "rows of skips": ("step", {"skip_1": lambda x: x[:1]}, "skip_1 must have the rows"),
    "samples of states": ("step", {"prior_0_cell": lambda x: x[:, :1]}, "prior_0_cell must have the rows"),
    "NaN state": ("step", {"predictor_1_hidden": lambda x: x * np.nan}, "predictor_1_hidden must be finite"),
    "other input": ("serving_default", {"horizon": lambda _: np.array([2, 2], np.int32)}, "serving_default takes"),
}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_wrong_request_gets_an_error_and_the_next_an_answer(learned, case):
    (config, *_), runtime = learned
    inputs = exported_model.request(config)
    eps = _eps(config, inputs["seeds"], 4)
    right = {"serving_default": inputs, "rollout": {**inputs, "horizon": np.array([2, 3], np.int32)}}
    right["rollout_eps"] = {"context": inputs["context"], "eps": eps}
    right["rollout_png"] = {"context_bytes": np.full([2, 3], _png(32), object), "seeds": inputs["seeds"]}
    right["init"] = {"context": inputs["context"], "eps": eps[:, :, :3]}
    signature, changes, message = WRONG[case]
    if signature == "step":
        right["step"] = {**runtime.run("init", right["init"]), "eps": eps[:, :, 3:4]}
    wrong = dict(right[signature]) | {name: change(right[signature].get(name)) for name, change in changes.items()}
    if case == "other input":
        wrong.pop("seeds")
    with pytest.raises((cpp_runtime.CppRuntimeError, KeyError), match=message):
        runtime.run(signature, wrong)
    answer = runtime.run(signature, right[signature])
    assert all(value.dtype == object or np.isfinite(value).all() for value in answer.values())
