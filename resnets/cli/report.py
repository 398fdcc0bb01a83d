"""`launch.sh report`: write a study's report from its files."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from resnets.cli.parser import Parser

_DESCRIPTION = """\
Write DIR/report/ (report.html, report.md, results.csv, charts) and the overlaid TensorBoard curves
from the files of a study, finished or not, and print the summary. With --watch the page follows the
study until every run is done or has failed; a browser that shows it loads it again by itself."""

_EPILOG = """\
examples:
  launch.sh report runs/degradation
  launch.sh report runs/degradation --watch

The page needs nothing but itself: open it from the disk or a file share, or send it to somebody.
exit status: 0 done, 1 it cannot be written, 2 bad arguments, 130 interrupted while watching."""

INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("report", _DESCRIPTION, _EPILOG)
    parser.add_argument("directory", type=Path, metavar="DIR", help="study directory")
    parser.add_argument("--watch", action="store_true", help="follow the study while it runs")
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"a report takes no {overrides[0]}")
    from resnets.reports import print_summary, write_report

    interrupted = args.watch and not _watch(args.directory)
    write_report(args.directory)
    print_summary(args.directory)
    return INTERRUPTED if interrupted else 0


def _watch(directory: Path) -> bool:
    """Follow the study; whether to its end."""
    from resnets.reports.status import StudyStatus
    from resnets.reports.watching import watch
    from resnets.terminal import console, printable

    err = console(sys.stderr)
    page = directory / "report" / "report.html"

    def say(status: StudyStatus) -> None:
        if shown:
            shown.update(printable(status.line()))
        elif status.counts != said[-1]:
            said.append(status.counts)
            print(printable(status.line()), file=sys.stderr, flush=True)

    said: list[object] = [None]
    print(f"watching; the page is {page}; Ctrl-C ends it", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        shown = stack.enter_context(err.status("reading")) if err.is_terminal else None
        try:
            watch(directory, say)
        except KeyboardInterrupt:
            return False
    return True
