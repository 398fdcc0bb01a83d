"""`launch.sh complexity`: accuracy against operations and parameters, as a page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resnets.cli import backend
from resnets.cli.parser import Parser, comma_list
from resnets.errors import RunError, UserError

if TYPE_CHECKING:
    from resnets.analysis.complexity import Point

_DESCRIPTION = """\
Draw accuracy against multiply-adds, the area of a bubble being the parameters: published accuracies
of all networks, or those that runs of your own reached. Operations are counted from each network's
program; networks whose accuracy has no source here are listed, not drawn. A chart a data set."""

_EPILOG = """\
examples:
  launch.sh complexity
  launch.sh complexity --models=vgg16,googlenet,resnet50,densenet121 --out=build/four
  launch.sh complexity --runs=runs/degradation

DIR gets complexity.html (one file that needs no network), complexity.csv, and each chart as SVG and
PNG. All networks take a minute or two. Published accuracies and their sources stand in
resnets/analysis/published.csv.
exit status: 0 done, 1 failed, 2 bad arguments."""

DEFAULT = Path("build") / "complexity"


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("complexity", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("--models", type=comma_list, default=(), metavar="A,B,...", help="default: all networks")
    add(
        "--runs", type=comma_list, default=(), metavar="DIR,...", help="studies or runs of your own"
    )
    add("--out", type=Path, default=DEFAULT, metavar="DIR", help=f"default: {DEFAULT}")
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"complexity takes no {overrides[0]}")
    if args.models and args.runs:
        parser.error("give --models=A,B,... or --runs=DIR,..., not both")
    backend.configure()
    points = _points(args)
    _write(points, args.out)
    from resnets.analysis.complexity_page import table
    from resnets.terminal import print_table

    headings, rows, numeric = table(points)
    print_table([headings, *rows], numeric)
    return 0


def _points(args: argparse.Namespace) -> "list[Point]":
    from resnets import models
    from resnets.analysis.complexity import published_point
    from resnets.analysis.symbols import AnalysisError
    from resnets.cli import measured
    from resnets.terminal import console

    try:
        if args.runs:
            return measured.points(tuple(map(Path, args.runs)))
        names = list(dict.fromkeys(args.models)) or models.names()
        for name in names:
            models.family(name)
        err = console(sys.stderr)
        points = []
        with err.status("counting") as shown:
            for place, name in enumerate(names, 1):
                shown.update(f"counting {name} ({place} of {len(names)})")
                points.append(published_point(name))
        return points
    except AnalysisError as error:
        raise RunError(str(error)) from None
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from None


def _write(points: "list[Point]", folder: Path) -> None:
    from resnets.analysis import complexity_page
    from resnets.drawing.pages import write_page

    file = folder / "complexity.html"
    write_page(complexity_page.page(points, "complexity.csv"), file)
    table = folder / "complexity.csv"
    try:
        table.write_text(complexity_page.as_csv(points) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{table} cannot be written: {error.strerror}") from None
    print(f"the page is {file}", file=sys.stderr)
