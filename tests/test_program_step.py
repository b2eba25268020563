"""The function that a program is made of, run by TensorFlow."""

import itertools

import numpy as np
import tensorflow as tf

from svg_tf import checkpoints, training
from svg_tf.data.dataset import make_dataset
from svg_tf.data.moving_mnist import MovingMNIST
from svg_tf.program import step

# Schedules, so that a step counter which stands still is seen; an epoch ends inside a call.
CHANGES = {
    "learning_rate_schedule": "cosine",
    "beta_schedule": "linear",
    "beta_warmup_steps": 5,
    "beta": 1.0,
    "steps_per_epoch": 3,
    "epochs": 2,
    "n_future": 2,
}


def state_of(model):
    variables = checkpoints.named_variables(model, training_state=True)
    return {name: variable.numpy() for name, variable in variables.items()}


def trained(config, steps):
    """The plain way: the model's train_step on the batches of make_dataset; losses [steps, 3] and the state."""
    model = training.compiled_model(config)
    function, losses = tf.function(model.train_step), []
    for batch in itertools.islice(make_dataset(config, "train"), steps):
        model.reset_metrics()
        losses.append([float(value) for value in function(batch).values()])
    return np.array(losses), state_of(model)


def assert_same(state, wanted):
    """Up to rounding; a bias before batch normalisation and the mean that takes it away again are rounding alone."""
    assert state.keys() == wanted.keys()
    for name in wanted:
        before_norm = "coder/" in name and name.endswith(("bias", "moving_mean")) and "pixels" not in name
        if not before_norm and not name.startswith("metrics/"):
            np.testing.assert_allclose(state[name], wanted[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_calls_make_the_steps_of_training_and_stop_at_the_end_of_the_run(small):
    config = small(**CHANGES)
    wanted, wanted_state = trained(config, 6)
    model = training.compiled_model(config)
    function = step.train_function(model, MovingMNIST(config, "train"), 4)
    losses = np.concatenate([function(), function()])
    np.testing.assert_allclose(losses[:6], wanted, rtol=1e-5)
    np.testing.assert_array_equal(losses[6:], 0)
    state = state_of(model)
    assert_same(state, wanted_state)
    assert int(state["model/svg/updates"]) == int(state["optimizer/adam/iteration"]) == 6
    assert len(set(wanted[:, 0])) == 6
    # The means of the epoch's own steps, as fit leaves them.
    for index, name in enumerate(("loss", "reconstruction_loss", "kl")):
        assert state[f"metrics/{name}/count"] == 3
        np.testing.assert_allclose(state[f"metrics/{name}/total"], wanted[3:, index].sum(), rtol=1e-5)


def test_a_step_takes_its_batch_and_keeps_the_means_of_the_epoch(small, clips):
    config = small(**CHANGES)
    model, reference = training.compiled_model(config), training.compiled_model(config)
    function, plain_function = step.step_function(model), tf.function(reference.train_step)
    for seed in range(2):
        batch = clips(config, seed=seed)
        means = [float(value) for value in plain_function(batch).values()]
        losses = function(batch)
        assert losses.shape == [1, 3]
    np.testing.assert_allclose([float(metric.result()) for metric in model.metrics], means, rtol=1e-6)
    assert abs(float(losses[0, 0]) - means[0]) > 1e-4  # they are the step's own
    assert_same(state_of(model), state_of(reference))
