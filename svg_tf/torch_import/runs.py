"""Create a run from a checkpoint of the authors' code, and write such checkpoints from a run."""

import os
import tempfile

from svg_tf.config import Config, ConfigError
from svg_tf.models.svg import SVG
from svg_tf.torch_import.mapping import assign_torch_weights, torch_weights
from svg_tf.torch_import.plan import Plan, options_of
from svg_tf.torch_import.unpickler import TorchFileError
from svg_tf.torch_import.writer import write_state_dicts
from svg_tf.training import checkpoints
from svg_tf.training.run import model_from_config
from svg_tf.training.train import compiled_model


def import_run(plan: Plan) -> SVG:
    """Create the run folder atomically and return the model.

    The run has one checkpoint, of step 0: the imported weights and a new optimizer. Training can continue from it.

    Raises:
        TorchFileError: a tensor is missing, unknown or of another shape.
        ConfigError: the run folder exists or cannot be written.
    """
    model = compiled_model(plan.config)
    try:
        assign_torch_weights(model, plan.tensors)
    except ValueError as error:
        raise TorchFileError(f"{plan.path} cannot be imported: {error}") from None
    variables = checkpoints.named_variables(model, training_state=True)
    run_dir = os.path.abspath(plan.config.run_dir)
    try:
        os.makedirs(os.path.dirname(run_dir), exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=os.path.dirname(run_dir)) as temporary_folder:
            folder = os.path.join(temporary_folder, "run")
            arrays = {name: variable.numpy() for name, variable in variables.items()}
            checkpoints.save(checkpoints.path_of(folder, 0), arrays)
            plan.config.save(folder)
            os.rename(folder, run_dir)
    except OSError as error:
        raise ConfigError(f"--run_dir={run_dir} cannot be written: {error.strerror}; choose another folder") from None
    return model


def export_run(run_dir: str, path: str, checkpoint: str = "best") -> str:
    """Write {network: state dictionary, ..., 'opt': options} for PyTorch and return the checkpoint used.

    Raises:
        CheckpointError: the run has no such checkpoint.
        ConfigError: `run_dir` is not a run, its networks are not the authors', or `path` cannot be written.
    """
    config = Config.load(run_dir)
    model = model_from_config(config)
    used = checkpoints.load_weights(model, run_dir, checkpoint)
    networks: dict[str, dict] = {}
    try:
        tensors = torch_weights(model)
    except ValueError as error:
        raise ConfigError(f"{run_dir} cannot be exported: {error}") from None
    for name, tensor in tensors.items():
        network, key = name.split(".", 1)
        networks.setdefault(network, {})[key] = tensor
    try:
        write_state_dicts(path, networks, options_of(config))
    except OSError as error:
        raise ConfigError(f"--out={path} cannot be written: {error.strerror}; choose another file") from None
    return used
