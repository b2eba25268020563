"""The code of CONTRIBUTING.md works: it is taken from the page and used."""

import json
import re
import sys

import documents
import numpy as np
import pytest
from evaluated_run import make_run

from svg_tf import registry
from svg_tf.config import ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation import definitions
from svg_tf.training import train
from svg_tf.training.run import load_model

NO_DIGITS = {"digits": "mnist", "num_digits": 2, "digit_size": 32}  # the defaults: these fields are for smmnist
SHORT = {"epochs": 1, "steps_per_epoch": 2, "n_samples": 1, "base_width": 2}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Write the page's files to a folder on sys.path, and remove what they register afterwards."""
    for language, text in documents.blocks(documents.ROOT / "CONTRIBUTING.md"):
        if language == "python":
            (tmp_path / re.match(r"# (\w+\.py)\n", text).group(1)).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    registry.DATASETS.pop("circles", None)
    registry.BACKBONES.pop("plain", None)
    definitions.METRICS[:] = [metric for metric in definitions.METRICS if metric.name != "mae"]
    for name in ("circles", "plain", "absolute_error"):
        sys.modules.pop(name, None)


def execute(file, old, new):
    """Run a script with some words replaced, and return its names."""
    code, names = file.read_text(), {}
    assert code.count(old) == 1
    exec(code.replace(old, new), names)
    return names


def test_a_data_set_trains(page, small):
    with pytest.raises(ConfigError, match="circles"):
        small(dataset="circles", **NO_DIGITS)
    import circles  # noqa: F401

    config = small(dataset="circles", **SHORT, **NO_DIGITS)
    clips = [next(iter(make_dataset(config, split))).numpy() for split in ("train", "validation", "test")]
    assert [frames.shape[1] for frames in clips] == [7, 7, 9]
    for frames in clips:
        assert frames.dtype == np.uint8 and set(np.unique(frames)) == {0, 255} and (frames[:, 0] != frames[:, -1]).any()
    assert len({frames[:, :7].tobytes() for frames in clips}) == 3
    config.save(config.run_dir)
    whole = 'Config(dataset="circles", run_dir="runs/circles")'
    execute(page / "train_circles.py", whole, f"Config.load({config.run_dir!r})")
    assert int(load_model(config, "latest").step) == 2


@pytest.mark.slow
def test_a_backbone_trains_and_generates(page, small):
    with pytest.raises(ConfigError, match="plain"):
        small(backbone="plain")
    import plain

    config = small(backbone="plain", mixed_precision="bfloat16", **SHORT)
    model = train.train(config)
    assert isinstance(model.encoder, plain.Encoder) and int(model.step) == 2
    context = next(iter(make_dataset(config, "test")))[:, : config.n_past]
    frames = load_model(config).generate(context, n_future=3, n_samples=2)
    assert frames.shape == (2, 2, 3, 32, 32, 1) and np.isfinite(frames).all() and np.ptp(frames) > 0


@pytest.mark.slow
def test_a_metric_is_in_the_tables_and_in_the_report(page):
    make_run(page / "runs" / "demo")
    names = execute(page / "evaluate_demo.py", "n_clips=4, n_samples=10", "'latest', n_clips=2, n_samples=3")
    metrics = json.loads((page / names["folder"] / "metrics.json").read_text())
    scores = {row["name"]: row["metrics"] for row in metrics["table"]}
    assert scores["best of 3"]["mae"]["mean"] <= scores["mean of 3"]["mae"]["mean"]
    assert scores["black"]["mse"]["mean"] < scores["black"]["mae"]["mean"] < 1  # frames in [0, 1] that are mostly black
    assert "Absolute difference of frames in [0, 1]" in (page / names["folder"] / "report.html").read_text()
