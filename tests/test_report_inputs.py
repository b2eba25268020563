import json

import numpy as np
import pytest
from report_files import UNCERTAINTY, examples, metrics, write

from svg_tf.data.errors import DataError
from svg_tf.report import inputs


def _refused(folder, read, *patterns):
    with pytest.raises(DataError) as error:
        read(str(folder))
    message = str(error.value)
    assert "\n" not in message and all(pattern in message for pattern in patterns), message
    return message


def _examples(folder):
    return inputs.read_examples(folder, 2, 6)


def _changed(place, value, delete=False):
    """metrics.json with one value changed: place is a list of keys."""
    given = metrics()
    target = given
    for key in place[:-1]:
        target = target[key]
    if delete:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return given


def test_what_was_written_is_read(tmp_path):
    folder = write(tmp_path, uncertainty=UNCERTAINTY)
    assert inputs.read_metrics(folder) == metrics()
    for name, array in examples().items():
        np.testing.assert_array_equal(getattr(_examples(folder), name), array)
    assert inputs.read_uncertainty(folder).content == UNCERTAINTY


def test_files_that_are_missing_are_named_with_the_command_that_writes_them(tmp_path):
    _refused(tmp_path, inputs.read_metrics, str(tmp_path / "metrics.json"), "bin/evaluate.py")
    _refused(tmp_path, _examples, str(tmp_path / "examples.npz"), "bin/evaluate.py")
    assert inputs.read_uncertainty(str(tmp_path)) is None


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"PK\x03\x04 cut"])
def test_files_that_are_broken_are_named(tmp_path, data):
    for name, read in [
        ("metrics.json", inputs.read_metrics),
        ("examples.npz", _examples),
        ("uncertainty.json", inputs.read_uncertainty),
    ]:
        (tmp_path / name).write_bytes(data)
        _refused(tmp_path, read, str(tmp_path / name))


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    for name, read in [("metrics.json", inputs.read_metrics), ("examples.npz", _examples)]:
        (tmp_path / name).mkdir()
        _refused(tmp_path, read, str(tmp_path / name), "cannot be read")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["seed"], "7", "seed is '7', but must be of type int"),
        (["n_clips"], True, "n_clips is 'True', but must be of type int"),
        (["table"], {}, "table is '{}', but must be of type list"),
        (["table", 0, "metrics", "psnr", "low"], "9", "table[0].metrics.psnr.low is '9', but must be of type int or"),
        (["table", 0, "metrics", "psnr", "mean"], float("nan"), "table[0].metrics.psnr.mean is nan"),
        (["curves", "psnr", "lines", 1, "high", 2], float("inf"), "curves.psnr.lines[1].high[2] is inf"),
        (["protocol", "published", 0, "psnr"], "14.50", "protocol.published[0].psnr is '14.50'"),
        (["protocol", "deviations", 1], None, "protocol.deviations[1] is 'None', but must be of type str"),
        (["metrics", 0, "name"], "../psnr", "a metric named '../psnr'"),
        (["metrics", 1, "better"], "bigger", "ssim is better 'bigger'"),
        (["table", 1, "kind"], "other", "row 'one sample' is of kind 'other'"),
        (["curves", "psnr", "lines", 1, "kind"], "other", "row 'copy last' is of kind 'other'"),
        (["table", 1, "name"], "two samples", "a row 'two samples', but predictors does not define it"),
        (
            ["curves", "psnr", "frames"],
            [2, 3, 4],
            "curves.psnr, line 'best of 20', has 4 values of mean, but must have 3",
        ),
        (["curves", "psnr", "frames"], [], "curves.psnr has no frames"),
        (["by_samples", "psnr", "low"], [1.0], "by_samples.psnr has 1 values of low, but must have 3"),
        (["n_past"], 6, "n_past 6"),
        (["n_past"], 0, "n_past 0"),
        (["recalibration"], "none", "recalibration is 'none', but must be of type dict or NoneType"),
    ],
)
def test_metrics_of_another_shape_are_refused_where_they_differ(tmp_path, place, value, message):
    (tmp_path / "metrics.json").write_text(json.dumps(_changed(place, value)), encoding="utf-8")
    _refused(tmp_path, inputs.read_metrics, str(tmp_path / "metrics.json"), message)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (["table"], "it has no table"),
        (["protocol", "published", 1, "source"], "it has no protocol.published[1].source"),
    ],
)
def test_metrics_that_lack_something_are_refused(tmp_path, place, message):
    (tmp_path / "metrics.json").write_text(json.dumps(_changed(place, None, delete=True)), encoding="utf-8")
    _refused(tmp_path, inputs.read_metrics, message)


def test_more_than_the_report_shows_is_no_error(tmp_path):
    given = metrics(tool={"version": 1})
    given["metrics"][0]["more"] = [1]
    (tmp_path / "metrics.json").write_text(json.dumps(given), encoding="utf-8")
    assert inputs.read_metrics(str(tmp_path)) == given


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("truth", np.zeros([2, 5, 8, 8, 1], np.uint8), "has truth of shape (2, 5, 8, 8, 1)"),
        ("best", np.zeros([2, 6, 8, 8, 3], np.uint8), "has best of shape (2, 6, 8, 8, 3)"),
        ("posterior", np.zeros([2, 6, 8, 8, 1], np.float32), "posterior of shape (2, 6, 8, 8, 1) and type float32"),
        ("samples", np.zeros([2, 6, 8, 8, 1], np.uint8), "has samples of shape"),
        ("clips", np.arange(3), "has clips of shape (3,)"),
        ("samples_of", np.zeros([2, 2], np.int64), "has samples_of of shape (2, 2)"),
        ("best_of", np.zeros([], np.int64), "has best_of of shape ()"),
        ("truth", np.array([{}]), "allow_pickle"),
    ],
)
def test_examples_that_do_not_fit_are_refused(tmp_path, name, array, message):
    write(tmp_path, arrays={**examples(), name: array})
    _refused(tmp_path, _examples, str(tmp_path / "examples.npz"), message)


def test_examples_that_lack_an_array_are_refused(tmp_path):
    arrays = examples()
    del arrays["posterior"]
    write(tmp_path, arrays=arrays)
    _refused(tmp_path, _examples, "posterior", "bin/evaluate.py")


@pytest.mark.parametrize("name", ["../uncertainty_sigma.png", "/etc/passwd", "sub/a.png", "a.svg", ".png", "a.png\n"])
def test_uncertainty_names_pictures_of_its_folder_only(tmp_path, name):
    content = json.loads(json.dumps(UNCERTAINTY))
    content["figures"][0]["file"] = name
    write(tmp_path, uncertainty=content)
    _refused(tmp_path, inputs.read_uncertainty, str(tmp_path / "uncertainty.json"), "same folder")


def test_a_picture_that_is_missing_or_no_png_is_named(tmp_path):
    write(tmp_path, uncertainty=UNCERTAINTY)
    picture = tmp_path / "uncertainty_sigma.png"
    picture.write_bytes(b"GIF89a")
    _refused(tmp_path, inputs.read_uncertainty, str(picture), "not a PNG")
    picture.unlink()
    _refused(tmp_path, inputs.read_uncertainty, str(picture), "No such file")


def test_a_row_of_another_length_than_the_head_is_refused(tmp_path):
    content = json.loads(json.dumps(UNCERTAINTY))
    content["table"]["rows"][1].append("too much")
    write(tmp_path, uncertainty=content)
    _refused(tmp_path, inputs.read_uncertainty, "a row of 3 cells in a table of 2 columns")
