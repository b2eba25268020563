"""A run made of a checkpoint of the original code."""

import os
import tempfile

from svg_tf.config import ConfigError
from svg_tf.models.svg import SVG
from svg_tf.torch_import.mapping import assign_torch_weights
from svg_tf.torch_import.plan import Plan
from svg_tf.torch_import.records import TorchFileError
from svg_tf.training import checkpoints
from svg_tf.training import train as training


def write_run(plan: Plan) -> SVG:
    """Makes the run, whole or not at all, and returns its model.

    Its one checkpoint is of step 0, the weights with a new optimizer: training the run goes on from there.

    Raises:
        TorchFileError: a tensor is missing, superfluous or of another shape.
        ConfigError: the run's folder is there already or cannot be written.
    """
    model = training.compiled_model(plan.config)
    try:
        assign_torch_weights(model, plan.tensors)
    except ValueError as error:
        raise TorchFileError(f"{plan.path} cannot be imported: {error}") from None
    variables = checkpoints.named_variables(model, training_state=True)
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    run_dir = os.path.abspath(plan.config.run_dir)
    try:
        os.makedirs(os.path.dirname(run_dir), exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".aside-", dir=os.path.dirname(run_dir)) as aside:
            made = os.path.join(aside, "run")
            checkpoints.save(checkpoints.path_of(made, 0), arrays)
            plan.config.save(made)
            os.rename(made, run_dir)
    except OSError as error:
        raise ConfigError(
            f"run_dir {plan.config.run_dir} cannot be written: {error.strerror}; name another --run_dir"
        ) from None
    return model
