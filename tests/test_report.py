import base64
import hashlib
import io
import re
import subprocess
import sys

import numpy as np
import pytest
import report_files
from PIL import Image
from report_files import UNCERTAINTY, examples, metrics, read_page, write
from report_page import data_of, page_of

from svg_tf.report import write_report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return read_page(write_report(write(tmp_path_factory.mktemp("evaluation"), uncertainty=UNCERTAINTY)))


def test_the_title_names_model_data_and_run(page):
    assert page.one("title").text == "SVG-LP on Stochastic Moving MNIST: runs/demo"
    assert page.one("h1").text == "SVG-LP on Stochastic Moving MNIST"
    assert page.one("p", class_="lead").text == (
        "40 test clips. Of each the model is given 2 frames and draws 20 futures of 4 frames."
    )


def test_one_clip_has_no_interval_and_none_is_spoken_of(tmp_path):
    table = [{"name": "copy last", "kind": "trivial", "metrics": {"psnr": {"mean": 9.25}}}]
    shown = {name: metrics()[name] for name in ("curves", "by_samples")}
    page = page_of(tmp_path, n_clips=1, table=table, **shown)
    assert not page.all(class_="interval")
    assert all("95 %" not in page.one("section", id=name).text for name in ("scores", "frames", "samples"))


def test_the_page_loads_nothing_and_says_so_to_the_browser(page):
    for node in page.all():
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            if name in node.attributes:
                assert re.match(r"data:|#", node.attributes[name]), (node.tag, name)
    style, script = page.one("style").raw, page.one("script").raw
    assert "url(" not in style and "@import" not in style
    assert not re.search(r"fetch|XMLHttp|import|https?:", script)
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'")


def _poisoned(value, poison):
    """The same with the poison after every text."""
    if isinstance(value, str):
        return value + poison
    if isinstance(value, list):
        return [_poisoned(item, poison) for item in value]
    return {key: _poisoned(item, poison) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.filterwarnings("ignore:constrained_layout")  # no figure has room for such titles
def test_no_text_can_become_a_part_of_the_page(tmp_path, page):
    poison = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }} $x$ &amp;"
    given = metrics(recalibration={"over": "clips" + poison, "changed": [{"layer<b>": poison}]})
    kept = ("name", "kind", "better", "examples_best_by")
    changes = {key: _poisoned(value, poison) for key, value in given.items() if key not in (*kept, "predictors")}
    for metric in [*changes["metrics"], *changes["not_computed"]]:
        for key in kept:
            if key in metric:
                metric[key] = metric[key].removesuffix(poison)
    for row in [*changes["table"], *changes["curves"]["psnr"]["lines"]]:
        row["kind"] = row["kind"].removesuffix(poison)
    changes["predictors"] = {row["name"]: "x" + poison for row in changes["table"]}
    words = _poisoned(UNCERTAINTY, poison)
    words["figures"][0]["file"] = "uncertainty_sigma.png"
    poisoned = page_of(tmp_path, uncertainty=words, **changes)
    for tag in ("script", "style", "h1", "h2", "img", "canvas"):
        extra = 1 if tag == "h2" else 0  # the section of the statistics
        assert len(poisoned.all(tag)) == len(page.all(tag)) + extra, tag
    assert not poisoned.all("b") and not [node for node in poisoned.all() if "onerror" in node.attributes]
    assert poisoned.one("p", class_="run").text == "runs/demo" + poison
    for image in poisoned.all("img", width="480"):
        assert b"<script" not in data_of(image)


