"""`launch.sh status`: how a study stands, while it runs and after."""

import json
from collections.abc import Sequence
from pathlib import Path

from resnets.cli.parser import Parser

_DESCRIPTION = """\
Show every run of a study with its newest numbers and the time that is left, from the files in DIR
alone: on any machine that sees them, while the study runs on any engine, and after."""

_EPILOG = """\
examples:
  launch.sh status runs/degradation
  launch.sh status runs/degradation --format=json

states: queued; running (a sign of life in the last minute); done; failed, with the reason; partial:
interrupted, preempted or lost with its machine. The study's own command takes up what is not done.
exit status: 0 shown, 2 bad arguments."""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("status", _DESCRIPTION, _EPILOG)
    parser.add_argument("directory", type=Path, metavar="DIR", help="study directory")
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="default: table"
    )
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"status takes no {overrides[0]}")
    from resnets.reports.status import read_status

    status = read_status(args.directory)
    if args.format == "json":
        print(json.dumps(status.as_json(), indent=2))
    else:
        status.print()
    return 0
