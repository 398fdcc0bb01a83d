"""`launch.sh train`: train one network."""

import argparse
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnets.cli import backend, memory, processes
from resnets.cli.parser import Parser
from resnets.errors import Preempted
from resnets.terminal import print_table
from resnets.training.processes import Team
from resnets.training.signals import Signals

_DESCRIPTION = """\
Train one network from a config file. A run that was interrupted goes on from its newest
checkpoint to the very numbers that it would have had; one that is done only prints them again."""

_EPILOG = """\
examples:
  launch.sh train --config=configs/digits.py:depth=56,shortcut=none --workdir=runs/plain56
  launch.sh train --config=configs/cifar.py:depth=56 --workdir=runs/cifar56 --config.seed=1
  launch.sh train --config=configs/digits.py --workdir=runs/adam \\
      --config.optimizer=adam --config.learning_rate=0.001 \\
      --config.schedule=step:every_epochs=10,factor=0.5
  srun --ntasks=4 launch.sh train --distributed --config=configs/cifar.py --workdir=runs/cifar
  launch.sh train --coordinator=10.0.0.1:29500 --processes=2 --process=0 --config=... --workdir=...

--config.FIELD=VALUE sets a field of the config; configs/common.py lists them. The arguments after
the colon belong to the config file: its docstring names them. The run directory gets config.json,
metrics.jsonl, tensorboard/, checkpoints/ and, when all is done, done.json.
SIGTERM or SIGINT (Ctrl-C) saves and ends within seconds, a second one ends at once; in either case
the same command goes on. One process at a time writes a run directory.
Several processes train one run on the devices of all: each is started with the same arguments (but
its own --process). The first alone uses the run directory. What ends one of them ends all: start
all again. With the same global batch the result is that of one process with as many devices.
exit status: 0 done, 1 the run failed, 2 bad arguments, 75 preempted by SIGTERM: start it again,
130 interrupted by SIGINT."""


def _parser() -> Parser:
    parser = Parser("train", _DESCRIPTION, _EPILOG)
    parser.add_argument("--config", required=True, help="FILE.py or FILE.py:key=value,...")
    parser.add_argument("--workdir", type=Path, required=True, help="run directory")
    processes.add_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    args, overrides = _parser().parse_with_overrides(argv)
    with Signals() as signals:
        backend.configure(args.workdir.parent)
        with backend.team(processes.place(args), "launch.sh train") as team:
            if team.count > 1:
                signals.leave = team.end
            try:
                result = _train(args, overrides, signals.stop, team)
            except Preempted as preempted:
                print(f"launch.sh train: {preempted}", file=sys.stderr)
                return signals.exit_code
            if team.first:
                _show(result)
    return 0


def _train(
    args: argparse.Namespace, overrides: Sequence[str], stop: threading.Event, team: Team
) -> dict[str, Any]:
    from resnets.training.config_file import load_config
    from resnets.training.loop import train
    from resnets.training.progress import Display

    config = load_config(args.config, overrides).to_dict()
    with Display() as display:
        shown = display if team.first else None
        name = args.workdir.name
        return train(config, args.workdir, name, shown, stop, team, memory.announce)


def _show(result: Mapping[str, Any]) -> None:
    rows = [(k, f"{v:.6g}" if isinstance(v, float) else str(v)) for k, v in result.items()]
    print_table([("number", "value"), *rows], ())
