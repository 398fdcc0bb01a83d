"""Points of the complexity chart from our own runs: what they reached, what they cost."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnets.errors import UserError

if TYPE_CHECKING:
    from resnets.analysis.complexity import Point


def points(folders: tuple[Path, ...]) -> "list[Point]":
    """A point for each network and data set among the finished runs of studies and run directories.

    Accuracy is that of the final epoch on the whole test split: its mean over the seeds, with the
    95 % t-interval.

    Raises:
      UserError: a folder is no run and no study, or none of its runs is finished.
    """
    gathered: dict[str, list[tuple[dict[str, Any], float]]] = {}
    unfinished = 0
    for folder in folders:
        for run in _runs(folder):
            done = run / "done.json"
            if not done.is_file():
                unfinished += 1
                continue
            config = _read(run / "config.json")["config"]
            error = _read(done).get("test_error_pct")
            if error is None:
                raise UserError(f"{done}: 'test_error_pct' is missing")
            key = json.dumps([config["data"]["name"], config["model"]], sort_keys=True)
            gathered.setdefault(key, []).append((config, float(error)))
    if not gathered:
        raise UserError(f"no finished run in {', '.join(map(str, folders))}")
    if unfinished:
        print(f"left out, because they are not finished: {unfinished} of the runs", file=sys.stderr)
    return _named([_point(runs) for runs in gathered.values()])


def _runs(folder: Path) -> list[Path]:
    if (folder / "study.json").is_file():
        return sorted(
            path for path in (folder / "runs").iterdir() if path.is_dir() and path.name[0] != "."
        )
    if (folder / "config.json").is_file():
        return [folder]
    raise UserError(f"{folder} is neither a study (study.json) nor a run (config.json)")


def _read(file: Path) -> dict[str, Any]:
    from resnets.reports.files import read_object

    return dict(read_object(file).fields)


def _point(runs: list[tuple[dict[str, Any], float]]) -> "tuple[Point, dict[str, Any]]":
    """The point of runs that differ in their seeds alone, and the fields of their network."""
    from resnets import data, models
    from resnets.analysis.complexity import Point, count, group
    from resnets.reports.statistics import interval, sample

    config = runs[0][0]
    fields = dict(config["model"])
    name = fields.pop("name")
    shape, classes = data.describe(config["data"])
    macs, parameters = count(models.create(name, classes, **fields), shape)
    found = sample([100.0 - error for _, error in runs])
    assert found is not None
    low, high = interval(found)
    count_of = f"{found.n} seed{'s' * (found.n > 1)}"
    data_set = config["data"]["name"].partition(":")[0]
    own = Point(
        name,
        group(name),
        data_set,
        shape,
        macs,
        parameters,
        found.mean,
        None if low is None else max(0.0, low),
        None if high is None else min(100.0, high),
        n=count_of,
        source="our runs",
    )
    return own, fields


def _named(found: "list[tuple[Point, dict[str, Any]]]") -> "list[Point]":
    """Names that tell the points apart: what differs among networks of one name is added."""
    import dataclasses

    named = []
    for point, fields in found:
        twins = [f for p, f in found if (p.network, p.data_set) == (point.network, point.data_set)]
        differing = [k for k in fields if any(f.get(k) != fields[k] for f in twins)]
        extra = ",".join(f"{key}={fields[key]}" for key in differing)
        name = f"{point.network}:{extra}" if extra else point.network
        named.append(dataclasses.replace(point, network=name))
    return named
