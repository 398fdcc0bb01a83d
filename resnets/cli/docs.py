"""`launch.sh docs`: the documentation as a site, from Markdown, docstrings and a notebook."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from resnets.cli import extras, generated_pages
from resnets.cli.parser import Parser
from resnets.errors import RunError
from resnets.training.config_file import CHECKOUT

_DESCRIPTION = """\
Build the documentation: docs/*.md, the reference from docstrings, the help of every verb, the
tables of experiments/results, and the tutorial, which is run for it. A warning is an error."""

_EPILOG = """\
example:
  launch.sh docs --out=build/docs

Open DIR/index.html. The first start installs Sphinx, MyST-NB and Furo into this environment.
exit status: 0 done, 1 a page is wrong or the tutorial failed, 2 bad arguments."""

DEFAULT = Path("build") / "docs"
MODULES = ("sphinx", "myst_nb", "furo", "ipykernel")

_LINK = re.compile(r"\]\((\.\./[^)#\s]+)")
_START = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Documentation</title>
<meta http-equiv="refresh" content="0; url=docs/index.html"></head>
<body><a href="docs/index.html">Documentation</a></body></html>
"""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("docs", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "--out", type=Path, default=DEFAULT, metavar="DIR", help=f"default: {DEFAULT}"
    )
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"docs takes no {overrides[0]}")
    extras.install("docs", MODULES)
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder)
        prepare(sources)
        _build(sources, args.out)
    (args.out / "index.html").write_text(_START, encoding="utf-8")
    print(args.out / "index.html")
    return 0


def prepare(sources: Path) -> None:
    """Copy the written pages and what they link to, and write those that are generated."""
    pages = sources / "docs"
    shutil.copytree(CHECKOUT / "docs", pages)
    shutil.copytree(CHECKOUT / "experiments" / "results", sources / "experiments" / "results")
    shutil.copy(CHECKOUT / "experiments" / "tutorial.ipynb", pages)
    for page in pages.glob("*.md"):
        for link in _LINK.findall(page.read_text("utf-8")):
            linked = (CHECKOUT / "docs" / link).resolve()
            copy = sources / linked.relative_to(CHECKOUT)
            if linked.is_file() and not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(linked, copy)
    generated_pages.write(pages)
    _list_the_others(pages)


def _list_the_others(pages: Path) -> None:
    """Name in the index, where it has a star, every page that it does not name."""
    index = pages / "index.md"
    text = index.read_text("utf-8")
    named = set(re.findall(r"^\w+$", text, re.MULTILINE)) | {"index"}
    others = sorted(
        page.stem
        for page in pages.glob("*.md")
        if page.stem not in named and not page.stem.startswith("howto_")
    )
    star = re.compile(r"^\*$", re.MULTILINE)
    index.write_text(star.sub("\n".join(others), text), encoding="utf-8")


def _build(sources: Path, out: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "JAX_PLATFORMS": "cpu"}
    environment |= {"COLUMNS": "100", "NO_COLOR": "1"}
    options = ["-W", "--keep-going", "-q", "-E", "-b", "html", "-c", str(sources / "docs")]
    command = [sys.executable, "-m", "sphinx", *options, str(sources), str(out.absolute())]
    if subprocess.run(command, env=environment, cwd=CHECKOUT, stdout=sys.stderr).returncode:
        raise RunError("the documentation has mistakes; the lines above say where")
