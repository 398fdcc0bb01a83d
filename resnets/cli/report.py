"""`launch.sh report`: write a study's report from its files."""

from collections.abc import Sequence
from pathlib import Path

from resnets.cli.parser import Parser

_DESCRIPTION = """\
Write DIR/report/ (report.html, report.md, results.csv, charts) and the overlaid TensorBoard curves
from the files of a study, finished or not, and print the summary."""

_EPILOG = """\
example:
  launch.sh report runs/degradation"""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("report", _DESCRIPTION, _EPILOG)
    parser.add_argument("directory", type=Path, metavar="DIR", help="study directory")
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"a report takes no {overrides[0]}")
    from resnets.reports import write_report

    print(write_report(args.directory))
    return 0
