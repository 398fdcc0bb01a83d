"""The commands that stand beside the claims can be typed, and do what the claims did."""

import dataclasses
import shlex

import pytest

from experiments.claims import blocks, depth, registry, shapes
from resnets.cli import study, train
from resnets.studies import grid
from resnets.training import schedules
from resnets.training.config_file import load_config

ROWS = [*registry.CLAIMS.values(), *registry.BEHAVIOURS.values()]
COMMANDS = sorted({line for row in ROWS for line in row.command.splitlines()})
TRIALS = (
    depth.DEGRADATION,
    blocks.SPAN,
    blocks.SCALE,
    blocks.PREACTIVATION,
    shapes.DROPOUT,
    shapes.WIDTH,
    shapes.DENSE,
)


def test_every_claim_has_a_command_that_shows_it():
    assert [row.id for row in ROWS if not row.command] == []
    assert [line for line in COMMANDS if not line.startswith("./launch.sh ")] == []


@pytest.mark.parametrize("line", [line for line in COMMANDS if " train " in line])
def test_a_training_command_is_understood(line):
    args, overrides = train._parser().parse_with_overrides(shlex.split(line)[2:])
    config = load_config(args.config, overrides)
    schedule = schedules.build(config.schedule, config.learning_rate, 100 * config.epochs, 100)
    assert 0 < schedule.rates(0, 1)[0] <= config.learning_rate


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_the_command_of_a_trial_gives_its_runs(trial):
    args, overrides = study._parser().parse_with_overrides(shlex.split(trial.command)[2:])
    whole = grid.find_study(args.name)
    asked = dataclasses.replace(
        whole,
        arms={arm: whole.arms[arm] for arm in args.arms or whole.arms},
        depths=args.depths or whole.depths,
        seeds=args.seeds,
    )
    assert grid.expand(asked, overrides) == trial.rows()
    assert trial.command in COMMANDS