def test_the_same_files_make_the_same_page_and_pictures(tmp_path):
    folders = [tmp_path / "a", tmp_path / "another" / "b"]
    for folder in folders:
        write_report(write(folder, uncertainty=UNCERTAINTY))
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == sorted(path.name for path in folders[1].iterdir())
    for name in set(names) - {"examples.npz"}:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_figures_and_strips_are_written_as_png_beside_the_page(tmp_path):
    path = write_report(write(tmp_path))
    assert path == str(tmp_path / "report.html")
    pictures = {"psnr_curve.png", "psnr_by_samples.png", "clip_10.png", "clip_11.png"}
    assert {file.name for file in tmp_path.iterdir()} == pictures | {"metrics.json", "examples.npz", "report.html"}
    for name in pictures:
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG" and image.width > 300
            image.load()


def test_strips_of_clips_that_are_shown_no_more_are_removed(tmp_path):
    write(tmp_path, curves={}, by_samples={})
    for name in ("clip_9.png", "clip_1000.png", "clip_notes.png", "my_clip_9.png"):
        (tmp_path / name).write_bytes(b"")
    write_report(tmp_path)
    strips = {path.name for path in tmp_path.glob("*clip*.png")}
    assert strips == {"clip_10.png", "clip_11.png", "clip_notes.png", "my_clip_9.png"}


def test_the_figures_are_in_the_page_with_their_values_in_words(page):
    (curve,) = page.one("section", id="frames").all("img")
    (over_n,) = page.one("section", id="samples").all("img")
    assert b"<svg" in data_of(curve) and b"<svg" in data_of(over_n)
    assert curve.attributes["alt"] == "PSNR from frame 2 to 5: best of 20 24 to 14; copy last 18 to 10."
    assert over_n.attributes["alt"] == "PSNR of the best of N samples: 12 of 1; 15 of 10; 16 of 100."


@pytest.mark.parametrize("channels", [1, 3])
def test_the_clips_are_in_the_page_to_the_last_pixel(tmp_path, channels):
    arrays = examples(side=32, channels=channels)
    page = page_of(tmp_path, arrays=arrays)
    articles = page.one("section", id="clips").all("article")
    assert [article.one("h3").text for article in articles] == ["Test clip 10", "Test clip 11"]
    for index, article in enumerate(articles):
        sheet = np.asarray(Image.open(io.BytesIO(data_of(article.one("img")))))
        videos = [arrays["truth"][index], arrays["best"][index], *arrays["samples"][index], arrays["posterior"][index]]
        canvases = article.all("canvas")
        for video, canvas in zip(videos, canvases, strict=True):
            line, width, height = (int(canvas.attributes[name]) for name in ("data-line", "width", "height"))
            assert width == height == 34
            for t, frame in enumerate(video):
                tile = sheet[line * height : (line + 1) * height, t * width : (t + 1) * width]
                np.testing.assert_array_equal(tile[1:-1, 1:-1], np.broadcast_to(frame, [32, 32, 3]))
                colour = "green" if t < 2 else "red" if line else "grey"
                expected = {"green": (0, 150, 70), "red": (220, 45, 45), "grey": (165, 165, 165)}[colour]
                assert {tuple(pixel) for pixel in tile[0]} == {expected}
        labels = [caption.text for caption in article.all("figcaption")]
        samples = ["Sample no. 0", "Sample no. 1", "Sample no. 2"]
        assert labels == ["Truth", f"Best, no. {14 + index}", *samples, "Posterior"]


@pytest.mark.parametrize(("side", "small", "medium", "large"), [(32, 2, 3, 4), (64, 1, 2, 2), (128, 1, 1, 1)])
def test_frames_are_enlarged_by_whole_numbers(tmp_path, side, small, medium, large):
    page = page_of(tmp_path, arrays=examples(clips=1, samples=1, side=side))
    canvas = page.all("canvas")[0].attributes
    width = int(canvas["width"])
    assert canvas["style"] == f"--medium:{width * medium}px;--large:{width * large}px"
    assert int(page.one("img", class_="sheet").attributes["width"]) == 6 * width * small
    assert "image-rendering: pixelated" in page.one("style").raw


