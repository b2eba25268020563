import pytest

from svg_tf.benchmarks import scale
from svg_tf.benchmarks.scale import Exchange


def test_a_ring_passes_on_all_but_its_own_share_twice():
    exchange = Exchange(gradients=1_000_000, channels=10, norms=4)
    # Two devices pass half on, twice; 10 channels of 2 numbers for each device forth, 2 back; 4 single numbers.
    assert exchange.bytes(2) == 1_000_000 + 4 * (2 * 2 * 10 + 2 * 10 + 4)
    assert exchange.seconds(2, bandwidth=1e6, latency=0.0) == pytest.approx(exchange.bytes(2) / 1e6)
    assert exchange.seconds(4, bandwidth=1e6, latency=0.0) == pytest.approx(1.5 * exchange.bytes(4) / 1e6)
    assert exchange.seconds(2, bandwidth=1e30, latency=0.001) == pytest.approx(0.011)
    assert exchange.seconds(1, bandwidth=1e6, latency=0.0) == 0


def test_the_exchange_is_that_of_the_models_weights_and_normalisations(small):
    # DCGAN at 32 px: 3 convolutions, the code's layer and its mirror image without the last.
    exchange = scale.exchange(small())
    assert exchange.norms == 7
    assert exchange.channels == (4 + 8 + 16) + 8 + (16 + 8 + 4)
    assert exchange.count == 17


@pytest.mark.slow
def test_one_device_two_devices_and_two_processes_are_measured(small):
    found = scale.measure(small(batch_size=4), seconds=0.5)
    assert {"exchange", "one_device", "two_devices", "two_processes"} == set(found)
    assert all(found[name]["step_seconds"] > 0 for name in ("one_device", "two_devices", "two_processes"))
    assert found["two_processes"]["latency_seconds"] > 0
