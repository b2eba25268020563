import time

import numpy as np
import tflite_models

from svg_tf.tflite import module as tflite_module
from svg_tf.tflite import timing as tflite_timing


def test_the_least_of_several_calls_counts_and_the_first_does_not(monkeypatch):
    waits = iter([0.2, *[0.03, 0.01] * 100])
    monkeypatch.setattr(tflite_timing, "_SECONDS", 0.0)
    started = time.perf_counter()
    least = tflite_timing.milliseconds(lambda: time.sleep(next(waits)))
    assert 10 <= least < 30 and time.perf_counter() - started > 0.2 + 4 * 0.04  # the first and eight more


def test_a_rollouts_time_is_that_of_a_frame(monkeypatch):
    monkeypatch.setattr(tflite_timing, "milliseconds", lambda call: call() and 60.0)
    called = {}

    def call(name, values):
        called[name] = {key: np.shape(value) for key, value in values.items()}
        return {"h": np.zeros([1, 8])}

    context, eps = np.zeros([3, 32, 32, 1]), np.zeros([2 + 6, 5])
    times = tflite_timing._by_function(["observe", "rollout", "step"], call, context, eps)
    assert times == {"observe": 60.0, "step": 60.0, "rollout": 10.0}
    assert called["rollout"] == {"context": (1, 3, 32, 32, 1), "eps": (1, 8, 5)}
    assert called["observe"]["eps"] == (1, 2, 5) and called["step"] == {"h": (1, 8), "eps": (1, 5)}


def test_tensorflow_is_timed_in_a_process_of_its_own(small, trained_statistics, clips, tmp_path):
    model = tflite_models.make(small, trained_statistics)
    tflite_module.save(model, str(tmp_path / "saved"), 2, looped=True)
    context = clips(model.config, 1, frames=model.config.n_past)[0] / np.float32(255)
    times = tflite_timing.of_tensorflow(str(tmp_path / "saved"), context, np.zeros([4, 3], np.float32), 1)
    assert set(times) == {"observe", "step", "rollout"} and min(times.values()) > 0
