"""The same step in PyTorch, to compare with. JAX is not loaded by this file, so that both find the device free."""

import gc
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from .description import Description


def measure(folder: str, description: Description, frames: np.ndarray, seconds: float) -> dict:
    """The same step as an ordinary PyTorch loop over frames, by the file torch_model.py in the program's folder.

    Args:
        folder: the program's.
        description: its sizes.
        frames: a batch uint8 [B, T, H, W, C].
        seconds: about how long.

    Returns:
        Fit for JSON: step_seconds, frames_per_second, device; or skipped, with the reason.
    """
    if description.config["prior"] != "learned":
        return {"skipped": "the PyTorch model has a learned prior, this one has another"}
    sys.path.insert(0, folder)
    try:
        import torch

        torch_model = importlib.import_module("torch_model")
    except ImportError as error:
        return {"skipped": f"PyTorch or {os.path.join(folder, 'torch_model.py')} is not there ({error})"}
    finally:
        sys.path.remove(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True  # as JAX does by default
    model = torch_model.TorchSVG(description.config).to(device)
    clips = torch_model.to_torch(frames.copy()).to(device)
    reduced = description.config["mixed_precision"] != "off"

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=reduced):
            float(model.train_step(clips))

    taken = median_seconds(step, seconds)
    model = clips = None
    gc.collect()
    torch.cuda.empty_cache()
    return {"step_seconds": taken, "frames_per_second": description.frames_per_step / taken, "device": device}


def median_seconds(run: Callable[[], object], seconds: float) -> float:
    """Median seconds of a run, the first two not counted."""
    run()
    run()
    taken: list[float] = []
    while len(taken) < 3 or sum(taken) < seconds:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
