"""From the command to the first step, and to the end of the first epoch, cold and warm.

Cold is an empty cache of compiled programs, warm the one that a run before has left.
"""

import collections
import importlib.metadata
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import rows
from benchmarks.contest import CHECKOUT

ROUNDS = 3
CONFIG = ("--config=configs/digits.py:depth=56", "--config.epochs=1")
TRAIN = ("./launch.sh", "train", *CONFIG)
POLL_S = 0.02


def help_seconds() -> float:
    """Time of `launch.sh --help`."""
    began = time.perf_counter()
    subprocess.run(["./launch.sh", "--help"], cwd=CHECKOUT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def first_step_seconds(run: Path) -> float:
    """Time until the training program has come back once, after a step or a few."""
    command = [sys.executable, "-m", "benchmarks.steps.first_step", str(run), *CONFIG]
    began = time.time()
    done = subprocess.run(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    return float(done.stdout.split()[-1]) - began


def first_epoch_seconds(run: Path) -> float:
    """Time until the first record of a new run, of its 19 steps: later than that of one step."""
    metrics = run / "metrics.jsonl"
    command = [*TRAIN, f"--workdir={run}"]
    nowhere = subprocess.DEVNULL
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=nowhere, stderr=nowhere) as process:
        while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
            time.sleep(POLL_S)
        taken = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(TRAIN)} ended with status {process.returncode}")
    return taken


def main() -> None:
    """Measure, print the table and write it."""
    goals = {"first step": first_step_seconds, "first epoch": first_epoch_seconds}
    taken: dict[str, list[float]] = collections.defaultdict(list)
    for _ in range(ROUNDS):
        taken["--help"].append(help_seconds())
        for goal, seconds in goals.items():
            with tempfile.TemporaryDirectory() as folder:  # programs are kept beside the runs
                for state in ("cold", "warm"):
                    taken[f"{goal}, {state}"].append(seconds(Path(folder) / state))
    found: list[dict[str, Any]] = [
        {
            "what": name,
            "seconds": statistics.median(times),
            "fastest_s": min(times),
            "n": ROUNDS,
            "versions": f"jax={importlib.metadata.version('jax')}",
        }
        for name, times in taken.items()
    ]
    print(rows.table(found))
    print(f"written to {rows.write('start', found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
