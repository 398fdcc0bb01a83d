"""What ran, on what, for how long, and with which config."""

from collections import Counter
from collections.abc import Iterable, Sequence

from resnets.reports.results import Run, Study
from resnets.reports.tables import Table, duration

_LISTED = 5
"""So many different values are listed; more are counted."""


def _counted(what: str, values: Iterable[str]) -> list[tuple[str, str, str]]:
    return [(what, text, str(count)) for text, count in Counter(values).most_common()]


def _overrides(run: Run) -> str:
    return ", ".join(f"{key}={value}" for key, value in run.overrides.items())


def _times(study: Study) -> list[float]:
    return [run.final.wall_s for run in study.runs if run.final and run.final.wall_s is not None]


def environment(study: Study) -> Table:
    """What the runs ran with: each distinct value with the number of runs that have it."""
    begun = [run.provenance for run in study.runs if run.provenance]
    times = _times(study)
    rows = [
        *_counted("machine", (p.machine for p in begun if p.machine)),
        *_counted("devices", (p.devices for p in begun)),
        *_counted("versions", (p.versions for p in begun)),
        *_counted("commit", (p.commit for p in begun)),
        *_counted("config", (run.config.partition(":")[0] for run in study.runs)),
        *_counted("overrides", (_overrides(run) for run in study.runs if run.overrides)),
        ("wall time, summed", duration(sum(times)), str(len(times))),
    ]
    return Table(("what", "value", "runs"), tuple(rows), frozenset({2}))


def _several(values: Sequence[str]) -> str:
    """All of a few values, the ends and the number of many."""
    if len(values) <= _LISTED:
        return ", ".join(values)
    return f"{values[0]} to {values[-1]} ({len(values)})"


def settings(study: Study) -> Table:
    """The resolved config of the runs that have begun: what they share, then what differs."""
    configs = [run.provenance.config for run in study.runs if run.provenance]
    keys = sorted({key for config in configs for key in config})
    found = {k: list(dict.fromkeys(c.get(k, "absent") for c in configs)) for k in keys}
    ordered = sorted(found.items(), key=lambda item: len(item[1]) > 1)
    return Table(("field", "value"), tuple((k, _several(v)) for k, v in ordered), frozenset())


def facts(study: Study) -> tuple[tuple[str, str], ...]:
    """A few figures about the study, each with its name."""
    begun = [run.provenance for run in study.runs if run.provenance]
    machines = list(dict.fromkeys(p.machine.partition(",")[0] or p.devices for p in begun))
    commits = list(dict.fromkeys(p.commit for p in begun))
    seeds = {run.seed for run in study.runs}
    times = _times(study)
    known = (
        ("runs done", f"{study.count('done')} of {len(study.runs)}"),
        ("depths, layers", _several([str(depth) for depth in study.depths])),
        ("arms", _several(study.arms)),
        ("seeds", str(len(seeds))),
        ("training time, summed", duration(sum(times)) if times else ""),
        ("machine", _several(machines)),
        ("commit", _several(commits)),
    )
    return tuple((name, text) for name, text in known if text)
