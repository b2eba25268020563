"""Write a web page in which a model predicts twelve futures of a thrown digit, live in the browser.

The page is one file without a server: svg-tf export-playground --preset=moving_digits
"""

import importlib.util
import os

from absl import flags

from svg_tf.cli import run_flags
from svg_tf.playground import PlaygroundError, runtime

_OUT = flags.DEFINE_string("out", "playground", "folder to write index.html to")
_RUNTIME_DIR = flags.DEFINE_string(
    "runtime_dir",
    "",
    "folder of the npm packages of LiteRT.js, as npm pack writes them; empty: npm downloads them once to the user's "
    "cache",
)


def run() -> None:
    """Export the model and write the page."""
    folder = run_flags.folder_to_write(_OUT.value)
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise PlaygroundError("the package ai-edge-litert is not installed; run pip install ai-edge-litert")
    config = run_flags.config()
    from svg_tf.playground import page

    page.check(config)
    packages = runtime.load(_RUNTIME_DIR.value)
    from svg_tf.data.digits import load_digits

    digits = load_digits(config, "test")
    _, model = run_flags.load()
    path = page.write(model, config, digits, packages, folder)
    print(f"wrote {path}, {os.path.getsize(path) / 1e6:.1f} MB")
