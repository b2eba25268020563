"""Reference numbers of the original implementation: configuration, weights by a formula, inputs and outputs."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from svg_tf.models.svg import SVG
from svg_tf.torch_import.mapping import assign_torch_weights

SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "golden"
FIXTURE = Path(__file__).resolve().parent / "golden" / "svglp_dcgan64.json"


@dataclasses.dataclass
class Golden:
    """One file of reference numbers; arrays are time-major."""

    facts: dict
    arrays: dict[str, np.ndarray]

    @classmethod
    def load(cls, path: Path) -> "Golden":
        with np.load(path.with_suffix(".npz")) as arrays:
            return cls(json.loads(path.read_text()), dict(arrays))

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights by module.key, made with the formula of the reference, and check their norms."""
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
        facts = self.facts
        names = ["channels", "g_dim", "z_dim", "rnn_size", "prior", "n_past"]
        model = SVG(
            image_size=facts["image_width"],
            backbone=facts["arch"],
            skip_frame="every" if facts["last_frame_skip"] else "original",
            **{f"{network}_layers": facts[f"{network}_rnn_layers"] for network in ("predictor", "posterior", "prior")},
            **{name: facts[name] for name in names},
        )
        assign_torch_weights(model, self.weights())
        return model


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest magnitude."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / np.abs(expected).max())
