"""The report as Markdown. Text from files is escaped: it cannot become markup or break a table."""

import re
from collections.abc import Mapping

from resnets.reports.provenance import environment, settings
from resnets.reports.results import Study
from resnets.reports.tables import (
    EVIDENCE,
    Table,
    all_runs,
    evidence,
    final_errors,
    paired_differences,
    unfinished,
)
from resnets.reports.verdict import continue_command, verdict


def escape(text: str) -> str:
    r"""Make text show as itself on one line, inside a table cell too.

    >>> print(escape("a|b <i>"))
    a\|b &lt;i&gt;
    """
    line = " ".join(text.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#$])", r"\\\1", line)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"


def _table(table: Table) -> str:
    marks = ["---:" if i in table.numeric else "---" for i in range(len(table.headings))]
    rule = f"| {' | '.join(marks)} |"
    return "\n".join([_row(table.headings), rule, *map(_row, table.rows)])


def _section(title: str, table: Table, lead: str = "") -> list[str]:
    return [f"## {title}", *([lead] if lead else []), _table(table)] if table.rows else []


def markdown(study: Study, charts: Mapping[str, str]) -> str:
    """Write the report.

    Args:
      study: what to report.
      charts: file name of each chart without its ending, and what it shows.
    """
    answer = verdict(study)
    blocks = [f"# {escape(study.name)}", f"*{escape(study.question)}*"]
    blocks += [f"**{escape(answer[0])}**", *map(escape, answer[1:])]
    blocks.append(f"How to read it: {escape(study.reading)}")
    blocks += [f"![{escape(text)}]({name}.png)" for name, text in charts.items()]
    blocks += _section(
        "Final errors",
        final_errors(study),
        "Mean ± standard deviation (n seeds) of the last epoch, whole splits, evaluation mode.",
    )
    blocks += _section(
        "Paired differences",
        paired_differences(study),
        "Mean over the seeds both arms have, in percentage points, with its 95 % t-interval "
        "in brackets; unknown for one pair.",
    )
    blocks += _section("Effect sizes", evidence(study), EVIDENCE)
    blocks += _section("Not done", unfinished(study))
    command = continue_command(study)
    if command:
        blocks += ["To continue:", "    " + " ".join(command.splitlines())]
    blocks += _section("What ran", environment(study), "Devices, versions and code by run.")
    blocks += _section("Configuration", settings(study), "Shared fields, then those that differ.")
    blocks += _section("Runs", all_runs(study))
    return "\n\n".join(blocks) + "\n"
