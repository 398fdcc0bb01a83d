"""Pages of the documentation that are made from the code and the measured tables."""

import contextlib
import csv
import importlib
import io
import subprocess
from pathlib import Path

from resnets.training.config_file import CHECKOUT

_PACKAGE = CHECKOUT / "resnets"
_NOT_SHOWN = {"cli", "py.typed"}
_LONGEST = 60
"""Rows of a table that stands on a page; longer ones are linked."""


def write(pages: Path) -> None:
    """Write the command reference, the reference of the package, and the measured tables."""
    (pages / "commands.md").write_text(commands(), encoding="utf-8")
    (pages / "tables.md").write_text(tables(), encoding="utf-8")
    folder = pages / "reference"
    folder.mkdir()
    names = parts()
    for name in names:
        (folder / f"{name}.md").write_text(reference(name), encoding="utf-8")
    listed = "\n".join(f"reference/{name}" for name in names)
    (pages / "reference.md").write_text(
        "# Reference\n\nFrom the docstrings of the package, a page a part.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n",
        encoding="utf-8",
    )


def commands() -> str:
    """The help of `launch.sh` and of every verb, as they print it."""
    from resnets.cli.__main__ import VERBS

    usage = subprocess.run(
        [str(CHECKOUT / "launch.sh"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    text = f"# Commands\n\n```text\n{usage}```\n"
    for verb in sorted(VERBS):
        text += f"\n## {verb}\n\n```text\n{help_of(verb)}```\n"
    return text


def help_of(verb: str) -> str:
    """What `launch.sh VERB --help` prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        importlib.import_module(f"resnets.cli.{verb}").main(["--help"])
    return out.getvalue()


def parts() -> list[str]:
    """Packages and modules right below `resnets`."""
    found = {path.stem for path in _PACKAGE.glob("*.py")} - {"__init__"}
    found |= {path.parent.name for path in _PACKAGE.glob("*/__init__.py")}
    return sorted(found - _NOT_SHOWN)


def reference(part: str) -> str:
    """A section a module, each from its docstrings."""
    path = _PACKAGE / part
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    text = f"# resnets.{part}\n"
    for file in files:
        inside = file.relative_to(CHECKOUT).with_suffix("")
        name = ".".join(inside.parts).removesuffix(".__init__")
        heading = "" if name == f"resnets.{part}" else f"\n## {name}\n"
        text += f"{heading}\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n"
        text += "   :ignore-module-all:\n```\n"
    return text


def tables() -> str:
    """The measured tables of `experiments/results`."""
    text = "# Measured tables\n\nAs they stand in `experiments/results/`.\n"
    for file in sorted((CHECKOUT / "experiments" / "results").glob("*.csv")):
        with file.open(encoding="utf-8") as lines:
            rows = sum(1 for _ in csv.reader(lines)) - 1
        link = f"../experiments/results/{file.name}"
        text += f"\n## {file.stem}\n\n[{file.name}]({link}), {rows} rows.\n"
        if rows <= _LONGEST:
            text += f"\n```{{csv-table}}\n:file: {link}\n:header-rows: 1\n```\n"
    return text
