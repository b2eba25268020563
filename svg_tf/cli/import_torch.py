"""Import a checkpoint of the authors' code: svg-tf import-torch --checkpoint=FILE.pth --run_dir=runs/x"""

import dataclasses
import shlex

from absl import flags

from svg_tf.cli import flags as config_flags
from svg_tf.config import Config, ConfigError
from svg_tf.torch_import.plan import plan_import

config_flags.define_config_flags()
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "file that the authors' PyTorch code saved", required=True)

_MODELS = {"learned": "SVG-LP", "fixed": "SVG-FP", "none": "the deterministic baseline"}


def run() -> None:
    """Import the checkpoint and print the source of each field."""
    names = [field.name for field in dataclasses.fields(Config)]
    given = {name: flags.FLAGS[name].value for name in names if flags.FLAGS[name].present}
    run_dir = given.pop("run_dir", "")
    if not run_dir:
        raise ConfigError("--run_dir is missing; set it to the folder of the new run")
    plan = plan_import(_CHECKPOINT.value, run_dir, given)
    from svg_tf.torch_import import runs  # imports TensorFlow, late so that a bad file fails fast
    from svg_tf.training.run import choose_precision

    plan = plan._replace(config=choose_precision(plan.config))
    runs.import_run(plan)
    print(f"{plan.path} is {_MODELS[plan.config.prior]}")
    for source in ("weights", "options", "flags"):
        fields = [name for name in vars(plan.config) if plan.sources.get(name) == source]
        if fields:
            print(f"from its {source}: " + " ".join(f"{name}={getattr(plan.config, name)}" for name in fields))
    print(
        "Batch normalization uses the stored statistics here. The authors' code uses those of each batch, so its "
        "frames differ and depend on the other clips of the batch."
    )
    print(f"wrote {run_dir} with a checkpoint of step 0. Generate futures, or continue training:")
    print(f"  {shlex.join(['svg-tf', 'generate', f'--run_dir={run_dir}'])}")
    values = {field.name: (getattr(plan.config, field.name), field.default) for field in dataclasses.fields(Config)}
    words = [f"--{name}={value}" for name, (value, default) in values.items() if value != default]
    print(f"  {shlex.join(['svg-tf', 'train', *words])}")
