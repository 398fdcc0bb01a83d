"""How far one run came: what its directory holds, and what its attempts say."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resnets.errors import UserError
from resnets.reports.attempts import LastAttempt, last_attempt, run_directory
from resnets.reports.files import Record, read_lines, read_object

Status = Literal["done", "failed", "running", "partial", "queued"]
STATUSES: tuple[Status, ...] = ("done", "failed", "running", "partial", "queued")
"""`partial` has begun and stands still: interrupted, preempted or lost."""


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
class Diagnosis:
    """What a run says of its layers (docs/diagnostics.md).

    Attributes:
      epoch: epochs finished, from 1.
      layers: by quantity, a number a layer in the order of the network; None: it was not finite.
    """

    epoch: int
    layers: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Provenance:
    """Where a run's numbers come from.

    Attributes:
      versions: package versions, `jax 0.10.2, ...`.
      commit: of the code.
      devices: what it ran on.
      machine: processor, cores and system; empty where the run did not say.
      config: the resolved config, flat, its values as JSON.
    """

    versions: str
    commit: str
    devices: str
    machine: str
    config: Mapping[str, str]


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


def _diagnosis(record: Record) -> Diagnosis:
    layers: dict[str, dict[str, float | None]] = {}
    for quantity, values in record.fields.items():
        if isinstance(values, dict):
            own = Record(values, record.where)
            layers[quantity] = {layer: _finite(own.number(layer)) for layer in values}
    return Diagnosis(record.integer("epoch"), layers)


def _metrics(file: Path) -> tuple[tuple[Epoch, ...], Diagnosis | None, list[str]]:
    """Errors by epoch, the last diagnosis, and what a reader should know about the file."""
    if not file.exists():
        return (), None, ["no metrics.jsonl, so no curve"]
    records, torn = read_lines(file, may_be_torn=True)
    diagnosed = [record for record in records if record.fields.get("kind") == "diagnostics"]
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
    last = _diagnosis(diagnosed[-1]) if diagnosed else None
    return tuple(epochs[epoch] for epoch in sorted(epochs)), last, notes


def _provenance(file: Path) -> Provenance | None:
    if not file.exists():
        return None
    record = read_object(file)
    versions, devices = record.fields.get("versions"), record.fields.get("devices")
    machine, config = record.fields.get("machine"), record.fields.get("config")
    return Provenance(
        versions=", ".join(f"{name} {version}" for name, version in versions.items())
        if isinstance(versions, dict)
        else "unknown",
        commit=str(record.fields.get("git_commit", "unknown")),
        devices=", ".join(map(str, devices)) if isinstance(devices, list) else "unknown",
        machine=_machine(machine) if isinstance(machine, dict) else "",
        config=dict(_flat(config)) if isinstance(config, dict) else {},
    )


def _machine(fields: Mapping[str, Any]) -> str:
    return (
        f"{fields.get('processor', 'unknown processor')}, {fields.get('cores', '?')} cores, "
        f"{fields.get('system', 'unknown system')}"
    )


def _flat(config: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, json.dumps(value, ensure_ascii=False)


def progress(study: Path, run_id: str) -> dict[str, Any]:
    """Everything about a run that the manifest does not tell, by the names of `Run`'s attributes.

    Raises:
      UserError: a file is malformed.
    """
    while True:
        directory = run_directory(study, run_id)
        try:
            return _read(directory, last_attempt(study, run_id))
        except UserError:  # an attempt may take the directory over while it is read
            if directory == run_directory(study, run_id):
                raise


def _read(directory: Path, attempt: LastAttempt | None) -> dict[str, Any]:
    known: dict[str, Any] = {"status": "queued", "final": None, "curve": (), "provenance": None}
    known["diagnosis"] = None
    known["attempt"] = attempt.number if attempt else 0
    begun = directory.is_dir() and any(directory.iterdir())
    if not begun and attempt is None:
        return known | {"notes": ()}
    notes: list[str] = []
    if begun:
        known["provenance"] = _provenance(directory / "config.json")
        known["curve"], known["diagnosis"], notes = _metrics(directory / "metrics.jsonl")
    if (directory / "done.json").exists():
        known["status"] = "done"
        known["final"], final_notes = _final(directory / "done.json")
        notes = final_notes + notes
    elif attempt and attempt.outcome in ("running", "failed"):
        known["status"] = attempt.outcome
        notes = [attempt.reason, *notes] if attempt.reason else notes
    elif (directory / "failed.json").exists():
        known["status"] = "failed"
        notes.insert(0, read_object(directory / "failed.json").text("reason"))
    else:
        known["status"] = "partial"
        last = known["curve"][-1].epoch if known["curve"] else 0
        notes.insert(0, f"{last} epoch{'s' * (last != 1)} finished")
        notes += [attempt.reason] if attempt and attempt.reason else []
    return known | {"notes": tuple(notes)}
