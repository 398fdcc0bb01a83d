"""Where claims keep what they run: studies at the claims' size, and measurements, below one folder.

A trial is a study of experiments/ with fewer arms, depths or epochs, run by the local engine in
`WORKDIR/TRIAL`. What is done is read; what is missing is run, or left alone if so asked.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.claims.circumstances import circumstances
from resnets.errors import RunError
from resnets.reports import results
from resnets.reports.files import read_object
from resnets.studies import grid, manifest
from resnets.studies.engines import Limits, local
from resnets.studies.row import Row
from resnets.training.durable import write_json

Json = Any
DIVERGED = "became non-finite"
"""What the reason of a run says that ended so."""


_SECONDS = "seconds.json"


class MissingError(Exception):
    """Something that a claim rests on has not been run; the message says what."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """A study at the claims' size.

    Attributes:
      name: of its folder.
      study: file in experiments/.
      arms: of the study; all if empty.
      depths: layers; the study's if empty.
      seeds: how many, from 0.
      overrides: config fields and their values, for every run.
    """

    name: str
    study: str
    arms: tuple[str, ...] = ()
    depths: tuple[int, ...] = ()
    seeds: int = 5
    overrides: tuple[str, ...] = ()

    def declared(self) -> grid.Study:
        """The study, cut to size."""
        study = grid.find_study(self.study)
        return dataclasses.replace(
            study,
            arms={arm: study.arms[arm] for arm in self.arms or study.arms},
            depths=self.depths or study.depths,
            seeds=self.seeds,
        )

    @property
    def command(self) -> str:
        """What runs it alone, in the folder that the claims read by default."""
        options = [
            *([f"--arms={','.join(self.arms)}"] if self.arms else []),
            *([f"--depths={','.join(map(str, self.depths))}"] if self.depths else []),
            f"--seeds={self.seeds}",
            *(f"--config.{field}" for field in self.overrides),
            f"--workdir=runs/claims/{self.name}",
        ]
        return f"./launch.sh study {self.study} {' '.join(options)}"

    def rows(self) -> list[Row]:
        """Its runs."""
        return grid.expand(self.declared(), [f"--config.{field}" for field in self.overrides])


@dataclasses.dataclass
class Ledger:
    """What was used, and what it took, in seconds.

    Attributes:
      spent: by trial or measurement, over all processes that worked on it.
      now: of these, in this process while the ledger was kept.
    """

    spent: dict[str, float] = dataclasses.field(default_factory=dict)
    now: float = 0.0


@dataclasses.dataclass(frozen=True)
class Workplace:
    """A folder of trials and measurements.

    Attributes:
      path: the folder.
      run: whether what is missing is run; it is missing otherwise.
      ledger: keeps the seconds of what is used.
    """

    path: Path
    run: bool = True
    ledger: Ledger = dataclasses.field(default_factory=Ledger, compare=False)

    def study(self, trial: Trial) -> results.Study:
        """The runs of a trial, all of them over: done, or ended by a loss that was not finite.

        Raises:
          MissingError: some are not, and are not to be run.
          RunError: a run failed; names it.
        """
        place = self.path / trial.name
        if not self.run and not (place / "manifest.jsonl").exists():
            raise MissingError(f"{trial.name} has not been run")
        rows = trial.rows()
        left = [row for row in rows if not _is_over(place / "runs" / row.id)]
        if self.run:
            if left:
                grid.check(rows)
            manifest.extend(place, trial.declared(), rows)
        held = {row.id: row.config_hash for row in manifest.read(place)}
        if any(held.get(row.id) != row.config_hash for row in rows):
            raise MissingError(f"{trial.name} has been run with another config")
        if left and not self.run:
            raise MissingError(f"{len(rows) - len(left)} of {len(rows)} runs of {trial.name} done")
        if left:
            before, began = _seconds(place), time.monotonic()
            try:
                _run(trial.name, left, place)
            finally:
                self._count(place, before, time.monotonic() - began)
        self.ledger.spent[trial.name] = _seconds(place)
        study, wanted = results.read_study(place), {row.id for row in rows}
        return dataclasses.replace(study, runs=tuple(r for r in study.runs if r.id in wanted))

    def _count(self, place: Path, before: float, seconds: float) -> None:
        """Add to what a trial has taken before."""
        self.ledger.now += seconds
        try:
            write_json(place / _SECONDS, {"seconds": before + seconds})
        except OSError as error:
            raise RunError(f"{place / _SECONDS}: {error.strerror}") from None

    def measured(self, name: str, measure: Callable[[], Json], of: Json) -> Json:
        """What was measured before under this name, else what `measure` gives, kept as JSON.

        What other code measured, or another machine, is measured anew.

        Args:
          name: of the measurement.
          measure: gives what JSON can hold.
          of: what is measured, and how; what is kept of anything else is measured anew.

        Raises:
          MissingError: it has not been measured, and is not to be.
          UserError: the file is damaged.
          RunError: the file cannot be written.
        """
        file = self.path / "measured" / f"{name}.json"
        key = json.loads(json.dumps({"of": of, **circumstances(measure)}))
        kept = read_object(file).fields if file.exists() else {}
        if kept.get("key") == key and {"found", "seconds"} <= set(kept):
            self.ledger.spent[name] = float(kept["seconds"])
            return kept["found"]
        if not self.run:
            raise MissingError(
                f"{name} has not been measured" + (" by this code on this machine" if kept else "")
            )
        print(f"{name}: measuring", file=sys.stderr)
        began = time.monotonic()
        found = measure()
        seconds = time.monotonic() - began
        self.ledger.spent[name] = seconds
        self.ledger.now += seconds
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"key": key, "seconds": seconds, "found": found})
        except OSError as error:
            raise RunError(f"{file}: {error.strerror}") from None
        return found


def _seconds(place: Path) -> float:
    """What a trial has taken; of runs that something else began, the time of their training."""
    file = place / _SECONDS
    if file.exists():
        return read_object(file).number("seconds") or 0.0
    if not (place / "manifest.jsonl").exists():
        return 0.0
    finals = (run.final for run in results.read_study(place).runs)
    return sum(final.wall_s or 0.0 for final in finals if final) / local.default_parallel()


def _is_over(run: Path) -> bool:
    """Whether a run is done, or has diverged: it would diverge again."""
    if (run / "done.json").exists():
        return True
    failed = run / "failed.json"
    return failed.exists() and DIVERGED in read_object(failed).text("reason")


def _run(name: str, rows: list[Row], place: Path) -> None:
    began = time.monotonic()
    print(f"{name}: {len(rows)} runs in {place}", file=sys.stderr)
    failures = local.run(rows, place, Limits(retries=1))
    if not all(_is_over(place / "runs" / row.id) for row in rows):
        raise RunError(f"{place}: {failures[0] if failures else 'a run is not done'}")
    print(f"{name}: done in {time.monotonic() - began:.0f} s", file=sys.stderr)
