"""Tests of svg_tf/report."""

import base64
import hashlib
import io
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import report_files
from PIL import Image
from report_files import (
    UNCERTAINTY,
    data_of,
    definitions_of,
    examples,
    metrics,
    number,
    page_of,
    read_page,
    rows_of_kind,
    write,
)

from svg_tf.data.errors import DataError
from svg_tf.report import figures, write_report

PSNR = metrics()["metrics"][0]
BLUE, GREEN = "#0072b2", "#009e73"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return read_page(write_report(write(tmp_path_factory.mktemp("evaluation"), uncertainty=UNCERTAINTY)))


def test_one_clip_has_no_interval(tmp_path):
    table = [{"name": "copy last", "kind": "trivial", "metrics": {"psnr": {"mean": 9.25}}}]
    page = page_of(tmp_path, n_clips=1, table=table)
    assert not page.all(class_="interval") and "95 %" not in page.one("section", id="scores").text


def test_the_page_loads_nothing_and_tells_the_browser(page):
    for node in page.all():
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            if name in node.attributes:
                assert re.match(r"data:|#", node.attributes[name]), (node.tag, name)
    style, script = page.one("style").raw, page.one("script").raw
    assert "url(" not in style and "@import" not in style and not re.search(r"fetch|XMLHttp|import|https?:", script)
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_texts_are_escaped(tmp_path):
    poison = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    table = [{**row, "name": row["name"] + poison} for row in metrics()["table"]]
    words = {**UNCERTAINTY, "title": poison, "summary": [poison]}
    changes = {"run_dir": poison, "notes": [poison], "command": poison, "recalibration": {poison: [poison]}}
    page = page_of(tmp_path, uncertainty=words, table=table, **changes)
    assert len(page.all("script")) == 1 and not [node for node in page.all() if "onerror" in node.attributes]
    assert page.one("p", class_="run").text == poison


def test_the_same_files_give_the_same_page_and_pictures(tmp_path):
    folders = [tmp_path / "a", tmp_path / "another" / "b"]
    for folder in folders:
        write(folder, uncertainty=UNCERTAINTY)
        (folder / "clip_9.png").write_bytes(b"")  # of an earlier report
        write_report(folder)
    pictures = {"psnr_curve.png", "psnr_by_samples.png", "clip_10.png", "clip_11.png"}
    files = {"metrics.json", "examples.npz", "report.html", "uncertainty.json", "uncertainty_sigma.png"}
    assert {path.name for path in folders[0].iterdir()} == pictures | files
    for name in pictures | files - {"examples.npz"}:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.mark.parametrize("channels", [1, 3])
def test_the_sheet_of_a_clip_has_its_frames_pixel_by_pixel(tmp_path, channels):
    arrays = examples(side=32, channels=channels)
    articles = page_of(tmp_path, arrays=arrays).one("section", id="clips").all("article")
    assert [article.one("h3").text for article in articles] == ["Test clip 10", "Test clip 11"]
    for index, article in enumerate(articles):
        sheet = np.asarray(Image.open(io.BytesIO(data_of(article.one("img")))))
        videos = [arrays["truth"][index], arrays["best"][index], *arrays["samples"][index], arrays["posterior"][index]]
        for video, canvas in zip(videos, article.all("canvas"), strict=True):
            line, width, height = (int(canvas.attributes[name]) for name in ("data-line", "width", "height"))
            for t, frame in enumerate(video):
                tile = sheet[line * height : (line + 1) * height, t * width : (t + 1) * width]
                np.testing.assert_array_equal(tile[1:-1, 1:-1], np.broadcast_to(frame, [32, 32, 3]))
                expected = (0, 150, 70) if t < 2 else (220, 45, 45) if line else (165, 165, 165)
                assert {tuple(pixel) for pixel in tile[0]} == {expected}
        labels = [caption.text for caption in article.all("figcaption")]
        samples = ["Sample no. 0", "Sample no. 1", "Sample no. 2"]
        assert labels == ["Truth", f"Best, no. {14 + index}", *samples, "Posterior"]


