"""The code of docs/extending.md does what the page says: it is taken from there, and used."""

import json
import re
import sys

import documents
import numpy as np
import pytest
import tensorflow as tf
from evaluated_run import make_run

from svg_tf import registry, rollout
from svg_tf.config import ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation import definitions, futures, measures
from svg_tf.training import train as training

SHORT = {"epochs": 1, "steps_per_epoch": 2, "n_samples": 1}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The page's files in a folder that Python imports from; what they add is taken away again."""
    for language, text in documents.blocks(documents.ROOT / "docs" / "extending.md"):
        if language == "python":
            (tmp_path / re.match(r"# (\w+\.py)\n", text).group(1)).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for entries, name in ((registry.DATASETS, "circles"), (registry.BACKBONES, "plain"), (measures.PLAIN, "mae")):
        entries.pop(name, None)
    definitions.OF_FRAMES[:] = [metric for metric in definitions.OF_FRAMES if metric.name != "mae"]
    for name in ("circles", "plain", "absolute_error"):
        sys.modules.pop(name, None)


def _run(page, name, said):
    """Runs a script of the page, some of its words replaced; its names."""
    code = (page / name).read_text()
    for old, new in said.items():
        assert code.count(old) == 1
        code = code.replace(old, new)
    names = {}
    exec(code, names)
    return names


def test_a_data_set_trains(page, small):
    with pytest.raises(ConfigError, match="dataset is 'circles', but must be one of smmnist, kth, bair, videos"):
        small(dataset="circles")
    import circles  # noqa: F401

    config = small(dataset="circles", **SHORT)
    clips = {split: next(iter(make_dataset(config, split))).numpy() for split in ("train", "validation", "test")}
    assert [clip.shape[1] for clip in clips.values()] == [7, 7, 9]
    for split, frames in clips.items():
        assert frames.dtype == np.uint8 and set(np.unique(frames)) == {0, 255}
        np.testing.assert_array_equal(next(iter(make_dataset(config, split))), frames)
        assert (frames[:, 0] != frames[:, -1]).any()
    assert len({frames[:, :7].tobytes() for frames in clips.values()}) == 3
    config.save(config.run_dir)
    whole = 'Config(dataset="circles", run_dir="runs/circles")'
    _run(page, "train_circles.py", {whole: f"Config.load({config.run_dir!r})"})
    assert int(futures.load_model(config, "latest").updates) == 2


def test_a_backbone_trains_and_generates(page, small):
    with pytest.raises(ConfigError, match="backbone is 'plain', but must be one of dcgan, vgg"):
        small(backbone="plain")
    import plain

    config = small(backbone="plain", mixed_precision="bfloat16", **SHORT)
    model = training.train(config)
    assert isinstance(model.encoder, plain.Encoder) and int(model.updates) == 2
    loaded = futures.load_model(config)
    context = next(iter(make_dataset(config, "test")))[:, : config.n_past]
    frames = rollout.generate(loaded, context, horizon=3, seeds=tf.constant([[1, 2], [3, 4]], tf.int64)).frames
    assert frames.shape == (2, 2, 3, 32, 32, 1)
    assert np.isfinite(frames).all() and np.ptp(frames) > 0


def test_a_metric_is_in_the_table_of_an_evaluation_and_in_its_report(page):
    make_run(page / "runs" / "demo")
    before = list(definitions.OF_FRAMES)
    names = _run(
        page, "evaluate_demo.py", {"n_clips=4, n_samples=10": "'latest', n_clips=2, n_samples=3, n_examples=1"}
    )
    assert definitions.OF_FRAMES[:-1] == before
    metrics = json.loads((page / names["folder"] / "metrics.json").read_text())
    assert metrics["metrics"][-1]["title"] == "MAE"
    scores = {row["name"]: row["metrics"] for row in metrics["table"]}
    assert scores["best of 3"]["mae"]["mean"] <= scores["mean of 3"]["mae"]["mean"]
    black = scores["black"]
    assert black["mse"]["mean"] < black["mae"]["mean"] < 1  # of frames in [0, 1] that are mostly black
    assert "Absolute difference of frames in [0, 1]" in (page / names["folder"] / "report.html").read_text()
