"""The original implementation's numbers: its configuration, weights made by a formula, inputs and outputs."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from svg_tf.config import Config
from svg_tf.models.svg import SVG
from svg_tf.torch_import.mapping import assign_torch_weights

SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "golden"
FIXTURE = Path(__file__).resolve().parent / "golden" / "svglp_dcgan64.json"


@dataclasses.dataclass
class Golden:
    """One file of reference numbers; arrays are time first."""

    facts: dict
    arrays: dict[str, np.ndarray]

    @classmethod
    def load(cls, path: Path) -> "Golden":
        with np.load(path.with_suffix(".npz")) as arrays:
            return cls(json.loads(path.read_text()), dict(arrays))

    def config(self) -> Config:
        facts = self.facts
        return Config(
            dataset="smmnist" if facts["channels"] == 1 else "videos",
            image_width=facts["image_width"],
            channels=facts["channels"],
            backbone=facts["arch"],
            g_dim=facts["g_dim"],
            z_dim=facts["z_dim"],
            rnn_size=facts["rnn_size"],
            predictor_layers=facts["predictor_rnn_layers"],
            posterior_layers=facts["posterior_rnn_layers"],
            prior_layers=facts["prior_rnn_layers"],
            prior=facts["prior"],
            skip_frame="every" if facts["last_frame_skip"] else "original",
            n_past=facts["n_past"],
            n_future=facts["T"] - facts["n_past"],
            beta=facts["beta"],
        )

    def weights(self) -> dict[str, np.ndarray]:
        """The weights by module.key, by the formula of the reference's README; their checks are asserted."""
        tensors = {}
        for row in self.facts["weights"]:
            rng, shape = np.random.default_rng([self.facts["seed"], row["index"]]), row["shape"]
            leaf = row["key"].rsplit(".", 1)[1]
            if leaf == "running_var":
                tensor = 0.5 + rng.random(shape)
            elif leaf == "running_mean":
                tensor = 0.1 * rng.standard_normal(shape)
            elif leaf in ("bias", "bias_ih", "bias_hh"):
                tensor = 0.05 * rng.standard_normal(shape)
            elif len(shape) == 1:
                tensor = 1 + 0.1 * rng.standard_normal(shape)
            else:
                tensor = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
            tensor = tensor.astype(np.float32)
            np.testing.assert_allclose(np.linalg.norm(tensor.astype(np.float64)), row["l2"], rtol=1e-6)
            tensors[f"{row['module']}.{row['key']}"] = tensor
        return tensors

    def model(self) -> SVG:
        model = SVG(self.config())
        assign_torch_weights(model, self.weights())
        return model


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest magnitude."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / np.abs(expected).max())
