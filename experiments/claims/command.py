"""`launch.sh study claims`: options, and where the answer goes."""

from collections.abc import Callable, Sequence
from pathlib import Path

from resnets.cli import backend
from resnets.cli.parser import Parser, comma_list
from resnets.errors import RunError, UserError

FORMATS = ("table", "csv", "json")
SUFFIXES = (".csv", ".json", ".md")

_DESCRIPTION = """\
Hold what five source documents say about networks and their costs against our own counts and
projections, a row a claim. Nothing is trained or run."""

_EPILOG = """\
examples:
  launch.sh study claims
  launch.sh study claims --only=C08,C23            with the tables behind these claims
  launch.sh study claims --format=json
  launch.sh study claims --out=experiments/results/claims.csv --out=docs/claims.md

exit status: 0 done (whatever the verdicts), 1 a file cannot be written, 2 bad arguments."""


def _parser() -> Parser:
    parser = Parser("study claims", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("--only", type=comma_list, default=(), metavar="IDS", help="claims, e.g. C08,C23")
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
        raise UserError(f"{overrides[0]} does not apply: the claims study runs no config")
    for path in args.out:
        if path.suffix not in SUFFIXES:
            raise UserError(f"--out={path} must end in one of {', '.join(SUFFIXES)}")
    backend.configure()
    from experiments.claims import registry, render

    claims = registry.chosen(args.only)
    writers: dict[str, Callable[[], str]] = {
        ".csv": lambda: render.as_csv(claims),
        ".json": lambda: render.as_data(claims),
        ".md": lambda: render.as_page(claims),
        ".table": lambda: render.as_text(claims, tables=bool(args.only)),
    }
    print(writers[f".{args.format}"]())
    for path in args.out:
        try:
            path.write_text(f"{writers[path.suffix]()}\n", encoding="utf-8")
        except OSError as error:
            raise RunError(f"--out={path}: {error.strerror}") from None
    return 0