def test_the_page_has_a_title_an_outline_valid_links_and_text_alternatives(page):
    assert page.one("title").text == "SVG-LP on Stochastic Moving MNIST: runs/demo"
    assert page.one("p", class_="lead").text == (
        "40 test clips. From 2 context frames of each, the model samples 20 futures of 4 frames."
    )
    controls = page.one(class_="controls").attributes
    assert controls["data-frames"] == "6" and controls["data-past"] == "2"
    levels = [int(node.tag[1]) for node in page.all() if re.fullmatch(r"h\d", node.tag)]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    ids = [node.attributes["id"] for node in page.all() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    links = [link.attributes["href"] for link in page.all("a")]
    assert all(link[1:] in ids for link in links) and len(page.one("nav").all("a")) == len(page.all("section"))
    assert all(image.attributes.get("alt") for image in page.all("img"))
    (curve,) = page.one("section", id="frames").all("img")
    assert curve.attributes["alt"] == "PSNR from frame 2 to 5: best of 20 24 to 14; copy last 18 to 10."
    assert all(head.attributes.get("scope") in ("row", "col", "rowgroup") for head in page.all("th"))


def test_uncertainty_and_statistics_have_sections_if_they_exist(page, tmp_path):
    section = page.one("section", id="uncertainty")
    assert [paragraph.text for paragraph in section.all("p")] == UNCERTAINTY["summary"]
    rows = [[row.one("th").text, row.one("td").text] for row in section.one("tbody").all("tr")]
    assert rows == [["AUC", "0.9831"], ["sequences", "200"], ["chance", "0.5"]]
    assert data_of(section.one("img")) == report_files.PNG and section.one("figcaption").text == "Spread over time."
    changed = {"batches": 50, "largest_mean_shift": {"layer": "encoder/a", "deviations": 0.083452}, "of": [None]}
    other = page_of(tmp_path, recalibration=changed, arrays=examples(clips=0))
    ids = {section.attributes["id"] for section in other.all("section")}
    assert ids == {"scores", "statistics", "definitions", "protocol", "making"}
    text = other.one("section", id="statistics").text
    assert "50" in text and "0.08345" in text and "unknown" in text


def test_scores_of_the_page_are_those_of_metrics_json_rounded(page):
    count = 0
    for row in metrics()["table"]:
        cells = rows_of_kind(page, row["kind"])[row["name"]]
        for name, score in row["metrics"].items():
            shown = {"mean": cells[name].one("data").text}
            spans = [part for part in cells[name].all("span") if part.attributes["class"] != "interval"]
            shown |= {part.attributes["class"]: part.text for part in spans}
            assert set(shown) == set(score)
            for part, text in shown.items():
                value, decimals = number(text)
                assert value == round(score[part], decimals) and text != "\N{MINUS SIGN}0.0000"
                assert decimals == {"psnr": 2, "ssim": 4, "mse": 5, "fvd": 0}[name]
                count += 1
    assert count == 7 * 3 + 2


def test_groups_stand_in_order_and_columns_have_units_and_directions(page):
    groups = page.one("table", class_="scores").all("tbody")
    assert [group.attributes["class"] for group in groups] == ["model", "simulator", "trivial", "published"]
    heads = [head.text for head in page.all("th", scope="col") if head.attributes.get("data-metric")]
    assert heads == ["PSNR dB ↑", "SSIM ↑", "MSE ↓", "FVD ↓", "LPIPS"]
    assert {cells["lpips"].text for cells in rows_of_kind(page, "model").values()} == {"not computed"}
    assert page.one("ul", class_="notes").all("li")[-1].text == "LPIPS is not computed: set --lpips_weights"


def test_a_compared_model_has_its_own_group_with_its_name(tmp_path):
    other = {"model": "SVG-LP", "run_dir": "moving_digits", "checkpoint": "best", "step": 20_000}
    row = {"name": "moving_digits, best of 20", "kind": "compared", "metrics": metrics()["table"][0]["metrics"]}
    predictors = {**metrics()["predictors"], row["name"]: "The other."}
    page = page_of(tmp_path, compared=other, table=[*metrics()["table"], row], predictors=predictors)
    titles = [group.one("th", scope="rowgroup").text for group in page.one("table", class_="scores").all("tbody")]
    assert titles[:2] == ["This model, runs/demo", "Compared model, moving_digits, after 20,000 steps"]
    assert list(rows_of_kind(page, "compared")) == ["best of 20"]


def test_published_scores_are_shown_as_printed_with_their_source(page, tmp_path):
    shown = {
        name: {key: cell.one("data").text for key, cell in cells.items() if cell.all("data")}
        for name, cells in rows_of_kind(page, "published").items()
    }
    assert shown == {
        "SVG, best of 100": {"psnr": "14.50", "ssim": "0.7090", "fvd": "377"},
        "SRVP, best of 100": {"psnr": "16.93", "lpips": "0.0736"},
    }
    assert [source.text for source in page.all(class_="source")] == ["A paper, table 1", "A paper, table 2"]
    assert "not directly comparable" in page.one("section", id="scores").text
    same = page_of(tmp_path, protocol={**metrics()["protocol"], "deviations": []})
    assert "comparable" not in same.one("section", id="scores").text


def test_everything_that_determines_the_numbers_is_on_the_page(page):
    defined, given = definitions_of(page.one("section", id="definitions")), metrics()
    for term, text in [
        *((metric["title"], metric["definition"]) for metric in given["metrics"]),
        ("Best of 20", "The best of twenty."),
        ("Choice of the best sample", given["chosen_by"]),
        ("95 % interval", given["interval"]),
        ("Score over N", given["by_samples_definition"]),
    ]:
        assert defined[term] == text
    assert [item.text for item in page.one("section", id="protocol").all("li")] == given["protocol"]["deviations"]
    making = definitions_of(page.one("section", id="making"))
    assert making["Command"] == given["command"] and making["Machine"] == given["machine"] and making["Seed"] == "7"
    assert making["Checkpoint"] == "best.npz, after 3,500 steps"


@pytest.mark.parametrize("name", ["metrics.json", "examples.npz", "uncertainty.json"])
def test_a_file_that_cannot_be_read_is_named_and_the_old_page_stays(tmp_path, name):
    path = write_report(write(tmp_path, curves={}, by_samples={}, uncertainty=UNCERTAINTY))
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(DataError, match=f"{name} cannot be read .*svg-tf .* writes it") as error:
        write_report(str(tmp_path))
    assert "\n" not in str(error.value) and read_page(path)


def test_the_report_needs_neither_tensorflow_nor_a_display(tmp_path):
    code = (
        "import sys; from svg_tf.report import write_report; write_report(sys.argv[1]); "
        "print([name for name in ('tensorflow', 'keras', 'matplotlib.pyplot') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, write(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.fixture
def drawn(monkeypatch):
    """Return the list of figures that are drawn."""
    found, figure = [], figures.Figure
    monkeypatch.setattr(figures, "Figure", lambda **options: found.append(figure(**options)) or found[-1])
    return found


def _line(name, mean, kind="model"):
    return {"name": name, "kind": kind, "mean": mean, "low": [x - 1 for x in mean], "high": [x + 1 for x in mean]}


def _curve(*lines, frames=(2, 3, 4, 5)):
    return {"frames": list(frames), "lines": list(lines)}


def test_a_line_has_its_values_and_a_band_from_low_to_high(drawn):
    figures.over_time(PSNR, _curve(_line("best of 20", [24.0, 22.0, 20.0, 14.0])), 2)
    axes = drawn[0].axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[2, 24], [3, 22], [4, 20], [5, 14]])
    low, high = axes.collections[0].get_datalim(axes.transData).get_points()[:, 1]
    assert (low, high) == (13, 25) and axes.get_title(loc="left") == "PSNR (dB), higher is better"


