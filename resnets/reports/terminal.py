"""The summary for stdout: the verdict and two tables, in aligned columns for 80 characters."""

import textwrap

from resnets.columns import aligned
from resnets.reports.results import Study
from resnets.reports.tables import Table, final_errors, paired_differences, unfinished
from resnets.reports.verdict import continue_command, verdict

WIDTH = 80


def printable(text: str) -> str:
    """Replace control characters: a name must not move the cursor."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _filled(text: str, indent: str = "") -> str:
    """Break at spaces, but not before a percent sign."""
    held = printable(text).replace(" %", "\u00a0%")
    lines = textwrap.wrap(held, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(lines).replace("\u00a0", " ")


def _aligned(table: Table) -> str:
    rows = [tuple(map(printable, row)) for row in (table.headings, *table.rows)]
    return aligned(rows, table.numeric)


def _listed(table: Table) -> str:
    """One line a run, as many as its reason needs."""
    return "\n".join(_filled(f"{run}: {status}: {why}", "  ") for run, status, why in table.rows)


def summary_text(study: Study) -> str:
    """The verdict, final errors, differences, and what is not done."""
    parts = [f"{study.name}: {study.question}", *verdict(study)]
    blocks = [_filled(part) for part in parts]
    if study.runs:
        title = "Final errors, mean ± standard deviation (n seeds):\n"
        blocks.append(title + _aligned(final_errors(study)))
    pairs = paired_differences(study)
    if pairs.rows:
        title = "Paired differences, percentage points [95 % interval]:\n"
        blocks.append(title + _aligned(pairs))
    left = unfinished(study)
    if left.rows:
        command = printable(continue_command(study) or "")
        blocks.append(f"Not done:\n{_listed(left)}\nTo continue: {command}")
    return "\n\n".join(blocks) + "\n"
