"""The model's training step as a pure function, and that function as StableHLO.

TensorFlow hands a variable that a compiled function reads to the program as an argument and one that it sets back as
a result, so the model's own `train_step` becomes (weights, slots, counters, batch) -> (losses, weights, slots,
counters) without being written again.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import keras
import tensorflow as tf

from svg_tf.data.moving_mnist import MovingMNIST
from svg_tf.losses import Losses
from svg_tf.models.svg import SVG

FRAMES, DIGITS, LOSSES = "frames", "digits", "losses"
_ALIAS = re.compile(r"parameter_number = (\d+) : i64\}, output_index = array<i64: (\d+)>")


class Program(NamedTuple):
    """A function without state, compiled by nobody yet."""

    code: bytes  # StableHLO, serialized
    arguments: tuple[str, ...]  # their names in order; those of variables are checkpoints.named_variables'
    results: tuple[str, ...]  # likewise; LOSSES is float32 [K, 3] in the order of losses.Losses


def step_function(model: SVG) -> tf.types.experimental.PolymorphicFunction:
    """Frames uint8 [B, T, H, W, C] -> losses float32 [1, 3]: one update of the compiled model by a batch."""
    return tf.function(lambda frames: _update(model, frames)[tf.newaxis])


def train_function(model: SVG, clips: MovingMNIST, steps: int) -> tf.types.experimental.PolymorphicFunction:
    """() -> losses float32 [steps, 3]: updates by the very batches that training would see.

    It stops where the run ends; the losses of steps that were not made are 0.
    """
    batch_size, total = model.config.batch_size, model.config.total_steps

    def train() -> tf.Tensor:
        def ahead(step: tf.Tensor, _) -> tf.Tensor:
            return (step < steps) & (model.updates.value < total)

        def body(step: tf.Tensor, made: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            first = model.updates.value * batch_size
            frames = clips.frames(first + tf.range(batch_size, dtype=tf.int64))
            frames = tf.ensure_shape(frames, frames_shape(model))
            return step + 1, tf.tensor_scatter_nd_update(made, [[step]], [_update(model, frames)])

        made = tf.zeros([steps, len(Losses._fields)])
        return tf.while_loop(ahead, body, (tf.constant(0), made), parallel_iterations=1)[1]

    return tf.function(train)


def frames_shape(model: SVG) -> list[int]:
    """[B, T, H, W, C] of a training batch."""
    config = model.config
    return [config.batch_size, config.n_frames, config.image_width, config.image_width, config.channels]


def lower(
    function: tf.types.experimental.PolymorphicFunction,
    variables: Mapping[str, keras.Variable],
    inputs: Mapping[str, tf.TensorSpec],
    constants: Mapping[str, tf.Tensor],
) -> Program:
    """The function as a program; it is traced, and nothing of it runs.

    Args:
        function: of step_function or train_function.
        variables: the model's, by name; all that the function touches.
        inputs: the function's arguments by name, in order.
        constants: tensors that it uses and that are to be arguments of the program, by name.
    """
    compiled = tf.function(function.python_function, input_signature=list(inputs.values()), jit_compile=True)
    captured = compiled.get_concrete_function().captured_inputs
    names = {id(variable.value.handle): name for name, variable in variables.items()}
    names |= {id(tensor): name for name, tensor in constants.items()}
    arguments = (*inputs, *(names[id(tensor)] for tensor in captured))
    emit = compiled.experimental_get_compiler_ir(*inputs.values())
    # What is set is said nowhere else than by the pairs of an argument and the result that may take its memory.
    aliases = {int(result): int(argument) for argument, result in _ALIAS.findall(emit(stage="stablehlo"))}
    results = (LOSSES, *(arguments[aliases[index]] for index in range(1, len(aliases) + 1)))
    return Program(emit(stage="stablehlo_serialized"), arguments, results)


def _update(model: SVG, frames: tf.Tensor) -> tf.Tensor:
    """The model's training step; its own losses, float32 [3].

    The model's metrics are means over an epoch, which fit begins anew at an epoch's end. Here that is done by the
    step that begins the next one, so that a state can be stored and resumed between any two steps.
    """
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    begins = model.updates.value % model.config.steps_per_epoch == 0
    before = [tf.where(begins, 0.0, variable.value) for variable in metrics]
    for variable in metrics:
        variable.assign(tf.zeros_like(variable.value))
    losses = model.train_step(frames)
    for variable, value in zip(metrics, before, strict=True):
        variable.assign_add(value)
    return tf.stack([losses[name] for name in Losses._fields])
