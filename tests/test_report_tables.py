import pytest
from report_files import UNCERTAINTY, metrics, number, read_page, write
from report_page import definitions_of, page_of, rows_of_kind

from svg_tf.report import write_report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return read_page(write_report(write(tmp_path_factory.mktemp("evaluation"), uncertainty=UNCERTAINTY)))


def test_every_score_of_the_page_is_that_of_the_metrics_file_rounded(page):
    compared = 0
    for row in metrics()["table"]:
        cells = rows_of_kind(page, row["kind"])[row["name"]]
        for name, score in row["metrics"].items():
            shown = {"mean": cells[name].one("data").text}
            shown |= {
                part.attributes["class"]: part.text
                for part in cells[name].all("span")
                if part.attributes["class"] != "interval"
            }
            assert set(shown) == set(score)
            for part, text in shown.items():
                value, decimals = number(text)
                assert value == round(score[part], decimals) and text != "\N{MINUS SIGN}0.0000"
                compared += 1
    assert compared == 9 * 3 + 2


def test_a_column_has_four_digits_of_its_largest_mean_and_the_same_decimals_everywhere(page):
    decimals = {"psnr": set(), "ssim": set(), "mse": set(), "fvd": set()}
    for kind in ("model", "simulator", "trivial"):
        for cells in rows_of_kind(page, kind).values():
            for name, cell in cells.items():
                texts = [part.text for part in [*cell.all("data"), *cell.all(class_="low"), *cell.all(class_="high")]]
                decimals.get(name, set()).update(number(text)[1] for text in texts)
    assert decimals == {"psnr": {2}, "ssim": {4}, "mse": {5}, "fvd": {0}}


def test_a_mean_that_is_all_zero_and_one_that_is_negative_are_shown(tmp_path):
    zero = {"psnr": {"mean": -12.345, "low": -13.0, "high": -11.0}, "mse": {"mean": 0.0, "low": 0.0, "high": 0.0}}
    rows = [{"name": "copy last", "kind": "trivial", "metrics": zero}]
    cells = rows_of_kind(page_of(tmp_path, table=rows), "trivial")["copy last"]
    assert number(cells["psnr"].one("data").text)[0] == pytest.approx(-12.345, abs=0.006)
    assert number(cells["mse"].one("data").text)[0] == 0


def test_the_model_stands_first_and_what_is_published_last(page):
    groups = page.one("table", class_="scores").all("tbody")
    assert [group.attributes["class"] for group in groups] == ["model", "simulator", "trivial", "published"]
    assert [group.one("th", scope="rowgroup").text for group in groups][0] == "This model"


def test_every_metric_has_its_unit_and_the_direction_that_is_better(page):
    heads = {
        head.attributes["data-metric"]: head
        for head in page.all("th", scope="col")
        if head.attributes.get("data-metric")
    }
    assert list(heads) == ["psnr", "ssim", "mse", "fvd", "lpips"]
    assert [head.text for head in heads.values()] == ["PSNR dB ↑", "SSIM ↑", "MSE ↓", "FVD ↓", "LPIPS"]
    assert heads["mse"].one(role="img").attributes["aria-label"] == "lower is better"


def test_published_scores_stand_as_they_were_printed_with_their_source(page):
    rows = rows_of_kind(page, "published")
    shown = {
        name: {key: c.one("data").text for key, c in cells.items() if c.all("data")} for name, cells in rows.items()
    }
    assert shown == {
        "SVG, best of 100": {"psnr": "14.50", "ssim": "0.7090", "fvd": "377"},
        "SRVP, best of 100": {"psnr": "16.93", "lpips": "0.0736"},
    }
    assert [source.text for source in page.all(class_="source")] == ["A paper, table 1", "A paper, table 2"]


def test_a_published_score_that_is_a_whole_number_gets_no_decimals(tmp_path):
    published = [{"name": "SVG", "source": "A paper", "fvd": 37, "psnr": 14}]
    page = page_of(tmp_path, protocol={**metrics()["protocol"], "published": published}, table=metrics()["table"][:1])
    cells = rows_of_kind(page, "published")["SVG"]
    assert cells["fvd"].text == "37" and cells["psnr"].text == "14"


def test_what_was_not_computed_says_so_with_the_reason_and_is_never_a_number(page):
    for kind in ("model", "simulator", "trivial"):
        assert {cells["lpips"].text for cells in rows_of_kind(page, kind).values()} == {"not computed"}
    assert page.one("ul", class_="notes").all("li")[-1].text == (
        "LPIPS is not computed: no weights given (--lpips_weights)."
    )


def test_a_score_that_a_row_does_not_have_is_a_dash(page):
    assert rows_of_kind(page, "model")["best of 20"]["fvd"].text == "–"
    assert rows_of_kind(page, "model")["one sample"]["psnr"].text == "–"


def test_notes_stand_below_the_table(page):
    assert page.one("ul", class_="notes").all("li")[0].text == "A note with a --flag_of_it."
    assert page.one("ul", class_="notes").all("code")[0].text == "--flag_of_it"


def test_a_run_that_differs_from_the_protocol_says_so_beside_the_published_scores(page, tmp_path):
    assert "do not compare like with like" in page.one("section", id="scores").text
    kept = {**metrics()["protocol"], "deviations": []}
    other = page_of(tmp_path, protocol=kept)
    assert "like with like" not in other.one("section", id="scores").text
    assert "differs" not in other.one("section", id="protocol").text


def test_all_that_decides_the_numbers_is_in_words(page):
    defined = definitions_of(page.one("section", id="definitions"))
    given = metrics()
    for term, text in [
        *((metric["title"], metric["definition"]) for metric in given["metrics"]),
        ("Best of 20", "The best of twenty."),
        ("Simulator, best of 20", "The rules of the motion."),
        ("Choice of the best sample", given["chosen_by"]),
        ("95 % interval", given["interval"]),
        ("Score over N", given["by_samples_definition"]),
    ]:
        assert defined[term] == text
    assert "frames 0 to 1; frames 2 to 5" in defined["Given and predicted frames"]
    protocol = page.one("section", id="protocol")
    assert given["protocol"]["description"] in protocol.text
    assert [item.text for item in protocol.all("li")] == given["protocol"]["deviations"]
    making = definitions_of(page.one("section", id="making"))
    assert making["Command"] == given["command"] and making["Machine"] == given["machine"]
    assert making["Seed"] == "7" and making["Date"] == "2031-05-06" and making["Run"] == "runs/demo"
    assert making["Checkpoint"] == "best.npz, after 3500 steps"
