"""The options of `launch.sh study` that say where and how its runs go."""

import argparse
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resnets.errors import UserError, suggest

if TYPE_CHECKING:
    from resnets.studies.row import Row

ENGINES = ("local", "ray", "slurm")
PREEMPTED = 75
"""Exit status: ended from outside before it was done; the same command goes on."""
_RETRIES = 2
_BELONGS = {
    "cpus": ("ray", "slurm"),
    "gpus": ("ray", "slurm"),
    "address": ("ray",),
    "dashboard": ("ray",),
    "sbatch": ("slurm",),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add them to the verb's parser."""
    parser.add_argument("--engine", default="local", help=f"{', '.join(ENGINES)} (default: local)")
    parser.add_argument(
        "--max_parallel",
        type=_positive,
        help="runs at once (default: local 2 on a CPU, else 1; others what their resources allow)",
    )
    parser.add_argument(
        "--retries",
        type=_natural,
        default=_RETRIES,
        help=f"new attempts at a run that crashed or lost its machine (default: {_RETRIES})",
    )
    parser.add_argument("--timeout", type=_seconds, help="seconds that an attempt may take")
    parser.add_argument("--cpus", type=_positive, help="ray, slurm: cores of a run (default: 1)")
    parser.add_argument("--gpus", type=_natural, help="ray, slurm: GPUs of a run (default: 0)")
    parser.add_argument("--address", help="ray: HOST:PORT of a cluster (default: one on here)")
    parser.add_argument(
        "--dashboard", action="store_true", default=None, help="ray: its page, on 127.0.0.1"
    )
    parser.add_argument(
        "--sbatch",
        action="append",
        metavar="OPTION",
        help="slurm: one more option for sbatch, as in --sbatch=--partition=gpu; may be repeated",
    )


def check(args: argparse.Namespace) -> None:
    """Refuse what does not fit the engine, before anything is written.

    Raises:
      UserError: an unknown engine, one that is not installed, or an option of another one.
    """
    if args.engine not in ENGINES:
        raise UserError(f"unknown --engine={args.engine}; {suggest(args.engine, ENGINES)}")
    for option, engines in _BELONGS.items():
        if getattr(args, option) is not None and args.engine not in engines:
            raise UserError(f"--{option} needs --engine={' or '.join(engines)}")
    if args.engine == "ray":
        from resnets.studies.engines import ray

        ray.load()
    elif args.engine == "slurm":
        from resnets.studies.engines import slurm

        slurm.check()


def run(args: argparse.Namespace, rows: Sequence["Row"], directory: Path) -> list[str]:
    """Run the rows; return the reasons of those that failed.

    Raises:
      RunError: the engine cannot go on.
    """
    from resnets.studies.engines import Limits, Resources

    limits = Limits(args.max_parallel, args.retries, args.timeout)
    resources = Resources(args.cpus or 1, args.gpus or 0)
    if args.engine == "ray":
        from resnets.studies.engines import ray

        return ray.run(rows, directory, limits, resources, args.address, bool(args.dashboard))
    if args.engine == "slurm":
        from resnets.studies.engines import slurm

        return slurm.run(rows, directory, limits, resources, args.sbatch or ())
    from resnets.studies.engines import local

    return local.run(rows, directory, limits)


@contextlib.contextmanager
def terminable() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM end what is inside as Ctrl-C does; gives what tells whether it did."""
    received: list[int] = []

    def receive(number: int, _: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        received.append(number)
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, receive)
    try:
        yield lambda: bool(received)
    except KeyboardInterrupt:
        if not received:
            raise
    finally:
        signal.signal(signal.SIGTERM, former)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds
