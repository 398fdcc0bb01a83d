"""The report's tables as plain text: terminal, Markdown and page all print these."""

from collections.abc import Sequence
from dataclasses import dataclass

from resnets.reports.comparison import cells, differences
from resnets.reports.results import ERRORS, Run, Study
from resnets.reports.statistics import Paired, Sample, holm


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
      headings: with units.
      rows: as many entries as headings.
      numeric: which columns align right.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int]


def fixed(value: float | None, digits: int = 2) -> str:
    """A number with that many decimals; a dash where there is none.

    >>> fixed(-0.001), fixed(None)
    ('0.00', '-')
    """
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _spread(sample: Sample | None) -> str:
    """`49.80 ± 1.20 (3)`."""
    if sample is None:
        return "-"
    spread = "" if sample.std is None else f" ± {fixed(sample.std)}"
    return f"{fixed(sample.mean)}{spread} ({sample.n})"


def _interval(pair: Paired | None) -> str:
    """`49.72 [45.10, 54.34]`."""
    if pair is None:
        return "-"
    if pair.low is None:
        return f"{fixed(pair.mean)} [unknown]"
    return f"{fixed(pair.mean)} [{fixed(pair.low)}, {fixed(pair.high)}]"


def _pairs(train: Paired | None, test: Paired | None) -> str:
    counts = dict.fromkeys(pair.n if pair else 0 for pair in (train, test))
    return " / ".join(map(str, counts))


def final_errors(study: Study) -> Table:
    """Final errors by depth and arm: mean ± standard deviation (n seeds)."""
    rows = tuple(
        (str(cell.depth), cell.arm, _spread(cell.train), _spread(cell.test))
        for cell in cells(study)
    )
    headings = ("depth", "arm", "train error, % (n)", "test error, % (n)")
    return Table(headings, rows, frozenset({0, 2, 3}))


def paired_differences(study: Study) -> Table:
    """Differences by depth: mean [95 % interval], percentage points, over shared seeds."""
    rows = tuple(
        (
            str(d.depth),
            f"{d.arm} - {d.reference}",
            _interval(d.train),
            _interval(d.test),
            _pairs(d.train, d.test),
        )
        for d in differences(study)
    )
    headings = ("depth", "difference", "train error, points", "test error, points", "pairs")
    return Table(headings, rows, frozenset({0, 2, 3, 4}))


EVIDENCE = (
    "Effect: Hedges' g of the paired differences, their mean in their standard deviations (Lakens "
    "2013, Hedges 1981), from three pairs on. p: two-sided paired t-test, corrected by Holm's "
    "method for all comparisons of its column."
)
"""How to read the table of effect sizes."""


def evidence(study: Study) -> Table:
    """Effect size and corrected p-value of each difference, for the errors the study asks about."""
    found = differences(study)
    columns: list[list[str]] = []
    headings = ["depth", "difference"]
    for metric, name in zip(ERRORS, ("train", "test"), strict=True):
        if metric in study.metrics:
            headings += [f"{name} effect, std", f"{name} p, Holm"]
            columns += _evidence([d.train if name == "train" else d.test for d in found])
    rows = tuple(
        (str(d.depth), f"{d.arm} - {d.reference}", *(column[index] for column in columns))
        for index, d in enumerate(found)
    )
    return Table(tuple(headings), rows, frozenset({0, *range(2, len(headings))}))


def _evidence(pairs: Sequence[Paired | None]) -> list[list[str]]:
    """A column of effects and one of corrected p-values."""
    known = {i: p.p_value for i, p in enumerate(pairs) if p and p.p_value is not None}
    adjusted = dict(zip(known, holm([p for p in known.values() if p is not None]), strict=True))
    effects = [fixed(pair.effect if pair else None) for pair in pairs]
    return [effects, [_p_value(adjusted.get(index)) for index in range(len(pairs))]]


def _p_value(p: float | None) -> str:
    return "<0.001" if p is not None and p < 0.001 else fixed(p, 3)


def unfinished(study: Study) -> Table:
    """The runs that are not done, and why as far as known."""
    rows = tuple(
        (run.id, run.status, "; ".join(run.notes) or "not begun")
        for run in study.runs
        if run.status != "done"
    )
    return Table(("run", "status", "why"), rows, frozenset())


def _run_row(run: Run) -> tuple[str, ...]:
    final = run.final
    numbers = (
        (fixed(final.train_error_pct), fixed(final.test_error_pct), str(final.steps))
        if final
        else ("-", "-", "-")
    )
    wall = fixed(final.wall_s if final else None, 1)
    return run.id, run.status, *numbers, wall, run.config, "; ".join(run.notes)


def all_runs(study: Study) -> Table:
    """Every run of the manifest."""
    headings = (
        "run",
        "status",
        "train error, %",
        "test error, %",
        "steps",
        "wall time, s",
        "config",
        "notes",
    )
    return Table(headings, tuple(map(_run_row, study.runs)), frozenset({2, 3, 4, 5}))


def duration(seconds: float) -> str:
    """A time in the units a person would say it in.

    >>> duration(34.21), duration(4000)
    ('34.2 s', '1 h 6 min 40 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours} h " if hours else "") + f"{minutes} min {rest} s"
