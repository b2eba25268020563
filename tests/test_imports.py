"""The layers of the package: a module imports only from its own layer and from those below."""

import ast
import functools
import graphlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# From the bottom up. A file or folder that is missing here fails the first test.
LAYERS = [
    "config files noise progress registry",
    "losses",
    "models rollout visualization",  # models import rollout; rollout names models in annotations only
    "data",
    "metrics presets torch_import training",
    "evaluation",
    "report uncertainty",
    "playground serving tflite",
    "cli",
]
LEVELS = {unit: level for level, units in enumerate(LAYERS) for unit in units.split()}


@functools.cache
def modules():
    """{module name: file} of the package."""
    files = sorted((ROOT / "svg_tf").rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


@functools.cache
def imported(name):
    """Return the full names of what a module imports, also inside functions; ours as module names."""
    found = set()
    for node in _nodes(ast.parse(modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} has a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(each if each in modules() or node.module not in modules() else node.module for each in names)
    return found


def _nodes(tree):
    """Yield the nodes outside of `if TYPE_CHECKING:`."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _nodes(child)


def own(name):
    """Return the modules of the package that a module imports."""
    found = {other for other in imported(name) if other in modules() and other not in ("svg_tf", name)}
    return found - {"svg_tf.presets"} if name == "svg_tf.models.svg" else found  # SVG.from_preset, when it is called


def layered():
    return {name: name.split(".")[1] for name in modules() if name not in ("svg_tf", "svg_tf.__main__")}


def test_every_module_has_a_layer_and_imports_from_it_and_below():
    assert set(layered().values()) == set(LEVELS)
    for module, unit in layered().items():
        above = sorted(other for other in own(module) if LEVELS[other.split(".")[1]] > LEVELS[unit])
        assert not above, f"{module} imports {above}"


def test_models_import_nothing_of_training_data_or_config():
    for module in (module for module, unit in layered().items() if unit == "models"):
        found = {other.split(".")[1] for other in own(module)}
        assert found <= {"models", "losses", "noise", "rollout", "registry"}, f"{module}: {found}"


def test_there_is_no_import_cycle():
    order = graphlib.TopologicalSorter({name: own(name) for name in modules()})
    assert len(list(order.static_order())) == len(modules())


def test_flags_appear_in_cli_only():
    for name in modules():
        if not name.startswith("svg_tf.cli"):
            assert not any(other.startswith(("absl.flags", "absl.app")) for other in imported(name)), name
