"""Scores that were published for the protocols: best of 100 by each metric, FVD of one sample."""

_SRVP = "Franceschi et al., Stochastic Latent Residual Video Prediction, ICML 2020"
_METRICS = ("psnr", "ssim", "lpips", "fvd")
_SCORES: dict[str, dict[str, tuple[float | None, ...]]] = {
    "smmnist": {"SVG": (14.50, 0.7090, None, None), "SRVP": (16.93, 0.7799, None, None)},
    "kth": {"SVG": (28.06, 0.8438, 0.0923, 377.0), "SRVP": (29.69, 0.8697, 0.0736, 222.0)},
    "bair": {"SVG": (18.95, 0.8058, 0.0609, 255.0), "SRVP": (19.59, 0.8196, 0.0574, 162.0)},
}


def scores(dataset: str) -> list[dict[str, str | float]]:
    """The rows of a data set, name, source and the scores by metric."""
    rows: list[dict[str, str | float]] = []
    for model, values in _SCORES[dataset].items():
        known = {name: value for name, value in zip(_METRICS, values, strict=True) if value is not None}
        rows.append({"name": f"{model}, best of 100", "source": _SRVP, **known})
    return rows
