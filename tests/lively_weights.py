"""Weights and statistics as spread as those of a trained model, so that no path is nearly dead."""

import numpy as np


def enliven(model, seed=0):
    """Gives a model such weights and statistics; its number of updates stays. Returns it."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.path.endswith(("updates", "step")):
            continue
        value = rng.standard_normal(variable.shape)
        if variable.path.endswith("moving_variance"):
            value = 0.5 + rng.random(variable.shape)
        elif len(variable.shape) > 1:
            value /= np.sqrt(np.prod(variable.shape[:-1]))
        elif variable.path.endswith("gamma"):
            value = 1 + 0.1 * value
        else:
            value *= 0.1
        variable.assign(value.astype(np.float32))
    return model
