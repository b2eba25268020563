"""Tests of svg_tf/report on small files of an evaluation."""

import base64
import copy
import hashlib
import html.parser
import io
import json
import re

import matplotlib
import numpy as np
import pytest
from PIL import Image

from svg_tf.data.errors import DataError
from svg_tf.report import figures, write_report


def _score(mean, low, high):
    return {"mean": mean, "low": low, "high": high}


_BEST = {
    "psnr": _score(19.96512, 19.40999, 20.53001),
    "ssim": _score(0.694249, 0.66638, 0.72211),
    "mse": _score(0.00146123, 0.001255, 0.0016678),
}
_COPY = {"psnr": _score(9.25, 8.125, 10.375), "ssim": _score(-0.00004, -0.0312449, 0.0312), "fvd": {"mean": 80.25}}
METRICS = {
    "model": "SVG-LP",
    "run_dir": "runs/demo",
    "checkpoint": "best.npz",
    "step": 3500,
    "dataset": "smmnist",
    "split": "test",
    "n_clips": 40,
    "n_past": 2,
    "n_eval": 6,
    "n_samples": 20,
    "seed": 7,
    "date": "2031-05-06",
    "command": "svg-tf evaluate --run_dir=runs/demo --n_clips=40",
    "machine": "8 cores of a test machine",
    "protocol": {
        "name": "svg",
        "dataset": "smmnist",
        "description": "Five context frames, 25 predicted frames.",
        "published": [
            {"name": "SVG, best of 100", "source": "A paper, table 1", "psnr": 14.5, "ssim": 0.709, "fvd": 377},
            {"name": "SRVP, best of 100", "source": "A paper, table 2", "psnr": 17, "lpips": 0.0736},
        ],
        "deviations": ["A clip has one digit, not two.", "Frames are 32 pixels wide."],
    },
    "metrics": [
        {"name": "psnr", "title": "PSNR", "unit": "dB", "better": "higher", "definition": "Of every frame."},
        {"name": "ssim", "title": "SSIM", "unit": "", "better": "higher", "definition": "Gaussian window."},
        {"name": "mse", "title": "MSE", "unit": "", "better": "lower", "definition": "Squared error."},
        {"name": "fvd", "title": "FVD", "unit": "", "better": "lower", "definition": "Frechet distance."},
    ],
    "not_computed": [{"name": "lpips", "title": "LPIPS", "reason": "set --lpips_weights"}],
    "table": [
        {"name": "best of 20", "kind": "model", "metrics": _BEST},
        {"name": "one sample", "kind": "model", "metrics": {"fvd": {"mean": 1234.5678}}},
        {"name": "copy last", "kind": "trivial", "metrics": _COPY},
        {"name": "simulator, best of 20", "kind": "simulator", "metrics": {"psnr": _score(22.3712, 21.741, 22.988)}},
    ],
    "predictors": {"best of 20": "The best of twenty.", "copy last": "The last context frame."},
    "notes": [],
    "interval": "Student's t over clips.",
    "chosen_by": "Each metric chooses for itself.",
    "by_samples_definition": "The expected best of n.",
    "examples_best_by": "ssim",
    "curves": {
        "psnr": {
            "frames": [2, 3, 4, 5],
            "lines": [
                {"name": "best of 20", "kind": "model", **_score([24, 22, 20, 14], [23, 21, 19, 12], [25, 23, 21, 16])},
                {"name": "copy last", "kind": "trivial", **_score([18, 12, 11, 10], [17, 11, 10, 9], [19, 13, 12, 11])},
            ],
        }
    },
    "by_samples": {"psnr": {"n": [1, 10, 100], **_score([12.0, 15.0, 16.0], [11.0, 14.0, 15.0], [13.0, 16.0, 17.0])}},
    "recalibration": None,
    "compared": None,
}
UNCERTAINTY = {
    "title": "Collisions",
    "summary": ["The spread tells of hits.", "By 0.98."],
    "figures": [{"file": "uncertainty_sigma.png", "alt": "A line with peaks", "caption": "Spread over time."}],
    "table": {"columns": ["measure", "value"], "rows": [["AUC", 0.98312], ["chance", "0.5"]]},
    "definitions": ["Spread: the mean of sigma."],
}
PNG = b"\x89PNG\r\n\x1a\nmade up"


def examples(clips=2, side=8, channels=1):
    """Return examples.npz with random frames."""
    rng, shape = np.random.default_rng(0), [6, side, side, channels]
    videos = {name: rng.integers(0, 256, [clips, *shape], np.uint8) for name in ("truth", "best", "posterior")}
    samples = {"samples": rng.integers(0, 256, [clips, 3, *shape], np.uint8), "samples_of": [range(3)] * clips}
    return {**videos, **samples, "clips": np.arange(10, 10 + clips), "best_of": np.arange(14, 14 + clips)}