def test_every_row_has_its_own_colour_and_dash_and_its_name_in_the_legend(drawn):
    names = {"model": ["best of 9", "mean of 9", "worst of 9"], "simulator": ["simulator, best of 9"]}
    names |= {"trivial": ["copy last", "black", "training mean"], "compared": ["presets/moving_digits, best of 9"]}
    lines = [_line(name, [1.0, 2.0, 3.0, 4.0], kind) for kind, group in names.items() for name in group]
    picture = figures.over_time(PSNR, _curve(*lines), 2)
    looks = {(line.get_color(), str(line._dash_pattern)) for line in drawn[0].axes[0].lines}
    assert len(looks) == len(lines) == len(drawn[0].legends[0].get_texts())
    pixels = np.asarray(Image.open(io.BytesIO(picture["png"])).convert("L"))  # nothing is cut off
    assert (pixels[-200:, -3:] == 255).all() and (pixels[-200:, :3] == 255).all() and (pixels[-3:] == 255).all()


@pytest.mark.parametrize(("mean", "label"), [(100.0, " (above)"), (-80.0, " (below)"), (30.0, "")])
def test_a_simulator_far_from_the_model_does_not_set_the_axis(drawn, mean, label):
    model, copy = _line("best of 20", [20.0, 18.0, 16.0, 14.0]), _line("copy last", [4.0] * 4, "trivial")
    figures.over_time(PSNR, _curve(model, copy, _line("simulator, best of 20", [mean] * 4, "simulator")), 2)
    axes = drawn[0].axes[0]
    assert f"simulator, best of 20{label}" in [line.get_label() for line in axes.lines]
    bottom, top = axes.get_ylim()
    assert (bottom < mean < top) == (label == "") and bottom < 4 and top > 20


def test_scores_over_n_have_a_logarithmic_axis_with_the_last_n(drawn):
    scores = metrics()["by_samples"]["psnr"]
    picture = figures.over_samples(PSNR, scores)
    axes = drawn[0].axes[0]
    assert axes.get_xscale() == "log" and 100 in axes.get_xticks()
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), scores["mean"])
    with matplotlib.rc_context({"font.size": 30.0}):
        assert figures.over_samples(PSNR, scores) == picture  # user settings have no effect


def test_a_single_frame_is_a_point_and_names_are_no_formulas(drawn):
    figures.over_time({**PSNR, "title": "$x^2"}, _curve(_line("$\\frac{$", [3.0]), frames=[2]), 2)
    assert drawn[0].axes[0].lines[0].get_marker() == "o"
