"""A study: arms times depths times seeds."""

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
from resnets.training.setup import prepare


@dataclasses.dataclass(frozen=True)
class Study:
    """What one file of `experiments/` declares.

    Attributes:
      name: of the study and of its default directory.
      question: what it asks, one sentence.
      reading: how to read the answer.
      config: the config file.
      arms: by name, the arguments that the config file gets beside the depth.
      depths: layers.
      seeds: how many seeds, from 0.
    """

    name: str
    question: str
    reading: str
    config: str
    arms: Mapping[str, Mapping[str, str]]
    depths: tuple[int, ...]
    seeds: int


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
    rows = []
    for seed, depth, arm in itertools.product(range(study.seeds), study.depths, study.arms):
        arguments = {"depth": str(depth), **study.arms[arm]}
        config = f"{study.config}:{','.join(f'{k}={v}' for k, v in arguments.items())}"
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


def check(rows: Sequence[Row]) -> None:
    """Prepare one run of every arm and depth, so that mistakes show before anything is written.

    Raises:
      UserError: a field is missing, read by nothing, or has a value out of range.
    """
    for row in {(row.arm, row.depth): row for row in rows}.values():
        prepare(row.load_config())