def write(folder, *, uncertainty=None, arrays=None, **changes):
    """Write the files of an evaluation to a folder, a Path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({**METRICS, **changes}), encoding="utf-8")
    np.savez(folder / "examples.npz", **(arrays or examples()))
    if uncertainty:
        (folder / "uncertainty.json").write_text(json.dumps(uncertainty), encoding="utf-8")
        (folder / "uncertainty_sigma.png").write_bytes(PNG)
    return str(folder)


class Node:
    """An element of a page, or the page itself."""

    def __init__(self, tag, attributes=None):
        self.tag, self.attributes, self.parts = tag, attributes or {}, []

    @property
    def raw(self):
        return "".join(part if isinstance(part, str) else part.raw for part in self.parts)

    @property
    def text(self):
        return " ".join(self.raw.split())

    def all(self, tag=None, **attributes):
        """Return the elements below with a tag and attributes, in order; class_ is class."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        found = []
        for part in self.parts:
            if isinstance(part, Node):
                if tag in (None, part.tag) and wanted.items() <= part.attributes.items():
                    found.append(part)
                found += part.all(tag, **attributes)
        return found

    def one(self, tag=None, **attributes):
        (found,) = self.all(tag, **attributes)
        return found


class _Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = [Node("page")]

    def handle_starttag(self, tag, attrs):
        node = Node(tag, dict(attrs))
        self.open[-1].parts.append(node)
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(node)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.open[-1].parts.append(data)


def page_of(folder, **changes):
    """Return the page of changed metrics, without figures, which take time, unless they are changed."""
    parser = _Parser()
    with open(write_report(write(folder, **{"curves": {}, "by_samples": {}, **changes})), encoding="utf-8") as file:
        parser.feed(file.read())
    (page,) = parser.open  # every tag is closed
    return page


def rows_of_kind(page, kind):
    """Return the rows of a kind by name, each with its cells by metric."""
    rows = page.one("table", class_="scores").one("tbody", class_=kind).all("tr")[1:]
    cells = [{cell.attributes["data-metric"]: cell for cell in row.all("td")} for row in rows]
    return dict(zip((row.one("th").parts[0].strip() for row in rows), cells, strict=True))


