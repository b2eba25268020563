"""Writes the playground as one HTML page that contains the model, its runtime, styles and scripts."""

import base64
import gzip
import importlib.resources
import json
import os
import re
import tempfile
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from svg_tf import files
from svg_tf.config import Config
from svg_tf.models.svg import SVG
from svg_tf.playground import PlaygroundError
from svg_tf.playground.runtime import VERSION, Runtime
from svg_tf.tflite import export

SAMPLES = 12  # futures on the page
_MODULES = ("main.js", "model.js", "motion.js", "drawing.js", "noise.js")
# The data's digits before they are resized: width of an image, and of the part that a digit fills.
_SOURCES = {
    "embedded": (8, 8, "UCI Optical Recognition of Handwritten Digits, CC BY 4.0"),
    "mnist": (28, 20, "MNIST by Y. LeCun, C. Cortes and C. Burges, CC BY-SA 3.0"),
}


def check(config: Config) -> None:
    """Check that a run's model and data suit the playground.

    Raises:
        PlaygroundError: the model was not trained on moving digits, its prior is not learned, or it sees one frame.
    """
    for name, value in {"dataset": "smmnist", "prior": "learned"}.items():
        if (found := getattr(config, name)) != value:
            raise PlaygroundError(f"this model has --{name}={found}; choose a model trained with --{name}={value}")
    if config.n_past < 2:
        raise PlaygroundError("one context frame shows no motion; choose a model trained with --n_past=2 or more")


def write(model: SVG, config: Config, digits: np.ndarray, runtime: Runtime, folder: str) -> str:
    """Write index.html to a folder, which is created if missing, and return its path.

    The first 20 of the test digits, uint8 [N, D, D], can be chosen on the page.

    Raises:
        ConversionError: the model cannot be converted, or the file differs from TensorFlow. A previous page stays.
    """
    with tempfile.TemporaryDirectory(prefix="svg_tf_") as workspace:
        tflite = Path(export.export_step(model, os.path.join(workspace, "step.tflite"), SAMPLES)).read_bytes()
    path = os.path.join(folder, "index.html")
    files.write_text(path, render(config, digits, tflite, runtime))
    return path


def render(config: Config, digits: np.ndarray, tflite: bytes, runtime: Runtime) -> str:
    """Return the page with a file of `tflite.export.export_step`; see `write` for the other arguments.

    A page opened from a file must not import other files, so each module is a data URL in the import map.
    """
    source_size, source_fill, source = _SOURCES[config.digits]
    sizes = {
        "imageSize": config.image_width,
        "digitSize": config.digit_size,
        "numDigits": config.num_digits,
        "maxSpeed": config.max_speed,
        "stochastic": config.motion == "stochastic",
        "nPast": config.n_past,
        "zDim": config.z_dim,
        "samples": SAMPLES,
        "maxAhead": config.n_future,
        "sourceSize": source_size,
        "sourceFill": source_fill,
        "digits": [_base64(digit.tobytes()) for digit in digits[:20]],
    }
    modules = {"@litertjs/core": runtime.core, "@litertjs/wasm-utils": runtime.wasm_utils}
    modules |= {f"playground/{name}": _template(name).encode() for name in _MODULES}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_template("index.html")).render(
        style=Markup(_template("style.css")),
        importmap=_json({"imports": {name: _data_url(name, code) for name, code in modules.items()}}),
        sizes=sizes,
        sizes_json=_json(sizes),
        source=source,
        version=VERSION,
        licence=_template("apache-2.0.txt"),
        loader=Markup(runtime.loader.decode()),
        wasm=_packed(runtime.wasm),
        tflite=_packed(tflite),
    )


def _template(name: str) -> str:
    return (importlib.resources.files("svg_tf.playground") / "templates" / name).read_text(encoding="utf-8")


def _data_url(name: str, code: bytes) -> str:
    code = re.sub(rb"\n//# sourceMappingURL=.*", b"", code)  # the page has no source maps
    code += f"\n//# sourceURL={name}\n".encode()  # for stack traces
    return f"data:text/javascript;base64,{_base64(code)}"


def _json(value: dict) -> Markup:
    return Markup(json.dumps(value).replace("<", "\\u003c"))


def _packed(content: bytes) -> str:
    return _base64(gzip.compress(content, 9, mtime=0))  # without the time: the same model gives the same page


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