def test_the_player_knows_where_the_prediction_begins_and_ends(page):
    controls = page.one(class_="controls").attributes
    assert controls["data-frames"] == "6" and controls["data-past"] == "2"
    assert page.one("input", type="range").attributes["max"] == "5"
    assert [item.text for item in page.one(class_="legend").all("li")] == [
        "given to the model",
        "predicted",
        "the true future, never seen",
    ]
    assert "best SSIM over the predicted frames" in page.one("section", id="clips").text


def test_the_page_is_one_outline_with_anchors_that_exist_and_images_in_words(page):
    levels = [int(node.tag[1]) for node in page.all() if re.fullmatch(r"h\d", node.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    ids = [node.attributes["id"] for node in page.all() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    links = [link.attributes["href"] for link in page.all("a")]
    assert all(link[1:] in ids for link in links) and len(page.one("nav").all("a")) == len(page.all("section"))
    assert all(image.attributes.get("alt") for image in page.all("img"))
    assert page.one("html").attributes["lang"] == "en"
    assert not [paragraph.text for paragraph in page.all("p") if re.search(r"[a-z]\.[A-Z]", paragraph.text)]
    assert all(head.attributes.get("scope") in ("row", "col", "rowgroup") for head in page.all("th"))
    for table in page.all("table"):
        assert any(table in box.parts for box in page.all(class_="scroll"))


def test_uncertainty_is_a_section_of_its_own_where_it_was_analysed(page, tmp_path):
    section = page.one("section", id="uncertainty")
    assert section.one("h2").text == "Collisions"
    assert [paragraph.text for paragraph in section.all("p")] == UNCERTAINTY["summary"]
    assert [head.text for head in section.one("thead").all("th")] == ["measure", "value"]
    rows = [[row.one("th").text, row.one("td").text] for row in section.one("tbody").all("tr")]
    assert rows == [["AUC", "0.9831"], ["sequences", "200"], ["chance", "0.5"]]
    image = section.one("img")
    assert data_of(image) == report_files.PNG and image.attributes["alt"] == "A line with peaks"
    assert section.one("figcaption").text == "Spread over time."
    assert section.all("li")[0].text == "Spread: the mean of sigma."
    assert not page_of(tmp_path).all(id="uncertainty")


def test_recalibrated_statistics_are_told_with_what_they_changed(page, tmp_path):
    assert not page.all(id="statistics")
    changed = {"batches": 50, "largest_mean_shift": {"layer": "encoder/a", "standard_deviations": 0.083452}}
    other = page_of(tmp_path, recalibration={**changed, "of": ["clips", None]}).one("section", id="statistics")
    terms = [term.text for term in other.all("dt")]
    assert terms == ["Batches", "Largest mean shift", "Layer", "Standard deviations", "Of"]
    assert "50" in other.text and "encoder/a" in other.text and "0.08345" in other.text and "not known" in other.text


def test_one_number_of_samples_makes_no_figure(page):
    assert len(page.one("section", id="samples").all("img")) == 1


def test_sections_without_content_are_left_out(tmp_path):
    page = page_of(tmp_path, arrays=examples(clips=0))
    assert {section.attributes["id"] for section in page.all("section")} == {
        "scores",
        "definitions",
        "protocol",
        "making",
    }
    assert len(page.one("nav").all("a")) == 4 and not page.all(class_="controls")


def test_a_write_that_fails_leaves_the_old_page(tmp_path):
    path = write_report(write(tmp_path))
    with open(path, "rb") as file:
        old = file.read()
    (tmp_path / "metrics.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="metrics.json"):
        write_report(str(tmp_path))
    with open(path, "rb") as file:
        assert file.read() == old


def test_the_report_needs_neither_tensorflow_nor_a_display(tmp_path):
    code = (
        "import sys; from svg_tf.report import write_report; write_report(sys.argv[1]); "
        "print([name for name in ('tensorflow', 'keras', 'matplotlib.pyplot') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, write(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
