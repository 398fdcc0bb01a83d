"""What a study directory holds: its question, and every run of its manifest, done or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resnets.errors import UserError
from resnets.reports.files import Record, read_lines, read_object
from resnets.reports.progress import STATUSES, Epoch, Final, Provenance, Status, progress

__all__ = ["STATUSES", "Epoch", "Final", "Provenance", "Run", "Status", "Study", "read_study"]

ERRORS = ("train_error_pct", "test_error_pct")
"""Columns of results.csv that a study may ask about."""


@dataclass(frozen=True)
class Run:
    """One row of the manifest, with what its directory holds.

    Attributes:
      id: name of its directory.
      arm: side of the comparison (`plain`, `residual`).
      depth: weight layers.
      seed: of initial values and data order.
      config: config file with arguments.
      overrides: config fields the study set on top, other than the seed.
      status: how far it came.
      final: final numbers of a done run.
      curve: errors by epoch, in order.
      notes: why it failed, and whatever else a reader should know.
      provenance: None until the run begins.
      attempt: how often it was begun.
    """

    id: str
    arm: str
    depth: int
    seed: int
    config: str
    overrides: Mapping[str, str]
    status: Status
    final: Final | None
    curve: tuple[Epoch, ...]
    notes: tuple[str, ...]
    provenance: Provenance | None
    attempt: int


@dataclass(frozen=True)
class Study:
    """A study and its runs.

    Attributes:
      path: its directory.
      name: short name.
      question: what it asks.
      reading: how to read the answer.
      runs: in the order of the manifest.
      config: the config file that was chosen; empty where the study does not say.
      metrics: errors that answer the question, as columns of results.csv.
    """

    path: Path
    name: str
    question: str
    reading: str
    runs: tuple[Run, ...]
    config: str = ""
    metrics: tuple[str, ...] = ERRORS

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms, in the order of the manifest."""
        return tuple(dict.fromkeys(run.arm for run in self.runs))

    @property
    def depths(self) -> tuple[int, ...]:
        """The depths, ascending."""
        return tuple(sorted({run.depth for run in self.runs}))

    def count(self, status: Status) -> int:
        """How many runs have that status."""
        return sum(run.status == status for run in self.runs)

    def select(self, arm: str, depth: int) -> tuple[Run, ...]:
        """The runs of one arm and depth, whatever their status."""
        return tuple(run for run in self.runs if (run.arm, run.depth) == (arm, depth))


def _run(row: Record, study: Path) -> Run:
    run_id = row.text("id")
    if run_id in ("", ".", "..") or "/" in run_id or "\0" in run_id or len(run_id.encode()) > 250:
        raise UserError(f"{row.where}: id={run_id!r} is not the name of a directory")
    overrides = row.fields.get("overrides", {})
    if not isinstance(overrides, dict):
        raise UserError(f"{row.where}: overrides={overrides!r} is not a JSON object")
    return Run(
        id=run_id,
        arm=row.text("arm"),
        depth=row.integer("depth"),
        seed=row.integer("seed"),
        config=row.text("config"),
        overrides={key: str(value) for key, value in overrides.items() if key != "seed"},
        **progress(study, run_id),
    )


def _manifest(file: Path, study: Path) -> tuple[Run, ...]:
    rows, _ = read_lines(file, may_be_torn=False)
    seen: dict[object, str] = {}
    read = []
    for row in rows:
        run = _run(row, study)
        for key, what in (
            (run.id, f"id={run.id!r}"),
            ((run.arm, run.depth, run.seed), f"{run.arm}, depth {run.depth}, seed {run.seed}"),
        ):
            if key in seen:
                raise UserError(f"{row.where}: {what} stands at {seen[key]} already")
            seen[key] = row.where
        read.append(run)
    return tuple(read)


def _no_study(path: Path, missing: str) -> UserError:
    if not path.is_dir():
        return UserError(f"{path} is not a directory; name a study's directory (runs/NAME)")
    if (path / "config.json").exists() or (path / "metrics.jsonl").exists():
        return UserError(
            f"{path} is one run, and a report needs a study (study.json, manifest.jsonl, runs/); "
            f"see its curves with ./launch.sh tensorboard {path}"
        )
    return UserError(
        f"{path} is no study: {missing} is missing; "
        "name a study's directory (runs/NAME), or start one with ./launch.sh study NAME"
    )


def read_study(path: Path) -> Study:
    """Read a study directory.

    Args:
      path: holds `study.json`, `manifest.jsonl` and `runs/ID/`.

    Raises:
      UserError: it is no study, or a file in it is malformed; names the file and the line.
    """
    for name in ("study.json", "manifest.jsonl"):
        if not (path / name).is_file():
            raise _no_study(path, name)
    about = read_object(path / "study.json")
    return Study(
        path=path,
        name=about.text("name"),
        question=about.text("question"),
        reading=about.text("reading"),
        runs=_manifest(path / "manifest.jsonl", path),
        config=about.text("config") if "config" in about.fields else "",
        metrics=_metrics(about),
    )


def _metrics(about: Record) -> tuple[str, ...]:
    metrics = about.fields.get("metrics", list(ERRORS))
    if not isinstance(metrics, list) or any(metric not in ERRORS for metric in metrics):
        raise UserError(f"{about.where}: metrics={metrics!r} are not among {', '.join(ERRORS)}")
    return tuple(metrics)
