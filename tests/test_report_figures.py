import io
import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image
from report_files import metrics

from svg_tf.report import figures

_PSNR = metrics()["metrics"][0]
_BLUE, _ORANGE, _GREEN = "#0072b2", "#d55e00", "#009e73"


_SIMULATORS = ("simulator, best of 4096", "simulator, mean sample")


def _curve(*lines, frames=(2, 3, 4, 5)):
    return {"frames": list(frames), "lines": list(lines)}


def _line(name, mean, spread=1.0):
    low, high = [value - spread for value in mean], [value + spread for value in mean]
    return {"name": name, "kind": "model", "mean": list(mean), "low": low, "high": high}


def _paths(svg, key, colour):
    """The points of the paths drawn in a colour: [N, 2] in the figure's units, y downwards."""
    elements = list(ElementTree.fromstring(svg).iter())
    by_id = {f"#{element.get('id')}": element for element in elements}
    found = []
    for element in elements:
        if f"{key}: {colour}" in element.get("style", ""):
            path = by_id.get(element.get("{http://www.w3.org/1999/xlink}href"), element)
            offset = float(element.get("x", 0)), float(element.get("y", 0))
            found.append(
                np.array(re.findall(r"[ML] (\S+) (\S+)", path.get("d", "")), np.float64).reshape(-1, 2) + offset
            )
    return found


def test_a_line_goes_through_its_values_and_the_band_from_low_to_high():
    mean = [24.0, 22.0, 20.0, 14.0]
    picture = figures.over_time(_PSNR, _curve(_line("best of 20", mean, spread=2.0)), 2)
    line = next(path for path in _paths(picture.svg, "stroke", _BLUE) if len(path) == 4)
    (band,) = _paths(picture.svg, "fill", _BLUE)
    unit = (line[0, 1] - line[3, 1]) / (24.0 - 14.0)  # of the figure, a dB; y is downwards
    np.testing.assert_allclose(line[:, 1] - line[0, 1], unit * (np.array(mean) - 24.0), atol=1e-3)
    np.testing.assert_allclose(np.diff(line[:, 0]), np.diff(line[:2, 0]).repeat(3), atol=1e-3)
    for x, y in line:
        edges = band[np.abs(band[:, 0] - x) < 1e-3, 1]
        np.testing.assert_allclose([edges.min(), edges.max()], [y + 2 * unit, y - 2 * unit], atol=1e-3)
    assert unit < 0


def test_lines_of_one_figure_share_their_axes():
    svg = figures.over_time(_PSNR, _curve(_line("best of 20", [4.0] * 4), _line("copy last", [1.0] * 4)), 2).svg
    best, copy = (next(p for p in _paths(svg, "stroke", c) if len(p) == 4) for c in (_BLUE, _ORANGE))
    assert best[0, 1] < copy[0, 1] and best[0, 0] == copy[0, 0]


def test_every_predictor_has_a_line_of_its_own_look():
    names = ["best of 9", "mean of 9", "worst of 9", "copy last", "training mean", "black"]
    names += ["simulator, best of 9", "simulator, mean sample"]
    svg = figures.over_time(_PSNR, _curve(*(_line(name, [1.0, 2.0, 3.0, 4.0]) for name in names)), 2).svg
    styles = [path.get("style", "") for path in ElementTree.fromstring(svg).iter() if path.get("clip-path")]
    looks = [style for style in styles if "stroke-width: 1.8" in style and "fill: none" in style]
    assert len(looks) == len(set(looks)) == len(names)


def test_the_legend_of_the_longest_names_fits():
    names = ["best of 4096", "mean of 4096", "worst of 4096", "black", "copy last", "training mean"]
    lines = [_line(name, [10.0, 9.0, 8.0, 7.0]) for name in names[:3]]
    lines += [{**_line(name, [100.0] * 4), "kind": "simulator"} for name in _SIMULATORS]
    lines += [{**_line(name, [7.0] * 4), "kind": "trivial"} for name in names[3:]]
    pixels = np.asarray(Image.open(io.BytesIO(figures.over_time(_PSNR, _curve(*lines), 2).png)).convert("L"))
    assert (pixels[-200:, -3:] == 255).all() and (pixels[-200:, :3] == 255).all() and (pixels[-3:] == 255).all()


