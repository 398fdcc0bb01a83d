"""Looking into the trained networks of C04: what claims about their inside share."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.claims import seeds
from experiments.claims.depth import DEEP, SHALLOW
from experiments.claims.workplace import Json, Workplace
from resnets.errors import RunError
from resnets.probes import trained
from resnets.probes.trained import Trained
from resnets.reports.results import Study

LOOKED_AT = (("plain", SHALLOW), ("residual", SHALLOW), ("residual", DEEP))
"""The networks of which C04 says that they learn; the deep plain one is not among them."""

Found = Mapping[str, Any]
"""What was found in one run."""


def each_run(
    workplace: Workplace, name: str, study: Study, look: Callable[[Trained], Json]
) -> dict[seeds.Group, list[Json]]:
    """What `look` finds in every run of `LOOKED_AT`, by group, in the order of the seeds.

    A run that diverged has left no weights; its seed is left out of all groups, which are compared
    seed by seed.

    Raises:
      RunError: that leaves no seed.
    """
    runs = {group: {run.seed: run for run in study.select(*group)} for group in LOOKED_AT}
    everywhere = sorted(set.intersection(*(set(by_seed) for by_seed in runs.values())))
    whole = [seed for seed in everywhere if all(runs[group][seed].final for group in LOOKED_AT)]
    if not whole:
        raise RunError(f"{name}: a run of each seed of {study.path} has diverged")
    places = {
        run.id: study.path / "runs" / run.id
        for by_seed in runs.values()
        for seed in whole
        for run in [by_seed[seed]]
    }
    weights = {
        run: json.loads((place / "done.json").read_text())["parameters_sha256"]
        for run, place in places.items()
    }

    def measure() -> Json:
        return {run: look(trained.restore(place)) for run, place in places.items()}

    # the module of `look` is the code that a measurement depends on
    measure.__module__ = look.__module__
    found = workplace.measured(name, measure, weights)
    return {group: [found[runs[group][seed].id] for seed in whole] for group in LOOKED_AT}


def by_block(
    found: Mapping[seeds.Group, Sequence[Found]], read: Callable[[Found], Mapping[str, float]]
) -> list[tuple[str, float, float]]:
    """Points of a chart: the network, a block's share of their number, its mean over the seeds.

    Args:
      found: of each run, by group.
      read: the number of each block of a run.
    """
    return [
        (
            f"{arm} {depth}",
            place / len(read(runs[0])),
            statistics.fmean(read(r)[block] for r in runs),
        )
        for (arm, depth), runs in found.items()
        for place, block in enumerate(read(runs[0]), 1)
    ]
