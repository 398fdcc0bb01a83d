"""Claims as text, csv, JSON and a page; the same numbers give the same bytes."""

import collections
import textwrap
from collections.abc import Sequence
from typing import Any

from experiments.claims.claim import Claim, Finding, Table
from experiments.claims.effects import Effect, short
from resnets.analysis.render import as_json, rows_as_csv
from resnets.columns import aligned

_WIDTH = 100
LONGEST_ON_PAGE = 40
"""Rows of a table that the page still shows."""

_PAGE = """\
# What the source documents claim

Five documents on residual networks make 33 statements, about what networks cost and how they
behave. This page holds them against this project's own numbers; nothing is typed in. It is written
by

    ./launch.sh study claims --out=experiments/results/claims.csv --out=docs/claims.md

and `./launch.sh study claims --only=C08` prints one claim with its tables. What trains goes to
`runs/claims` (`--workdir`), and what is done there is only read, so the same command goes on where
it stopped; `--no-train` only reads, and says `not run yet` in place of a verdict. The charts are in
`runs/claims/report`.

**Counts and projections.** Each number is counted on the lowered program of a network, or projected
onto the documents' machine (`hypothetical`: 1 GB/s to external memory, 1 MB inside, 1 TFLOP/s for
matrices, 10 GFLOP/s for everything else). A claim is *confirmed* if each reported number is ours,
rounded or cut to the digits given, *refuted* if one is not (the tables say which one), and
*inconsistent* if the document's own numbers do not fit together although each part is right by some
count (C10, C22, C25): there is no telling which was meant. Where one of two numbers that contradict
each other is wrong by any count (C11, C23), the claim is refuted. Multiply-adds count padded taps.

**Behaviours** are differences that the claim says are above zero: between networks trained on
digits, paired by seed, at the final epoch, or between gradients at initial values, or between
shares of profiled steps. `ours` gives their mean, 95 % t-interval, number of seeds n and effect
size (Hedges' g). "No worse" becomes the margin that is left, and every such reading of a word
stands in the explanation. A claim is

- *confirmed* if every interval lies above zero and the claim's p-value is below 0.05,
- *refuted* if an interval lies below zero, and the p-value of that is below 0.05,
- *not shown* if neither: these runs do not tell, and an interval that crosses zero never confirms.

The p-value of a claim is the largest of its effects', as all must hold; against it the smallest of
those that are reversed, times the number of effects. `p_holm` corrects it for the number of claims
that rest on runs (Holm); a claim that has not been run counts with 1.

`seconds` is what a claim takes in an empty folder, on two CPU cores that nothing else uses: its
trial, which some claims share, its measurement and its counts.

**Training on CIFAR-10 or ImageNet** is *not testable here*: the row states the command and the
published reference, and shows the same comparison on digits, which decides nothing.
"""


def row(claim: Claim) -> dict[str, str]:
    """A claim in one row."""
    return {
        "id": claim.id,
        "verdict": claim.finding.verdict,
        "claim": claim.claim,
        "reported": claim.reported,
        "ours": claim.ours,
        "p_holm": _probability(claim.finding),
        "seconds": _seconds(claim.finding),
        "why": claim.finding.why,
        "command": "; ".join(claim.command.splitlines()),
    }


def _seconds(finding: Finding) -> str:
    """In an empty folder; tenths where there are few."""
    if finding.missing:
        return ""
    return f"{finding.seconds:.{0 if finding.seconds >= 10 else 1}f}"


def _probability(finding: Finding) -> str:
    """The corrected p-value, where there are effects."""
    return f"{finding.corrected:.2g}" if finding.effects and finding.testable else ""


def effects_table(finding: Finding) -> Table:
    """The effects behind a verdict."""
    rows = [
        (
            effect.what,
            effect.unit,
            *(short(value) for value in (effect.mean, *effect.ends)),
            f"{effect.n} {effect.one}s",
            "" if effect.size is None else short(effect.size),
            f"{effect.p:.2g}",
        )
        for effect in finding.effects
    ]
    title = "Differences, which the claim says are above zero"
    if finding.testable:
        title += f"; corrected for all claims that rest on runs, p is {_probability(finding)}"
    headings = ("difference", "unit", "mean", "95 % from", "to", "over", "effect size g", "p")
    return Table(title, headings, rows)


def tables(finding: Finding) -> tuple[Table, ...]:
    """All tables behind a finding, effects first."""
    return (*((effects_table(finding),) if finding.effects else ()), *finding.tables)


