"""How fast futures are drawn: many of one context, beside a loop over samples and frames, and beside PyTorch."""

from typing import Any

import tensorflow as tf

from benchmarks import plain, timing
from svg_tf import noise, rollout
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.models.svg import SVG

WHOLE = "as it is"
PYTORCH = "PyTorch, a loop over samples and frames"
_SAMPLES = 100
_LOOPED = 4  # futures of the loops, which take as long for each


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Measures drawing 100 futures of one context, each form for about `seconds`, in turns.

    Returns:
        Fit for JSON: samples, frames of each and under `forms` seconds, frames_per_second, speedup_of_as_it_is.
    """
    horizon = config.n_eval - config.n_past
    clip = next(iter(make_dataset(config, "test", n_clips=1)))[:1]
    context = tf.cast(clip[:, : config.n_past], tf.float32) / 255.0
    model, looped = SVG(config), plain.concatenate_skips(SVG(config))
    seeds = noise.sample_seeds(0, [0], _SAMPLES)
    step = _PlainStep(looped)
    runs = {
        WHOLE: lambda: rollout.generate(model, context, horizon, seeds).frames,
        "a loop over samples and frames": lambda: [step.future(context, horizon, seed) for seed in range(_LOOPED)],
    }
    samples = {name: _LOOPED for name in runs} | {WHOLE: _SAMPLES}
    if config.prior == "learned" and (torch_run := _torch_run(config, clip.numpy(), horizon)):
        runs[PYTORCH], samples[PYTORCH] = torch_run, _LOOPED
    taken = timing.in_turns(runs, seconds)
    each = {name: duration / samples[name] for name, duration in taken.items()}
    forms = {
        name: {
            "seconds": duration * _SAMPLES,
            "frames_per_second": horizon / duration,
            "speedup_of_as_it_is": duration / each[WHOLE],
        }
        for name, duration in each.items()
    }
    return {"samples": _SAMPLES, "frames": horizon, "forms": forms}


class _PlainStep:
    """One frame after the other for one sample: encode, one step of the networks, decode with skips concatenated."""

    def __init__(self, model: SVG):
        self._model = model
        self._advance = tf.function(lambda state, z: rollout.advance(model, state, z))
        self._absorb = tf.function(lambda state, frame: rollout.absorb(model, state, frame))
        self._observe = tf.function(lambda context, z: rollout.observe(model, context, z))

    def future(self, context: tf.Tensor, horizon: int, seed: int) -> tf.Tensor:
        steps, z_dim = context.shape[1] - 1, self._model.config.z_dim
        z = tf.random.stateless_normal([steps + horizon, 1, 1, z_dim], [seed, 0])
        state, frames = self._observe(context, z[:steps]), []
        for t in range(horizon):
            frame, state, _ = self._advance(state, z[steps + t])
            state = self._absorb(state, frame)
            frames.append(frame)
        return tf.stack(frames)


def _torch_run(config: Config, clip, horizon: int):
    try:
        from benchmarks import torch_model
    except ImportError:
        return None
    sizes = {field: getattr(config, field) for field in config.__dataclass_fields__}
    model, frames = torch_model.TorchSVG(sizes).eval(), torch_model.to_torch(clip)[: config.n_past]
    return lambda: [model.generate(frames, horizon).numpy() for _ in range(_LOOPED)]
