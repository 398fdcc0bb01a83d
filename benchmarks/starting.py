"""From the command to the end of the first epoch, with an empty and with a filled program cache."""

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
TRAIN = ("./launch.sh", "train", "--config=configs/digits.py:depth=56", "--config.epochs=1")
POLL_S = 0.02


def help_seconds() -> float:
    """Time of `launch.sh --help`."""
    began = time.perf_counter()
    subprocess.run(["./launch.sh", "--help"], cwd=CHECKOUT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


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
    taken: dict[str, list[float]] = {"--help": [], "cold": [], "warm": []}
    for _ in range(ROUNDS):
        taken["--help"].append(help_seconds())
        with tempfile.TemporaryDirectory() as folder:  # programs are kept beside the runs
            for name in ("cold", "warm"):
                taken[name].append(first_epoch_seconds(Path(folder) / name))
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