def data_of(image):
    return base64.b64decode(image.attributes["src"].removeprefix("data:image/png;base64,"), validate=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    changes = {"uncertainty": UNCERTAINTY, "curves": METRICS["curves"], "by_samples": METRICS["by_samples"]}
    return page_of(tmp_path_factory.mktemp("evaluation"), **changes)


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
    table = [{**row, "name": row["name"] + poison} for row in METRICS["table"]]
    words = {**UNCERTAINTY, "title": poison, "summary": [poison]}
    changes = {"run_dir": poison, "notes": [poison], "command": poison, "recalibration": {poison: [poison]}}
    page = page_of(tmp_path, uncertainty=words, table=table, **changes)
    assert len(page.all("script")) == 1 and not [node for node in page.all() if "onerror" in node.attributes]
    assert page.one("p", class_="run").text == poison


def test_the_same_files_give_the_same_page_and_pictures(tmp_path):
    folders = [tmp_path / "a", tmp_path / "another" / "b"]
    for folder, width in zip(folders, (1.0, 5.0), strict=True):
        write(folder, uncertainty=UNCERTAINTY)
        (folder / "clip_9.png").write_bytes(b"")  # of an earlier report
        with matplotlib.rc_context({"axes.linewidth": width}):  # user settings have no effect
            write_report(folder)
    pictures = {"psnr_curve.png", "psnr_by_samples.png", "clip_10.png", "clip_11.png"}
    files = {"metrics.json", "examples.npz", "report.html", "uncertainty.json", "uncertainty_sigma.png"}
    assert {path.name for path in folders[0].iterdir()} == pictures | files
    for name in pictures | files - {"examples.npz"}:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_the_sheet_of_a_clip_has_its_frames_pixel_by_pixel(tmp_path):
    arrays = examples(side=32, channels=3)
    articles = page_of(tmp_path, arrays=arrays).one("section", id="clips").all("article")
    for index, article in enumerate(articles):
        assert article.one("h3").text == f"Test clip {10 + index}"
        sheet = np.asarray(Image.open(io.BytesIO(data_of(article.one("img")))))
        videos = [arrays["truth"][index], arrays["best"][index], *arrays["samples"][index], arrays["posterior"][index]]
        for video, canvas in zip(videos, article.all("canvas"), strict=True):
            line, width, height = (int(canvas.attributes[name]) for name in ("data-line", "width", "height"))
            for t, frame in enumerate(video):
                tile = sheet[line * height : (line + 1) * height, t * width : (t + 1) * width]
                np.testing.assert_array_equal(tile[1:-1, 1:-1], frame)
        labels = [caption.text for caption in article.all("figcaption")]
        samples = ["Sample no. 0", "Sample no. 1", "Sample no. 2"]
        assert labels == ["Truth", f"Best, no. {14 + index}", *samples, "Posterior"]


def test_uncertainty_and_statistics_have_sections_if_they_exist(page, tmp_path):
    section = page.one("section", id="uncertainty")
    assert [paragraph.text for paragraph in section.all("p")] == UNCERTAINTY["summary"]
    rows = [[row.one("th").text, row.one("td").text] for row in section.one("tbody").all("tr")]
    assert rows == [["AUC", "0.9831"], ["chance", "0.5"]] and data_of(section.one("img")) == PNG
    changed = {"batches": 50, "largest_mean_shift": {"layer": "encoder/a", "deviations": 0.083452}, "of": [None]}
    other = page_of(tmp_path, recalibration=changed, arrays=examples(clips=0))
    assert not other.all("section", id="uncertainty") and not other.all("section", id="clips")
    assert "0.08345" in other.one("section", id="statistics").text


def test_scores_of_the_page_are_those_of_metrics_json_rounded(page):
    for row in METRICS["table"]:
        cells = rows_of_kind(page, row["kind"])[row["name"]]
        for name, score in row["metrics"].items():
            spans = [part for part in cells[name].all("span") if part.attributes["class"] != "interval"]
            shown = {part.attributes["class"]: part.text for part in (cells[name].one("data"), *spans)}
            decimals = {"psnr": 2, "ssim": 4, "mse": 5, "fvd": 0}[name]
            texts = {part: f"{round(value, decimals) + 0.0:.{decimals}f}" for part, value in score.items()}
            assert {part: text.replace("\N{MINUS SIGN}", "-") for part, text in shown.items()} == texts
    assert {cells["lpips"].text for cells in rows_of_kind(page, "model").values()} == {"not computed"}


def test_published_scores_are_shown_as_printed_with_their_source(page, tmp_path):
    shown = {
        name: {key: cell.one("data").text for key, cell in cells.items() if cell.all("data")}
        for name, cells in rows_of_kind(page, "published").items()
    }
    assert shown == {
        "SVG, best of 100": {"psnr": "14.50", "ssim": "0.7090", "fvd": "377"},
        "SRVP, best of 100": {"psnr": "17", "lpips": "0.0736"},
    }
    assert [source.text for source in page.all(class_="source")] == ["A paper, table 1", "A paper, table 2"]
    assert [item.text for item in page.one("section", id="protocol").all("li")] == METRICS["protocol"]["deviations"]
    assert "not directly comparable" in page.one("section", id="scores").text
    same = page_of(tmp_path, protocol={**METRICS["protocol"], "deviations": []})
    assert "comparable" not in same.one("section", id="scores").text


@pytest.mark.parametrize("name", ["metrics.json", "examples.npz", "uncertainty.json"])
def test_a_file_that_cannot_be_read_is_named_and_the_old_page_stays(tmp_path, name):
    page_of(tmp_path, uncertainty=UNCERTAINTY)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(DataError, match=f"{name} cannot be read .*svg-tf .* writes it") as error:
        write_report(str(tmp_path))
    assert "\n" not in str(error.value) and (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("mean", "label"), [(100.0, " (above)"), (-80.0, " (below)"), (20.0, "")])
def test_a_figure_has_the_scores_and_a_simulator_far_from_the_model_does_not_set_its_axis(monkeypatch, mean, label):
    drawn, figure = [], figures.Figure
    monkeypatch.setattr(figures, "Figure", lambda **options: drawn.append(figure(**options)) or drawn[-1])
    curve = copy.deepcopy(METRICS["curves"]["psnr"])
    simulator = _score([mean] * 4, [mean - 1] * 4, [mean + 1] * 4)
    curve["lines"].append({"name": "simulator, best of 20", "kind": "simulator", **simulator})
    figures.over_time(METRICS["metrics"][0], curve, 2)
    axes = drawn[0].axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[2, 24], [3, 22], [4, 20], [5, 14]])
    low, high = axes.collections[0].get_datalim(axes.transData).get_points()[:, 1]
    assert (low, high) == (12, 25) and axes.get_title(loc="left") == "PSNR (dB), higher is better"
    assert f"simulator, best of 20{label}" in [line.get_label() for line in axes.lines]
    bottom, top = axes.get_ylim()
    assert (bottom < mean < top) == (label == "") and bottom < 10 and top > 24
