"""The summary for stdout: the verdict and two tables; off a terminal in 80 columns."""

import sys
import textwrap

from resnets.columns import aligned
from resnets.reports.findings import headline
from resnets.reports.results import Study
from resnets.reports.tables import Table, final_errors, paired_differences, unfinished
from resnets.reports.verdict import continue_command, verdict
from resnets.terminal import STATES, console, print_table, print_text, printable

WIDTH = 80

ERRORS_TITLE = "Final errors, mean ± standard deviation (n seeds):"
PAIRS_TITLE = "Paired differences, percentage points [95 % interval]:"


def _filled(text: str, indent: str = "") -> str:
    """Break at spaces, but not before a percent sign."""
    held = printable(text).replace(" %", "\u00a0%")
    lines = textwrap.wrap(held, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(lines).replace("\u00a0", " ")


def _rows(table: Table) -> list[tuple[str, ...]]:
    return [tuple(map(printable, row)) for row in (table.headings, *table.rows)]


def _listed(table: Table) -> str:
    """One line a run, as many as its reason needs."""
    return "\n".join(_filled(f"{run}: {status}: {why}", "  ") for run, status, why in table.rows)


def _opening(study: Study) -> list[str]:
    return [_filled(part) for part in (f"{study.name}: {study.question}", *verdict(study))]


def _command(study: Study) -> str:
    return f"To continue: {printable(continue_command(study) or '')}"


def summary_text(study: Study) -> str:
    """The verdict, final errors, differences, and what is not done."""
    blocks = _opening(study)
    pairs, left = paired_differences(study), unfinished(study)
    if study.runs:
        errors = final_errors(study)
        blocks.append(f"{ERRORS_TITLE}\n{aligned(_rows(errors), errors.numeric)}")
    if pairs.rows:
        blocks.append(f"{PAIRS_TITLE}\n{aligned(_rows(pairs), pairs.numeric)}")
    if left.rows:
        blocks.append(f"Not done:\n{_listed(left)}\n{_command(study)}")
    return "\n\n".join(blocks) + "\n"


def print_summary(study: Study) -> None:
    """Print the same: with rules and colours on a terminal."""
    if not console(sys.stdout).is_terminal:
        print(summary_text(study))
        return
    print_text(_filled(headline(study)) + "\n", "bold")
    print_text("\n\n".join(_opening(study)[1:]) + "\n")
    pairs, left = paired_differences(study), unfinished(study)
    if study.runs:
        errors = final_errors(study)
        print_table(_rows(errors), errors.numeric, ERRORS_TITLE)
    if pairs.rows:
        print_table(_rows(pairs), pairs.numeric, f"\n{PAIRS_TITLE}")
    if left.rows:
        print_table(_rows(left), left.numeric, "\nNot done:", STATES)
        print_text(f"\n{_command(study)}")
