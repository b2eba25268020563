import os
import subprocess
import sys

import pytest
import tensorflow as tf

from svg_tf import memory, training

_TRAINING = """
import sys
from svg_tf import memory, training
from svg_tf.benchmarks import process_memory
from svg_tf.config import Config
config = Config.load(sys.argv[1])
forecast = memory.forecast(training.compiled_model(config), config)
grown = process_memory.peak_growth(config)
print("bytes", forecast.on_cpu, memory.resident_peak(), forecast.activations + forecast.scratch, grown)
"""


def _graph(function, *shapes):
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return tf.function(function).get_concrete_function(*specs).graph.get_operations()


def test_the_peak_of_a_chain_is_two_neighbours():
    # 4 KiB tensors; a transpose can not work in place, so its input and output live at once.
    operations = _graph(lambda x: tf.transpose(tf.transpose(tf.transpose(tf.transpose(x)))), [32, 32])
    assert memory._peak(operations) == 2 * 4096


def test_what_is_kept_for_later_counts_until_then():
    def function(x):
        kept = [tf.transpose(x) for _ in range(5)]
        return tf.concat(kept, axis=0)

    assert memory._peak(_graph(function, [32, 32])) == 10 * 4096


def test_an_elementwise_operation_takes_over_an_input_that_nothing_else_needs():
    assert memory._peak(_graph(lambda x: tf.tanh(tf.tanh(tf.transpose(x))), [32, 32])) == 4096


def test_a_reshape_takes_no_memory():
    assert memory._peak(_graph(lambda x: tf.reshape(tf.reshape(tf.transpose(x), [-1]), [8, 128]), [32, 32])) == 4096


def test_weights_and_slots_are_counted_and_activations_grow_with_the_batch(small):
    forecasts = []
    for batch_size in (4, 8):
        config = small(batch_size=batch_size)
        model = training.compiled_model(config)
        forecasts.append(memory.forecast(model, config))
    parameters = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert 4 * parameters < forecasts[0].weights < 4.2 * parameters
    assert 8 * parameters <= forecasts[0].optimizer < 8.1 * parameters
    assert 1.5 < forecasts[1].activations / forecasts[0].activations < 2.1
    assert forecasts[0].device == forecasts[0].weights + forecasts[0].optimizer + forecasts[0].activations
    assert forecasts[0].on_cpu == sum(forecasts[0])


def test_what_the_process_holds_already_is_measured_without_the_model(small):
    config = small()
    model = training.compiled_model(config)
    found = memory.forecast(model, config).process
    assert found < memory.resident_peak() + memory._RUNTIME < found + (32 << 20)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 16, "image_width": 64, "base_width": 64, "g_dim": 128, "rnn_size": 256, "n_future": 10},
        {"batch_size": 4, "image_width": 64, "base_width": 64, "g_dim": 128, "backbone": "vgg", "n_future": 8},
    ],
)
def test_a_process_that_trains_takes_what_was_forecast(small, tmp_path, changes):
    small(**changes).save(tmp_path)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", _TRAINING, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    forecast, measured, more, grown = map(int, done.stdout.split("bytes ")[1].split())
    assert abs(forecast / measured - 1) < 0.15
    # What the first steps add counts for itself too, beside the hundreds of MiB of TensorFlow.
    assert abs((more + memory._RUNTIME) / grown - 1) < 0.25
