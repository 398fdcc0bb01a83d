"""What a study directory holds: its question, and every run of its manifest, done or not."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resnets.errors import UserError
from resnets.reports.files import Record, read_lines, read_object

Status = Literal["done", "failed", "partial", "queued"]
STATUSES: tuple[Status, ...] = ("done", "failed", "partial", "queued")
"""`partial` has begun and is neither done nor failed: running, or killed. Files cannot tell."""


@dataclass(frozen=True)
class Final:
    """A run's final numbers, on whole splits; None where the number was not finite.

    Attributes:
      train_loss: cross-entropy, nats.
      train_error_pct: percent.
      test_error_pct: percent.
      steps: optimizer steps taken.
      wall_s: seconds.
    """

    train_loss: float | None
    train_error_pct: float | None
    test_error_pct: float | None
    steps: int
    wall_s: float | None


@dataclass(frozen=True)
class Epoch:
    """The errors at the end of one epoch.

    Attributes:
      epoch: epochs finished, from 1.
      train_error_pct: percent, running mean over the epoch; None where missing or not finite.
      test_error_pct: percent, whole split; None where not evaluated or not finite.
    """

    epoch: int
    train_error_pct: float | None
    test_error_pct: float | None


@dataclass(frozen=True)
class Provenance:
    """Where a run's numbers come from.

    Attributes:
      versions: package versions, `jax 0.10.2, ...`.
      commit: of the code.
      devices: what it ran on.
    """

    versions: str
    commit: str
    devices: str


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


@dataclass(frozen=True)
class Study:
    """A study and its runs.

    Attributes:
      path: its directory.
      name: short name.
      question: what it asks.
      reading: how to read the answer.
      runs: in the order of the manifest.
    """

    path: Path
    name: str
    question: str
    reading: str
    runs: tuple[Run, ...]

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


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _not_finite(record: Record, keys: Iterable[str]) -> list[str]:
    return [k for k in keys if k in record.fields and _finite(record.number(k)) is None]


_ERRORS = ("train_error_pct", "test_error_pct")
_NUMBERS = ("train_loss", *_ERRORS)


def _final(file: Path) -> tuple[Final, list[str]]:
    record = read_object(file)
    loss, train, test, wall = (
        _finite(record.number(key))
        for key in ("train_loss", "train_error_pct", "test_error_pct", "wall_s")
    )
    notes = [f"final {key} is not finite" for key in _not_finite(record, _NUMBERS)]
    return Final(loss, train, test, record.integer("steps"), wall), notes


def _curve(file: Path) -> tuple[tuple[Epoch, ...], list[str]]:
    if not file.exists():
        return (), ["no metrics.jsonl, so no curve"]
    records, torn = read_lines(file, may_be_torn=True)
    # A resumed run may take an epoch again: the later record counts.
    epochs: dict[int, Epoch] = {}
    lost: dict[str, int] = {}
    for record in records:
        if record.fields.get("kind") != "epoch":
            continue
        epoch = record.integer("epoch")
        train, test = (
            _finite(record.number(key)) if key in record.fields else None for key in _ERRORS
        )
        epochs[epoch] = Epoch(epoch, train, test)
        for key in _not_finite(record, _NUMBERS):
            lost.setdefault(key, epoch)
    notes = [f"{key} is not finite at epoch {epoch}" for key, epoch in lost.items()]
    if torn:
        notes.append("the last line of metrics.jsonl is cut off and left out")
    return tuple(epochs[epoch] for epoch in sorted(epochs)), notes


def _provenance(file: Path) -> Provenance | None:
    if not file.exists():
        return None
    record = read_object(file)
    versions, devices = record.fields.get("versions"), record.fields.get("devices")
    return Provenance(
        versions=", ".join(f"{name} {version}" for name, version in versions.items())
        if isinstance(versions, dict)
        else "unknown",
        commit=str(record.fields.get("git_commit", "unknown")),
        devices=", ".join(map(str, devices)) if isinstance(devices, list) else "unknown",
    )


def _progress(directory: Path) -> dict[str, Any]:
    """Everything about a run that its directory tells and the manifest does not."""
    known: dict[str, Any] = {"status": "queued", "final": None, "curve": (), "provenance": None}
    if not directory.is_dir() or not any(directory.iterdir()):
        return known | {"notes": ()}
    known["provenance"] = _provenance(directory / "config.json")
    known["curve"], notes = _curve(directory / "metrics.jsonl")
    if (directory / "done.json").exists():
        known["status"] = "done"
        known["final"], final_notes = _final(directory / "done.json")
        notes = final_notes + notes
    elif (directory / "failed.json").exists():
        known["status"] = "failed"
        notes.insert(0, read_object(directory / "failed.json").text("reason"))
    else:
        known["status"] = "partial"
        last = known["curve"][-1].epoch if known["curve"] else 0
        notes.insert(0, f"{last} epoch{'s' * (last != 1)} finished")
    return known | {"notes": tuple(notes)}


def _run(row: Record, runs: Path) -> Run:
    run_id = row.text("id")
    if run_id in ("", ".", "..") or "/" in run_id or "\0" in run_id:
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
        **_progress(runs / run_id),
    )


def _manifest(file: Path, runs: Path) -> tuple[Run, ...]:
    rows, _ = read_lines(file, may_be_torn=False)
    seen: dict[object, str] = {}
    read = []
    for row in rows:
        run = _run(row, runs)
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
        runs=_manifest(path / "manifest.jsonl", path / "runs"),
    )
