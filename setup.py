"""The package svg_tf: its requirements, extras and the program `svg-tf`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
SERVING = ["tensorflow-serving-api>=2.21,<2.22"]
TFLITE = ["ai-edge-litert>=2.3", "ai-edge-quantizer>=0.10,<0.11"]

setup(
    name="svg_tf",
    version=re.search(r'__version__ = "(.+)"', (HERE / "svg_tf" / "__init__.py").read_text(encoding="utf-8"))[1],
    description="Stochastic Video Generation (Denton & Fergus 2018): many plausible futures of a video, in TensorFlow",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["svg_tf", "svg_tf.*"]),
    package_data={
        "svg_tf": ["py.typed", "recipes/*.flags", "presets/*/*", "presets/*/*/*"],
        "svg_tf.playground": ["templates/*"],
        "svg_tf.report": ["templates/*"],
    },
    entry_points={"console_scripts": ["svg-tf = svg_tf.cli.main:main"]},
    python_requires=">=3.11,<3.14",
    install_requires=[
        "absl-py>=2.1",
        "av>=18,<20",  # decodes videos, with its own copy of FFmpeg
        "importlib_resources>=6.4",  # TensorFlow Datasets imports it without declaring it
        "jinja2>=3.1",  # the report
        "keras>=3.12,<4",
        "markupsafe>=2.1",
        "matplotlib>=3.9",  # the report's figures
        "numpy>=2.0",
        "pillow>=10.1",
        "scikit-learn>=1.4",  # the embedded digits, their classifier, the ROC curve
        "scipy>=1.13",
        "tensorboard>=2.20",  # tf.summary needs it and TensorFlow does not declare it
        "tensorflow>=2.21,<2.22",
        "tensorflow-datasets>=4.9.7",
        "tensorflow-probability[tf]>=0.25,<0.26",  # with tf_keras, which it needs beside Keras 3
        "tqdm>=4.66",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "serving": SERVING,  # the gRPC client
        "tflite": TFLITE,
        "dev": [
            *SERVING,
            *TFLITE,
            "hypothesis>=6.100",
            "mypy>=2.4",
            "playwright>=1.49",  # drives an installed Chromium in the test of the playground
            "pytest>=8",
            "pytest-xdist>=3.6",
            "ruff>=0.8",
            "scikit-image>=0.24",
        ],
    },
)
