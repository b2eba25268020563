import exported_model
import pytest

from benchmarks import serve


def test_the_saved_model_and_the_direct_rollout_are_timed_on_the_same_frames():
    made = exported_model.artefact()
    times = serve.measure(made.model, made.folder, n_samples=2, horizon=3, turns=2)
    assert times.largest_difference < 1e-6 and (times.n_samples, times.horizon, times.turns) == (2, 3, 2)
    for time in (times.saved_model, times.direct):
        assert time.wall > 0 and time.cpu > 0
    assert times.wall_ratio == pytest.approx(times.saved_model.wall / times.direct.wall)
    assert times.cpu_ratio == pytest.approx(times.saved_model.cpu / times.direct.cpu)
