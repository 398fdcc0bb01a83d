"""The layers of the package, as the design draws them, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import resnets

PACKAGE = Path(resnets.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
CHECKOUT = PACKAGE.parent

EVERYBODY_MAY_IMPORT = {"errors", "arguments", "columns", "terminal", "drawing"}
MAY_IMPORT = {
    "errors": set(),
    "arguments": set(),
    "columns": set(),
    "terminal": set(),
    "drawing": set(),
    "models": set(),
    "data": set(),
    "reports": set(),
    "diagnostics": {"models"},
    "training": {"models", "data", "diagnostics"},
    "analysis": {"models", "training.step"},
    "probes": {"training", "diagnostics", "models", "data"},
    "studies": {"training"},
    "cli": {
        "models",
        "data",
        "diagnostics",
        "training",
        "analysis",
        "probes",
        "studies",
        "reports",
    },
}


def part_of(file):
    """The part of the package that a file belongs to: `models`, or `errors` for errors.py."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_names(tree):
    """Every name that a module imports anywhere in it, as `package.module.attribute`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parsed(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def within(name, allowed):
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)


def foreign_imports(file):
    """Imports of a file that the design forbids."""
    own = part_of(file)
    allowed = MAY_IMPORT[own] | EVERYBODY_MAY_IMPORT | {own}
    names = {name for name in imported_names(parsed(file)) if within(name, {"resnets"})}
    return sorted(name for name in names if not within(name.removeprefix("resnets."), allowed))


def test_every_part_of_the_package_is_in_the_design():
    assert {part_of(file) for file in FILES} - {"__init__"} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("part", sorted({part_of(file) for file in FILES} - {"__init__"}))
def test_no_import_runs_against_the_arrows(part):
    files = [file for file in FILES if part_of(file) == part]
    found = {str(file.relative_to(CHECKOUT)): foreign_imports(file) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


def test_the_rule_catches_what_it_forbids(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "reports").mkdir()
    file = tmp_path / "reports" / "page.py"
    file.write_text(
        "from resnets.errors import UserError\n"
        "from resnets.reports import files\n"
        "def f():\n"
        "    from resnets import training\n"
        "    import resnets.models.layers\n"
    )
    assert foreign_imports(file) == ["resnets.models.layers", "resnets.training"]


def test_the_package_imports_no_recipes_experiments_or_tests():
    roots = {"configs", "experiments", "tests", "conftest"}
    found = {
        str(file): [name for name in imported_names(parsed(file)) if within(name, roots)]
        for file in FILES
    }
    assert {file: names for file, names in found.items() if names} == {}


def test_no_module_is_long():
    lengths = {str(f.relative_to(CHECKOUT)): len(f.read_text().splitlines()) for f in FILES}
    assert {name: length for name, length in lengths.items() if length > 320} == {}


def test_no_function_is_long():
    lengths = {
        f"{file.relative_to(CHECKOUT)}:{node.name}": node.end_lineno - node.lineno + 1
        for file in FILES
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > 65} == {}


def test_no_module_is_a_place_for_everything():
    names = {file.stem for file in FILES}
    assert names & {"utils", "util", "helpers", "misc", "common"} == set()


# --- what an import costs ----------------------------------------------------------------------

MODULES = sorted(
    ".".join(file.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
    for file in FILES
)


def run_python(*lines):
    """Run a program in a fresh interpreter; return what it wrote to both streams."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


HIDE_TENSORFLOW = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
def find_others(name, *rest):
    return None if name.split(".")[0] == "tensorflow" else find(name, *rest)
PathFinder.find_spec = find_others
"""


def test_no_module_needs_tensorflow():
    """Each is imported as if it were not installed; warnings are errors where they are ours."""
    run_python(
        "import importlib, sys, warnings",
        "warnings.filterwarnings('error', module='resnets')",
        HIDE_TENSORFLOW,
        f"for name in {MODULES}: importlib.import_module(name)",
        "assert 'tensorflow' not in sys.modules",
    )


def test_importing_the_package_writes_nothing():
    assert run_python("import resnets.models, resnets.training.loop") == ("", "")


def test_the_commands_start_without_importing_jax():
    """So that `--help` answers at once, and settings can be made before JAX reads them."""
    verbs = [name for name in MODULES if name.startswith("resnets.cli")]
    run_python(
        "import importlib, sys",
        f"for name in {verbs}: importlib.import_module(name)",
        "heavy = {'jax', 'flax', 'tensorflow', 'tensorflow_datasets', 'altair'} & set(sys.modules)",
        "assert not heavy, heavy",
    )