def test_the_legend_grows_with_the_lines_and_not_into_the_axes():
    few, many = (
        figures.over_time(_PSNR, _curve(*(_line(f"best of {n}", [1.0] * 4) for n in range(count))), 2).png
        for count in (2, 8)
    )
    few, many = (Image.open(io.BytesIO(data)).size for data in (few, many))
    assert few[0] == many[0] and many[1] - few[1] == pytest.approx(3 * 0.21 * 160, abs=1)


def _simulator(mean):
    return {**_line("simulator, best of 20", [mean] * 4), "kind": "simulator"}


@pytest.mark.parametrize(("mean", "label"), [(100.0, " (above)"), (-80.0, " (below)"), (30.0, "")])
def test_a_simulator_far_beyond_the_model_leaves_the_axis_to_the_model(mean, label):
    model, copy = _line("best of 20", [20.0, 18.0, 16.0, 14.0]), {**_line("copy last", [4.0] * 4), "kind": "trivial"}
    svg = figures.over_time(_PSNR, _curve(model, copy, _simulator(mean)), 2).svg
    line = next(path for path in _paths(svg, "stroke", _BLUE) if len(path) == 4)
    assert np.ptp(line[:, 1]) > 25 and f"<!-- simulator, best of 20{label} -->" in svg
    assert len(_paths(svg, "fill", _GREEN)) == (label == "")  # no band without its line
    others = figures.over_time(_PSNR, _curve(model, copy), 2).svg
    alone = next(path for path in _paths(others, "stroke", _BLUE) if len(path) == 4)
    assert (np.ptp(line[:, 1]) < np.ptp(alone[:, 1]) - 1) == (label == "")


def test_scores_over_n_are_spaced_as_their_logarithms_with_the_last_one_marked():
    picture = figures.over_samples(_PSNR, metrics()["by_samples"]["psnr"])
    line = next(path for path in _paths(picture.svg, "stroke", _BLUE) if len(path) == 3)
    assert np.diff(line[:, 0])[0] == pytest.approx(np.diff(line[:, 0])[1], abs=1e-3)
    assert figures.over_samples(_PSNR, metrics()["by_samples"]["psnr"]) == picture
    assert "<!-- 100 -->" in picture.svg


def test_a_single_frame_is_a_point():
    point = figures.over_time(_PSNR, _curve(_line("best of 20", [3.0]), frames=[2]), 2)
    assert "<use" in point.svg.split("PolyCollection")[-1]
    pixels = np.asarray(Image.open(io.BytesIO(point.png)).convert("RGB")).astype(int)
    assert (np.abs(pixels[: pixels.shape[0] // 2] - [0, 0x72, 0xB2]).sum(axis=-1) < 12).sum() > 20


def test_the_ink_follows_the_readers_colour_scheme_and_the_file_has_a_white_ground():
    picture = figures.over_time(_PSNR, metrics()["curves"]["psnr"], 2)
    assert "prefers-color-scheme:dark" in picture.svg and "currentColor" in picture.svg
    assert picture.svg.count("#33373d") == 1  # the scheme's own
    assert "#ffffff" not in picture.svg
    assert Image.open(io.BytesIO(picture.png)).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_a_users_settings_change_no_picture_and_are_left_as_they_were():
    before = figures.over_time(_PSNR, metrics()["curves"]["psnr"], 2)
    with matplotlib.rc_context({"font.size": 30.0, "axes.linewidth": 9.0, "xtick.direction": "in"}):
        assert figures.over_time(_PSNR, metrics()["curves"]["psnr"], 2) == before
        assert matplotlib.rcParams["font.size"] == 30.0 and matplotlib.rcParams["xtick.direction"] == "in"


@pytest.mark.parametrize("name", ["$x^2", "<b>&amp;", "$\\frac{$"])
def test_names_are_drawn_as_they_are(name):
    picture = figures.over_time({**_PSNR, "title": name}, _curve(_line(name, [1.0] * 4)), 2)
    ElementTree.fromstring(picture.svg)
