"""Pages of reports, and what is found in them."""

import base64

from report_files import read_page, write

from svg_tf.report import write_report


def page_of(folder, **changes):
    """The page of changed metrics; without figures, which take the time, but for those in the changes."""
    return read_page(write_report(write(folder, **{"curves": {}, "by_samples": {}, **changes})))


def rows_of_kind(page, kind):
    """The table's rows of a kind by name, each its cells by metric."""
    rows = page.one("table", class_="scores").one("tbody", class_=kind).all("tr")[1:]
    cells = [{cell.attributes["data-metric"]: cell for cell in row.all("td")} for row in rows]
    names = [row.one("th").parts[0].strip() for row in rows]
    return dict(zip(names, cells, strict=True))


def definitions_of(section):
    return {term.text: text.text for term, text in zip(section.all("dt"), section.all("dd"), strict=True)}


def data_of(image):
    head, data = image.attributes["src"].split(",", 1)
    assert head.startswith("data:image/") and head.endswith(";base64")
    return base64.b64decode(data, validate=True)
