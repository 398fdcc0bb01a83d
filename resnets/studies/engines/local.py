"""Every run in this process; runs of one architecture share its compilation.

Small networks leave most of a CPU idle, so several runs go on side by side, each in a thread.
"""

import collections
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax

from resnets.errors import RunError, UserError
from resnets.studies.grid import Row
from resnets.training.loop import train
from resnets.training.progress import Display


def default_parallel() -> int:
    """Two runs at once on a CPU of several cores, one on an accelerator."""
    return min(2, os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1


def run(rows: Sequence[Row], directory: Path, max_parallel: int) -> list[str]:
    """Run what is not done yet; a run that fails does not stop the others.

    Args:
      rows: the runs.
      directory: the study directory.
      max_parallel: how many runs at once.

    Returns:
      The reasons of the runs that failed.

    Raises:
      UserError: a config or a directory cannot be used.
    """
    failures: list[str] = []
    compiling: dict[tuple[str, int], threading.Lock] = collections.defaultdict(threading.Lock)
    compiled: set[tuple[str, int]] = set()
    stop = threading.Event()

    def attempt(number: int, row: Row, display: Display) -> None:
        label = f"[{number}/{len(rows)}] {row.id}"
        workdir = directory / "runs" / row.id
        if stop.is_set():
            return
        if (workdir / "done.json").exists():
            display.say(f"{label}: done already")
        try:
            train(row.load_config(), workdir, label, display, stop)
        except RunError as error:
            display.say(str(error))
            failures.append(str(error))
        except UserError:
            stop.set()
            raise

    def one(number: int, row: Row, display: Display) -> None:
        architecture = (row.arm, row.depth)
        if architecture not in compiled:
            with compiling[architecture]:  # the first run compiles for all
                attempt(number, row, display)
                compiled.add(architecture)
        else:
            attempt(number, row, display)

    with Display() as display, ThreadPoolExecutor(max_parallel) as pool:
        jobs = [pool.submit(one, number, row, display) for number, row in enumerate(rows, 1)]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            stop.set()
            raise
    return failures
