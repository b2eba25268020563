"""What a run would be: its configuration, sizes and memory, with nothing trained and nothing written."""

from svg_tf import memory
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError
from svg_tf.training import train as training


def describe(config: Config) -> str:
    """Builds the model and one batch and describes them, in lines of text. Data that is missing is said so."""
    lines = ["configuration", *("  " + line for line in config.to_json().splitlines()[1:-1])]
    try:
        batch = next(iter(make_dataset(config, "train")))
        lines += [
            f"one batch of data: uint8 {list(batch.shape)}, values {int(batch.numpy().min())} to "
            f"{int(batch.numpy().max())}"
        ]
    except DataError as error:
        lines += [f"no data: {error}"]
    model = training.compiled_model(config)
    lines += ["trainable parameters"]
    for network in ("encoder", "decoder", "frame_predictor", "posterior", "prior"):
        layer = getattr(model, network)
        count = 0 if layer is None else _parameters(layer.trainable_variables)
        lines += [f"  {network:<16}{count:>14,}"]
    lines += [f"  {'in all':<16}{_parameters(model.trainable_variables):>14,}"]
    forecast = memory.forecast(model, config)
    lines += [f"memory of training with {config.batch_size} clips a batch (forecast)"]
    for name, size in (
        ("weights", forecast.weights),
        ("optimizer's slots", forecast.optimizer),
        ("activations and gradients", forecast.activations),
        ("the device's part", forecast.device),
        ("scratch, on a CPU", forecast.scratch),
        ("TensorFlow, on the host", forecast.process),
        ("in all, on a CPU", forecast.on_cpu),
    ):
        lines += [f"  {name:<26}{size / 2**20:>10,.0f} MiB"]
    return "\n".join(lines) + "\n"


def _parameters(variables: list) -> int:
    return sum(variable.shape.num_elements() for variable in variables)
