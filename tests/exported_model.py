"""Small runs, exported once for all tests of a process."""

import atexit
import functools
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import cpp_runtime
import numpy as np
from conftest import SMALL
from lively_weights import enliven

from svg_tf.config import Config
from svg_tf.models.svg import SVG
from svg_tf.serving import exporting
from svg_tf.serving.request_checks import Limits
from svg_tf.training import checkpoints

LIMITS = Limits(horizon=4, max_samples=100, max_horizon=30)


class Artefact(NamedTuple):
    config: Config
    model: SVG
    folder: str


def make_run(run_dir, **changes):
    """A run with a checkpoint of lively weights, without training."""
    config = Config(**{**SMALL, "run_dir": str(run_dir), **changes})
    model = enliven(SVG(config))
    model.updates.assign(4)
    config.save(config.run_dir)
    arrays = {name: v.numpy() for name, v in checkpoints.named_variables(model, training_state=False).items()}
    checkpoints.save(checkpoints.path_of(config.run_dir, 4), arrays)
    return config, model


def export(config, **options):
    return exporting.export_run(config, **{"checkpoint": "latest", "version": None, "limits": LIMITS, **options})


@functools.cache
def artefact(**changes):
    """The export of such a run; the same folder each time: not to be written to."""
    run_dir = tempfile.mkdtemp(prefix="exported_")
    atexit.register(shutil.rmtree, run_dir, ignore_errors=True)
    config, model = make_run(run_dir, **changes)
    return Artefact(config, model, export(config).folder)


@functools.cache
def runtime(**changes):
    """The same, loaded by the C++ runtime; in the process of the tests XLA stays as it is."""
    return cpp_runtime.SavedModel(artefact(**changes).folder)


def request(config, rows=2, samples=3, seed=0):
    """context float32 [B, P, H, W, C] and seeds int64 [B, S]."""
    rng = np.random.default_rng(seed)
    shape = [rows, config.n_past, config.image_width, config.image_width, config.channels]
    return {"context": rng.random(shape, np.float32), "seeds": rng.integers(0, 2**62, [rows, samples])}


def in_cpp_process(requests, tmp_path):
    """Runs (folder, signature, inputs) in a process of its own; outputs, or the words of an error."""
    (tmp_path / "requests").write_bytes(pickle.dumps(requests))
    script = Path(__file__).with_name("cpp_process.py")
    command = [sys.executable, str(script), str(tmp_path / "requests"), str(tmp_path / "answers")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    imported, answers = pickle.loads((tmp_path / "answers").read_bytes())
    assert imported == []
    return answers
