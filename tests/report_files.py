"""Small files of an evaluation, and the page of their report as a tree."""

import base64
import copy
import html.parser
import json
import re

import numpy as np

from svg_tf.report import write_report


def _score(mean, low, high):
    return {"mean": mean, "low": low, "high": high}


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
    "command": "python bin/evaluate.py --run_dir=runs/demo --n_clips=40",
    "machine": "8 cores of a test machine",
    "protocol": {
        "name": "svg",
        "dataset": "smmnist",
        "description": "Five frames given, 25 predicted.",
        "published": [
            {"name": "SVG, best of 100", "source": "A paper, table 1", "psnr": 14.5, "ssim": 0.709, "fvd": 377},
            {"name": "SRVP, best of 100", "source": "A paper, table 2", "psnr": 16.93, "lpips": 0.0736},
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
        {
            "name": "best of 20",
            "kind": "model",
            "metrics": {
                "psnr": _score(19.96512, 19.40999, 20.53001),
                "ssim": _score(0.694249, 0.66638, 0.72211),
                "mse": _score(0.00146123, 0.001255, 0.0016678),
            },
        },
        {"name": "one sample", "kind": "model", "metrics": {"fvd": {"mean": 1234.5678}}},
        {
            "name": "copy last",
            "kind": "trivial",
            "metrics": {
                "psnr": _score(9.25, 8.125, 10.375),
                "ssim": _score(-0.00004, -0.0312449, 0.0312),
                "mse": _score(0.0056, 0.0051, 0.0061),
                "fvd": {"mean": 80.25},
            },
        },
        {"name": "simulator, best of 20", "kind": "simulator", "metrics": {"psnr": _score(22.3712, 21.741, 22.988)}},
    ],
    "predictors": {
        "best of 20": "The best of twenty.",
        "one sample": "One of them.",
        "copy last": "The last context frame.",
        "simulator, best of 20": "The rules of the motion.",
    },
    "notes": ["A note with a --flag_of_it."],
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
    "by_samples": {
        "psnr": {"n": [1, 10, 100], "mean": [12.0, 15.0, 16.0], "low": [11.0, 14.0, 15.0], "high": [13.0, 16.0, 17.0]},
        "ssim": {"n": [1], "mean": [0.5], "low": [0.4], "high": [0.6]},
    },
    "recalibration": None,
    "compared": None,
}
UNCERTAINTY = {
    "title": "Collisions",
    "summary": ["The spread tells of hits.", "By 0.98."],
    "figures": [{"file": "uncertainty_sigma.png", "alt": "A line with peaks", "caption": "Spread over time."}],
    "table": {"columns": ["measure", "value"], "rows": [["AUC", 0.98312], ["sequences", 200], ["chance", "0.5"]]},
    "definitions": ["Spread: the mean of sigma."],
}
PNG = b"\x89PNG\r\n\x1a\nmade up"


def metrics(**changes):
    """Return metrics.json with changes."""
    return {**copy.deepcopy(METRICS), **changes}


def examples(clips=2, samples=3, frames=6, side=8, channels=1, seed=0):
    """Return examples.npz with random frames."""
    rng = np.random.default_rng(seed)
    shape = [frames, side, side, channels]
    videos = {name: rng.integers(0, 256, [clips, *shape], np.uint8) for name in ("truth", "best", "posterior")}
    return {
        **videos,
        "samples": rng.integers(0, 256, [clips, samples, *shape], np.uint8),
        "clips": np.arange(10, 10 + clips),
        "samples_of": np.tile(np.arange(samples), (clips, 1)),
        "best_of": np.arange(14, 14 + clips),
    }


def write(folder, *, uncertainty=None, arrays=None, **changes):
    """Write the files to a folder, a Path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics(**changes)), encoding="utf-8")
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
    def text(self):
        """The visible text with single spaces."""
        return " ".join("".join(part if isinstance(part, str) else part.raw for part in self.parts).split())

    @property
    def raw(self):
        return "".join(part if isinstance(part, str) else part.raw for part in self.parts)

    def all(self, tag=None, **attributes):
        """Return the elements below with a tag and attributes, in order; class_ is class."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        found = []
        for part in self.parts:
            if isinstance(part, Node):
                if tag in (None, part.tag) and all(part.attributes.get(k) == v for k, v in wanted.items()):
                    found.append(part)
                found += part.all(tag, **attributes)
        return found

    def one(self, tag=None, **attributes):
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]


class _Parser(html.parser.HTMLParser):
    EMPTY = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self):
        super().__init__()
        self.open = [Node("page")]

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"{tag} has an attribute twice: {names}"
        node = Node(tag, dict(attrs))
        self.open[-1].parts.append(node)
        if tag not in self.EMPTY:
            self.open.append(node)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.open[-1].parts.append(data)


def read_page(path):
    """Parse a page; every tag must be closed."""
    parser = _Parser()
    with open(path, encoding="utf-8") as file:
        parser.feed(file.read())
    parser.close()
    assert [node.tag for node in parser.open] == ["page"]
    return parser.open[0]


def number(text):
    """Return the value and the decimals of a number on the page."""
    assert re.fullmatch(r"\N{MINUS SIGN}?\d+(\.\d+)?", text), text
    return float(text.replace("\N{MINUS SIGN}", "-")), len(text.partition(".")[2])


def page_of(folder, **changes):
    """Return the page of changed metrics, without figures, which take time, unless they are changed."""
    return read_page(write_report(write(folder, **{"curves": {}, "by_samples": {}, **changes})))


def rows_of_kind(page, kind):
    """Return the rows of a kind by name, each with its cells by metric."""
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
