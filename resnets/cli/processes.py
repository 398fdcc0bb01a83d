"""The options that make several processes, on one machine or many, train one run."""

import argparse
import math
import os
import re
import warnings

from resnets.errors import UserError, reason
from resnets.training.links import Place

CONNECT_S = 300.0
_BY_HAND = ("coordinator", "processes", "process")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add them to the verb's parser."""
    group = parser.add_argument_group("several processes on one run")
    group.add_argument(
        "--distributed",
        action="store_true",
        help="be one of those that Slurm's srun, Kubernetes, a TPU pod or mpirun has started",
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 listens")
    group.add_argument("--processes", metavar="N", help="how many there are")
    group.add_argument("--process", metavar="I", help="which of them this is, from 0")
    group.add_argument(
        "--connect_timeout",
        metavar="S",
        help=f"seconds that the others may take to appear (default: {CONNECT_S:g})",
    )


def place(args: argparse.Namespace) -> Place | None:
    """Where this process stands among those of the run; None for a run of one process.

    Raises:
      UserError: options that do not go together or are out of range, or nothing to be found.
    """
    given = [name for name in _BY_HAND if getattr(args, name) is not None]
    if not given and not args.distributed:
        if args.connect_timeout is not None:
            raise UserError("--connect_timeout needs --distributed or --coordinator")
        return None
    timeout_s = _seconds(args.connect_timeout)
    if args.distributed:
        if given:
            raise UserError(
                f"--distributed finds out by itself what --{given[0]} says: leave one of them out"
            )
        return _found(timeout_s)
    missing = [f"--{name}" for name in _BY_HAND if name not in given]
    if missing:
        raise UserError(
            f"--{given[0]} needs {' and '.join(missing)} as well; all processes get the same "
            "--coordinator=HOST:PORT and --processes=N, and each its own --process=I"
        )
    count, index = _whole("processes", args.processes, 1), _whole("process", args.process, 0)
    if index >= count:
        raise UserError(f"--process={index} must be below --processes={count}; the first one is 0")
    _check_address(args.coordinator)
    return Place(args.coordinator, count, index, timeout_s) if count > 1 else None


def _check_address(address: str) -> None:
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):([0-9]{1,5})", address)
    if not match or not 0 < int(match[2]) < 65536:
        raise UserError(f"--coordinator={address} must read HOST:PORT, such as 10.0.0.1:29500")


def _whole(name: str, text: str, least: int) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        raise UserError(f"--{name}={text} is not a whole number from {least} on")
    return int(text)


def _seconds(text: str | None) -> float:
    try:
        seconds = CONNECT_S if text is None else float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UserError(f"--connect_timeout={text} is not a number of seconds above 0")
    return seconds


def _found(timeout_s: float) -> Place | None:
    """What the environment says, read as `jax.distributed.initialize()` reads it."""
    from jax._src.clusters import ClusterEnv

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            address, count, index, devices = ClusterEnv.auto_detect_unset_distributed_params(
                os.environ.get("JAX_COORDINATOR_ADDRESS"), None, None, None, None, int(timeout_s)
            )
        except (RuntimeError, OSError, ValueError, LookupError) as error:
            raise UserError(f"--distributed: {reason(error)}") from None
    if address is None or count is None or index is None:
        said = " ".join(str(warned[0].message).split()) if warned else ""
        raise UserError(
            "--distributed finds no Slurm step (start it with srun), Kubernetes job, TPU pod or "
            f"Open MPI; or give --coordinator, --processes and --process. {said}".rstrip()
        )
    _check_address(address)
    return Place(address, count, index, timeout_s, devices) if count > 1 else None
