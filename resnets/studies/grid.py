"""A study: arms times depths times seeds, as data."""

import dataclasses
import importlib.util
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from resnets.errors import UserError, suggest
from resnets.studies.row import Row
from resnets.training.config import config_hash
from resnets.training.config_file import CHECKOUT

Arm = Mapping[str, str | Mapping[int, str]]
"""Arguments of the config file, and fields `config.FIELD`; by depth where they depend on it."""
METRICS = ("train_error_pct", "test_error_pct")


@dataclasses.dataclass(frozen=True)
class Study:
    """What one file of `experiments/` declares.

    Attributes:
      name: of the study and of its default directory.
      question: what it asks, one sentence.
      reading: how to read the answer.
      config: the config file.
      arms: by name, the arguments that the config file gets beside the depth. An argument whose
        name begins with `config.` sets a field of the config. The last arm, or the one called
        `residual`, is what the others are compared with.
      depths: layers; where an arm chooses another depth or network for one, that of the reference.
      seeds: how many seeds, from 0.
      metrics: columns of results.csv that answer the question.
      minutes: what the grid took on two CPU cores; None if that has not been measured.
    """

    name: str
    question: str
    reading: str
    config: str
    arms: Mapping[str, Arm]
    depths: tuple[int, ...]
    seeds: int
    metrics: tuple[str, ...] = METRICS
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse metrics that no table has."""
        for metric in self.metrics:
            if metric not in METRICS:
                raise UserError(f"study {self.name}: metric {metric!r}; {suggest(metric, METRICS)}")

    @property
    def runs(self) -> int:
        """How many runs the grid has."""
        return len(self.arms) * len(self.depths) * self.seeds


def every_study() -> list[Study]:
    """The studies of `experiments/`, by name."""
    return [_load_study(file) for file in sorted((CHECKOUT / "experiments").glob("*.py"))]


def find_study(name: str) -> Study:
    """Load `experiments/NAME.py`.

    Raises:
      UserError: there is none; names the nearest.
    """
    folder = CHECKOUT / "experiments"
    names = sorted(path.stem for path in folder.glob("*.py"))
    if name not in names:
        raise UserError(f"unknown study {name!r}; {suggest(name, names)}")
    return _load_study(folder / f"{name}.py")


def _load_study(file: Path) -> Study:
    spec = importlib.util.spec_from_file_location(f"experiments.{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    study: Study = module.STUDY
    return study


def expand(study: Study, overrides: Sequence[str] = ()) -> list[Row]:
    """List the runs of a study, the first seed of every arm and depth first.

    Args:
      study: the grid.
      overrides: flags such as `--config.epochs=3` for every run.

    Raises:
      UserError: an empty grid, or a config that cannot be resolved.
    """
    if study.seeds < 1 or not study.depths or not study.arms:
        raise UserError(f"study {study.name}: needs at least one arm, one depth and one seed")
    given = dict(flag.removeprefix("--config.").split("=", 1) for flag in overrides if "=" in flag)
    if len(given) < len(overrides):
        raise UserError("an override must read --config.FIELD=VALUE, each field once")
    if "seed" in given:
        raise UserError("a study sets config.seed itself; choose how many with --seeds")
    _check_free(study, given)
    rows = []
    for seed, depth, arm in itertools.product(range(study.seeds), study.depths, study.arms):
        config = _spec(study, arm, depth)
        row = Row(
            id=f"{re.sub(r'[^A-Za-z0-9_]+', '_', arm)}-d{depth}-s{seed}",
            arm=arm,
            depth=depth,
            seed=seed,
            config=config,
            overrides={**given, "seed": str(seed)},
            config_hash="",
        )
        rows.append(dataclasses.replace(row, config_hash=config_hash(row.load_config())))
    return rows


def _check_free(study: Study, given: Mapping[str, str]) -> None:
    """Refuse overrides of what the arms differ in."""
    for arm, arguments in study.arms.items():
        for field in given:
            if f"config.{field}" in arguments:
                raise UserError(
                    f"study {study.name}: arm {arm!r} sets config.{field} itself; leave it out, or "
                    "choose other arms with --arms"
                )


def _spec(study: Study, arm: str, depth: int) -> str:
    """The config file of a run with all of its arguments."""
    file, _, common = study.config.partition(":")
    parts = [common] if common else []
    arguments: dict[str, str | Mapping[int, str]] = {"depth": str(depth), **study.arms[arm]}
    for name, value in arguments.items():
        if not isinstance(value, str):
            if depth not in value:
                known = ", ".join(map(str, sorted(value)))
                raise UserError(
                    f"study {study.name}: arm {arm!r} has no {name} for depth {depth}; "
                    f"choose --depths among {known}"
                )
            value = value[depth]
        parts.append(f"{name}={value}")
    return f"{file}:{','.join(parts)}"


def check(rows: Sequence[Row]) -> None:
    """Prepare one run of every arm and depth, so that mistakes show before anything is written.

    Raises:
      UserError: a field is missing, read by nothing, or has a value out of range.
    """
    from resnets.training.setup import prepare  # imports JAX, which a list of studies does not need

    for row in {(row.arm, row.depth): row for row in rows}.values():
        prepare(row.load_config())