def summary(claims: Sequence[Claim]) -> str:
    """How many claims have each verdict, and the seconds that all took: what they share, once."""
    counts = collections.Counter(claim.finding.verdict for claim in claims)
    verdicts = ", ".join(f"{n} {name}" for name, n in counts.most_common())
    spent = {name: s for claim in claims for name, s in claim.finding.spent.items()}
    return f"{len(claims)} claims: {verdicts}; {sum(spent.values()):,.0f} s"


def as_text(claims: Sequence[Claim], detailed: bool) -> str:
    """A row for each claim, then why; with the tables behind each if asked."""
    if not detailed:
        reasons = "\n".join(_reason(claim) for claim in claims)
        return f"{_rows(claims)}\n\n{reasons}\n\n{summary(claims)}"
    blocks = []
    for claim in claims:
        parts = [f"{_rows([claim])}\n\n{_reason(claim)}"]
        parts += [table.text() for table in tables(claim.finding)]
        blocks.append("\n\n".join(parts))
    return "\n\n\n".join(blocks)


def _rows(claims: Sequence[Claim]) -> str:
    """A row for each claim, and one below it for each of its numbers."""
    rows = [("id", "verdict", "claim", "reported", "ours", "seconds")]
    for claim in claims:
        rows.append((claim.id, claim.finding.verdict, claim.claim, "", "", _seconds(claim.finding)))
        for number in claim.finding.numbers:
            reported, ours = (
                f"{n} {number.unit}".rstrip() for n in (number.reported, number.shown)
            )
            agrees = "" if number.agrees else "differs"
            rows.append(("", agrees, f"  {number.what}", reported, ours, ""))
        for effect in claim.finding.effects:
            rows.append(("", _stands(effect), f"  {effect.what}", "> 0", effect.text(), ""))
    return aligned(rows, (3, 4, 5))


def _stands(effect: Effect) -> str:
    return "" if effect.shown else "reversed" if effect.reversed else "not shown"


def _reason(claim: Claim) -> str:
    lines = textwrap.wrap(f"{claim.id}  {claim.finding.why}", _WIDTH, subsequent_indent=" " * 5)
    return "\n".join([*lines, *(f"     {line}" for line in claim.command.splitlines())])


def as_csv(claims: Sequence[Claim]) -> str:
    """A row for each claim."""
    return rows_as_csv([row(claim) for claim in claims])


def as_data(claims: Sequence[Claim]) -> str:
    """JSON, with the numbers and tables behind each claim."""
    return as_json([_content(claim) for claim in claims])


def _content(claim: Claim) -> dict[str, Any]:
    finding = claim.finding
    numbers = [
        {
            "what": number.what,
            "reported": number.reported,
            "ours": number.ours,
            "unit": number.unit,
            "agrees": number.agrees,
        }
        for number in finding.numbers
    ]
    behind = [
        {"title": table.title, "rows": [dict(zip(table.headings, r, strict=True)) for r in rows]}
        for table in tables(finding)
        for rows in [table.rows]
    ]
    effects = [
        {
            "what": effect.what,
            "unit": effect.unit,
            "values": list(effect.values),
            "mean": effect.mean,
            "interval": list(effect.ends),
            "effect_size": effect.size,
            "p": effect.p,
        }
        for effect in finding.effects
    ]
    return {**row(claim), "numbers": numbers, "effects": effects, "tables": behind}


def as_page(claims: Sequence[Claim]) -> str:
    """Markdown: the rows, then each claim's tables."""
    names = ("id", "verdict", "claim", "reported", "ours", "p_holm", "seconds", "why")
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for claim in claims:
        lines.append(f"| {' | '.join(row(claim)[name] for name in names)} |")
    sections = [_section(claim) for claim in claims if tables(claim.finding) or claim.command]
    parts = [_PAGE.rstrip(), f"{summary(claims)}.", "\n".join(lines), *sections]
    return "\n\n".join(parts)


def _section(claim: Claim) -> str:
    parts = [f"## {claim.id}: {claim.claim}"]
    if claim.command:
        parts.append(textwrap.indent(claim.command, "    "))
    for table in tables(claim.finding):
        if len(table.rows) > LONGEST_ON_PAGE:
            parts.append(
                f"{table.title}: {len(table.rows)} rows, which "
                f"`./launch.sh study claims --only={claim.id}` prints."
            )
        else:
            parts.append(f"```\n{table.text()}\n```")
    return "\n\n".join(parts)
