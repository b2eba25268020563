"""The tutorial notebook runs from top to bottom."""

import json
from pathlib import Path

import matplotlib
import pytest

from svg_tf import presets

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "tutorial.ipynb"


def _cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_the_notebook_is_saved_with_its_outputs():
    code = [cell for cell in _cells() if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    assert sum("image/png" in output.get("data", {}) for cell in code for output in cell["outputs"]) >= 4


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    source = "\n".join("".join(cell["source"]) for cell in _cells() if cell["cell_type"] == "code")
    small = source.replace("N_CLIPS, EPOCHS = 320, 30", "N_CLIPS, EPOCHS = 32, 1")
    assert small != source
    names: dict = {}
    exec(compile(small, str(NOTEBOOK), "exec"), names)
    assert names["same"] and "moving_digits" in presets.list_presets()
