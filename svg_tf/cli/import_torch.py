"""Makes a run of the original code's checkpoint: python bin/import_torch.py --checkpoint=FILE.pth --run_dir=runs/x"""

import dataclasses
import shlex

from absl import flags

from svg_tf.cli import flags as config_flags
from svg_tf.config import Config, ConfigError
from svg_tf.torch_import.plan import plan_import

config_flags.define_config_flags()
flags.adopt_module_key_flags(config_flags)  # --help shows them
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "file that the original PyTorch code wrote", required=True)

_MODELS = {"learned": "SVG-LP", "fixed": "SVG-FP", "none": "the deterministic baseline"}
_BATCH_STATISTICS = (
    "batch normalisation draws frames by its stored statistics, each clip by itself; the original code uses each "
    "batch's own, so its frames differ from these and depend on the clips drawn with them"
)


def run() -> None:
    """Parses, imports and prints what came from where."""
    given = {
        field.name: flags.FLAGS[field.name].value
        for field in dataclasses.fields(Config)
        if flags.FLAGS[field.name].present
    }
    run_dir = given.pop("run_dir", "")
    if not run_dir:
        raise ConfigError("run_dir is not given; name the folder of the new run by --run_dir")
    plan = plan_import(_CHECKPOINT.value, run_dir, given)
    from svg_tf.torch_import import importer  # TensorFlow takes seconds to load: a wrong file is told before

    importer.write_run(plan)
    print(f"{plan.path} is {_MODELS[plan.config.prior]}")
    for source, words in {
        "weights": "its weights",
        "options": "its options",
        "flags": "flags",
        "defaults": "defaults, since nothing says them",
    }.items():
        fields = {name: value for name, value in vars(plan.config).items() if plan.sources.get(name) == source}
        if fields:
            print(f"by {words}: " + " ".join(f"{name}={value}" for name, value in fields.items()))
    print(_BATCH_STATISTICS)
    print(f"wrote {run_dir}, at step 0; draw its futures or train on:")
    print(f"  {shlex.join(['python', 'bin/generate.py', f'--run_dir={run_dir}'])}")
    print(f"  {shlex.join(['python', 'bin/train.py', *config_flags.flags_of(plan.config)])}")


def main(argv: list[str] | None = None) -> None:
    """Run the command; argv defaults to sys.argv."""
    config_flags.run(run, argv)
