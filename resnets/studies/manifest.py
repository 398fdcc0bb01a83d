"""The manifest: the rows of a study that were ever asked for, one a line."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resnets.errors import RunError, UserError, suggest
from resnets.studies.row import Row, parse
from resnets.training.durable import write_json

if TYPE_CHECKING:  # importing it imports JAX, which who only watches over runs does not need
    from resnets.studies.grid import Study


def read(directory: Path) -> list[Row]:
    """Read the manifest of a study directory; empty without one.

    Raises:
      UserError: a line is damaged, or two are of the same run; names the line.
    """
    file = directory / "manifest.jsonl"
    if not file.exists():
        return []
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} is not UTF-8 text") from None
    rows: dict[str, Row] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = parse(line, f"{file}, line {number}")
            if row.id in rows:
                raise UserError(f"{file}, line {number}: a second row of {row.id}")
            rows[row.id] = row
    return list(rows.values())


def find(directory: Path, run: str) -> Row:
    """Read one row.

    Raises:
      UserError: the manifest is damaged or has no such row; names the nearest.
    """
    rows = {row.id: row for row in read(directory)}
    if run not in rows:
        raise UserError(f"{directory / 'manifest.jsonl'} has no run {run!r}; {suggest(run, rows)}")
    return rows[run]


def extend(directory: Path, study: "Study", rows: Sequence[Row]) -> None:
    """Add rows to the manifest, keeping those that are there.

    Raises:
      UserError: the directory is another study's, or a run of it has another config.
      RunError: the directory cannot be written.
    """
    existing = {row.id: row for row in read(directory)}
    for row in rows:
        held = existing.get(row.id)
        if held and held.config_hash != row.config_hash:
            raise UserError(
                f"{directory} holds {row.id} with another config ({_difference(held, row)}); "
                "choose another --workdir or the same overrides"
            )
    merged = existing | {row.id: row for row in rows}
    lines = [json.dumps(dataclasses.asdict(row)) + "\n" for row in merged.values()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        strangers = [entry.name for entry in directory.iterdir()] if not existing else []
        if strangers:
            raise UserError(
                f"{directory} is not empty and holds no study ({strangers[0]}, ...); "
                "choose another --workdir"
            )
        temporary = directory / ".manifest.jsonl"
        temporary.write_text("".join(lines))
        temporary.replace(directory / "manifest.jsonl")
        about = {
            "name": study.name,
            "question": study.question,
            "reading": study.reading,
            "config": study.config,
            "metrics": study.metrics,
        }
        write_json(directory / "study.json", about)
    except OSError as error:
        raise RunError(
            f"{directory} cannot be written: {error.strerror}; choose another --workdir"
        ) from None


def _difference(held: Row, wanted: Row) -> str:
    keys = sorted(held.overrides.keys() | wanted.overrides.keys())
    differing = [
        f"{key}: {held.overrides.get(key, 'default')} there, "
        f"{wanted.overrides.get(key, 'default')} here"
        for key in keys
        if held.overrides.get(key) != wanted.overrides.get(key)
    ]
    if held.config != wanted.config:
        differing.append(f"{held.config} there, {wanted.config} here")
    return "; ".join(differing) or "the config file has changed"
