"""What imports what: the layers of the library, and what each of them leaves alone."""

import ast
import functools
import graphlib
import sys
from pathlib import Path

import pytest
from test_documentation import asked, scripts

ROOT = Path(__file__).resolve().parents[1]
# From the ground up: a module imports from its own layer and from those below.
LAYERS = [
    "array_files config config_checks files noise progress registry rendezvous schedules",
    "losses replicas",
    "models optimizer visualization",
    "checkpoints data loop memory rollout run",
    "distribution logs recalibration",
    "training",
    "torch_import",
    "metrics",
    "evaluation",
    "benchmarks dry_run futures program report uncertainty",
]
LEVELS = {unit: level for level, units in enumerate(LAYERS) for unit in units.split()}


@functools.cache
def modules():
    """{name: file} of the library."""
    files = sorted((ROOT / "svg_tf").rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


@functools.cache
def imported(file):
    """The names that a file imports anywhere in it, whole, modules of the library up to the module."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folder = file.parents[node.level - 1].relative_to(ROOT).parts if node.level else ()
            base = ".".join([*folder, *([node.module] if node.module else [])])
            names = {f"{base}.{alias.name}" for alias in node.names}
            found.update(name if name in modules() or base not in modules() else base for name in names)
    return found


def own(name):
    """The modules of the library that one of them imports."""
    return {other for other in imported(modules()[name]) if other in modules() and other not in ("svg_tf", name)}


def unit(name):
    return name.split(".")[1]


def test_every_module_has_a_layer():
    found = {unit(name) for name in modules() if name != "svg_tf"}
    assert found == set(LEVELS), "put new modules into LAYERS"


@pytest.mark.parametrize("name", sorted(set(LEVELS)))
def test_a_module_imports_from_its_layer_and_those_below(name):
    for module in modules():
        if module != "svg_tf" and unit(module) == name:
            above = sorted(other for other in own(module) if LEVELS[unit(other)] > LEVELS[name])
            assert not above, f"{module} imports {above}"


def test_no_modules_import_each_other_in_a_circle():
    order = graphlib.TopologicalSorter({name: own(name) for name in modules()})
    assert len(list(order.static_order())) == len(modules())


def test_the_package_itself_imports_nothing():
    assert not imported(modules()["svg_tf"])


def test_the_library_reads_no_flags_and_knows_no_command():
    commands = {file.stem for folder in ("bin", "export") for file in (ROOT / folder).glob("*.py")} - {"command"}
    for name, file in modules().items():
        for other in imported(file):
            assert not other.startswith(("absl.flags", "absl.app")), f"{name} imports {other}"
            assert other.split(".")[0] not in commands, f"{name} imports {other}"


def test_the_runner_of_programs_needs_nothing_but_numpy_and_jax():
    for name, file in modules().items():
        if name.startswith("svg_tf.program.runner"):
            tops = {other.split(".")[0] for other in imported(file)} - {"svg_tf", "numpy", "jax", "torch", "ml_dtypes"}
            assert all(top in sys.stdlib_module_names or top == "torch_model" for top in tops), f"{name}: {tops}"
            assert all(other.startswith("svg_tf.program.runner") for other in own(name)), name


@pytest.mark.parametrize("script", scripts())
def test_a_wrong_flag_is_told_before_anything_heavy_is_loaded(script):
    assert asked()[script][1]["heavy"] == []
