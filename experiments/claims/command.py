"""`launch.sh study claims`: options, and where the answer goes."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resnets.cli import backend, engines
from resnets.cli.parser import Parser, comma_list
from resnets.errors import RunError, UserError
from resnets.training.config_file import CHECKOUT

if TYPE_CHECKING:
    from experiments.claims.claim import Claim

FORMATS = ("table", "csv", "json")
SUFFIXES = (".csv", ".json", ".md")

TERMINATED = 75
"""Exit status: ended from outside before it was done; the same command goes on."""

_DESCRIPTION = """\
Hold what five source documents say about networks against our own numbers, a row a claim: counts
and projections in a minute; behaviours by training on digits over several seeds, in WORKDIR. What
is done there is only read, so the same command goes on where it stopped."""

_EPILOG = """\
examples:
  launch.sh study claims                           all; trains what is missing
  launch.sh study claims --no-train                all; trains and measures nothing
  launch.sh study claims --only=C08,C23            with the tables behind these claims
  launch.sh study claims --format=json
  launch.sh study claims --out=experiments/results/claims.csv --out=docs/claims.md

WORKDIR/report/ gets the charts and, of all claims, claims.csv and claims.md.
exit status: 0 done (whatever the verdicts), 1 a run failed or a file cannot be written, 2 bad
arguments, 75 terminated (SIGTERM): start it again."""


def _parser() -> Parser:
    parser = Parser("study claims", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("--only", type=comma_list, default=(), metavar="IDS", help="claims, e.g. C08,C23")
    add("--workdir", type=Path, help="folder of runs and report (default: runs/claims)")
    add(
        "--no-train", action="store_true", help="only read what is there; the rest is `not run yet`"
    )
    add("--format", choices=FORMATS, default="table", help="default: table")
    add(
        "--out",
        action="append",
        default=[],
        metavar="FILE",
        type=Path,
        help=f"also write them to a file that ends in {', '.join(SUFFIXES)}; may be repeated",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the study; return the exit status."""
    args, overrides = _parser().parse_with_overrides(argv)
    if overrides:
        raise UserError(f"{overrides[0]} does not apply: the claims run no config of yours")
    for path in args.out:
        if path.suffix not in SUFFIXES:
            raise UserError(f"--out={path} must end in one of {', '.join(SUFFIXES)}")
    directory = args.workdir or CHECKOUT / "runs" / "claims"
    backend.configure(directory)
    from experiments.claims import registry
    from experiments.claims.workplace import Workplace

    with engines.terminable() as terminated:
        claims = registry.chosen(args.only, Workplace(directory, run=not args.no_train))
        for claim in claims:
            _ = claim.finding  # found here, so that an interruption ends it cleanly
    if terminated():
        print(f"launch.sh study claims: terminated; it goes on in {directory}", file=sys.stderr)
        return TERMINATED
    _answer(args, claims, directory / "report")
    failed = [claim for claim in claims if claim.finding.failed]
    for claim in failed:
        print(f"launch.sh study claims: {claim.id}: {claim.finding.missing}", file=sys.stderr)
    return 1 if failed else 0


def _answer(args: argparse.Namespace, claims: list["Claim"], report: Path) -> None:
    """Print the claims, and write the files and the report."""
    from experiments.claims import charts, render

    writers: dict[str, Callable[[], str]] = {
        ".csv": lambda: render.as_csv(claims),
        ".json": lambda: render.as_data(claims),
        ".md": lambda: render.as_page(claims),
        ".table": lambda: render.as_text(claims, detailed=bool(args.only)),
    }
    print(writers[f".{args.format}"]())
    whole = () if args.only else (report / "claims.csv", report / "claims.md")
    drawn = charts.write(claims, report)
    for path in (*args.out, *whole):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{writers[path.suffix]()}\n", encoding="utf-8")
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror}") from None
    if drawn or whole:
        print(f"charts: {report}", file=sys.stderr)
