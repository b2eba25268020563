"""Small models, exported once for all tests of a process, and two ways to run their SavedModels."""

import atexit
import functools
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from conftest import TINY, enliven
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from svg_tf.models.svg import SVG
from svg_tf.serving import exporting
from svg_tf.serving.signatures import Limits

LIMITS = Limits(horizon=4, n_samples=3, max_samples=64, max_frames=1100)


class Runtime:
    """A SavedModel in a TensorFlow 1 session, which loads and runs it as the server's C++ code does."""

    def __init__(self, folder):
        self.definitions = signature_definitions(folder)
        with tf.Graph().as_default() as graph:
            self._session = tf.compat.v1.Session(graph=graph)
            tf.compat.v1.saved_model.load(self._session, ["serve"], folder)

    def run(self, signature, inputs):
        """Runs a signature; raises tf.errors.OpError."""
        feeds, fetches = names(self.definitions[signature], inputs)
        return self._session.run(fetches, feeds)


class Exported(NamedTuple):
    model: SVG
    folder: str
    runtime: Runtime


def signature_definitions(folder):
    """The signatures of a SavedModel, {name: SignatureDef}."""
    content = Path(folder, "saved_model.pb").read_bytes()
    definitions = SavedModel.FromString(content).meta_graphs[0].signature_def
    return {name: value for name, value in definitions.items() if name != "__saved_model_init_op"}


def names(definition, inputs):
    """The inputs by the name of their tensor, and the names of the output tensors."""
    feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
    return feeds, {name: info.name for name, info in definition.outputs.items()}


def make_model(**changes):
    return enliven(SVG(**{**TINY, **changes}))


@functools.cache
def exported(**changes):
    """The export of a small model; its folder must not be written to."""
    base = tempfile.mkdtemp(prefix="exported_")
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    model = make_model(**changes)
    folder = exporting.export(model, os.path.join(base, "svg"), LIMITS, origin="best")
    return Exported(model, folder, Runtime(folder))


def request(model, rows=2, samples=3, horizon=4, seed=0):
    """Inputs of the signature `futures`."""
    rng = np.random.default_rng(seed)
    context = rng.random([rows, model.n_past, model.image_size, model.image_size, model.channels], np.float32)
    seeds = rng.integers(0, 2**53, [rows, samples])
    return {"context": context, "seeds": seeds, "horizon": np.full(rows, horizon, np.int32)}


def run_in_cpp(requests, tmp_path):
    """Runs (folder, signature, inputs) in a process without Python's TensorFlow: outputs, or the text of an error."""
    named = [(folder, *names(signature_definitions(folder)[name], inputs)) for folder, name, inputs in requests]
    (tmp_path / "requests").write_bytes(pickle.dumps(named))
    script = Path(__file__).with_name("cpp_runtime.py")
    command = [sys.executable, str(script), str(tmp_path / "requests"), str(tmp_path / "answers")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return pickle.loads((tmp_path / "answers").read_bytes())
