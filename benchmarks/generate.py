"""Futures of one context, compared with a loop over samples and frames."""

from typing import Any

import tensorflow as tf

from benchmarks import plain, timing
from svg_tf import rollout
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.models.svg import SVG
from svg_tf.training.run import model_from_config

WHOLE, LOOP = "as it is", "loop over samples and frames"
SAMPLES = 100
_LOOPED = 4  # futures of the loop; each takes the same time


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Measure drawing 100 futures of one context, each variant for about `seconds`, in turn.

    Returns:
        For JSON: the title, and rows with the seconds of all futures, frames/s, and the time relative to "as it is".
    """
    n_future = config.n_eval - config.n_past
    clip = next(iter(make_dataset(config, "test", n_clips=1)))[:1]
    context = tf.cast(clip[:, : config.n_past], tf.float32) / 255.0
    model = model_from_config(config)
    future = _plain_future(plain.concatenate_skips(model_from_config(config)))
    runs = {
        WHOLE: lambda: model.generate(context, n_future, SAMPLES),
        LOOP: lambda: [future(context, n_future, seed) for seed in range(_LOOPED)],
    }
    taken = timing.in_turns(runs, seconds)
    taken[LOOP] *= SAMPLES / _LOOPED
    rows = {
        name: {"seconds": duration, "frames/s": SAMPLES * n_future / duration, "relative": duration / taken[WHOLE]}
        for name, duration in taken.items()
    }
    return {"title": f"{SAMPLES} futures of {n_future} frames of one context", "rows": rows}


def _plain_future(model: SVG):
    """Return a function that draws one future: encode a frame, step the networks, decode with skips concatenated."""
    observe, predict, encode = (
        tf.function(lambda *arguments, function=function: function(model, *arguments))
        for function in (rollout.observe, rollout.predict_frame, rollout.encode_frame)
    )

    def draw(context: tf.Tensor, n_future: int, seed: int) -> tf.Tensor:
        steps = context.shape[1] - 1
        noise = tf.random.stateless_normal([steps + n_future, 1, 1, model.z_dim], [seed, 0])
        state, frames = observe(context, noise[:steps]), []
        for t in range(n_future):
            frame, state, _ = predict(state, noise[steps + t])
            state = encode(state, frame)
            frames.append(frame)
        return tf.stack(frames)

    return draw
