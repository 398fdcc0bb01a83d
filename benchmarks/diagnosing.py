"""What diagnostics cost a run: the whole command with the default cadence and without, in turn."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import rows
from benchmarks.contest import CHECKOUT

DEPTHS = (8, 20, 56)
CADENCES = ("off", "doubling")
ROUNDS = 3

Times = dict[tuple[str, str], list[float]]
"""Seconds by cadence and state of the compiled programs: `new` or `kept`."""


def seconds(depth: int, cadence: str, directory: Path) -> float:
    """Time of one training command, from its start to its end."""
    command = [sys.executable, "-m", "resnets.cli", "train", f"--workdir={directory}"]
    command += [f"--config=configs/digits.py:depth={depth}", f"--config.diagnostics={cadence}"]
    began = time.perf_counter()
    subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def measure(depth: int, rounds: int = ROUNDS) -> Times:
    """Each cadence first where nothing is compiled yet, then again; who begins alternates."""
    found: Times = {(c, p): [] for c in CADENCES for p in ("new", "kept")}
    for number in range(rounds):
        for cadence in CADENCES if number % 2 == 0 else CADENCES[::-1]:
            with tempfile.TemporaryDirectory() as folder:  # programs are kept beside the runs
                for programs in ("new", "kept"):
                    taken = seconds(depth, cadence, Path(folder) / programs)
                    found[cadence, programs].append(taken)
    return found


def table(depth: int, times: Times) -> list[dict[str, Any]]:
    """Rows of a depth: medians, the range over the rounds, and what diagnoses add, percent."""
    made = []
    for programs in ("new", "kept"):
        off, on = (times[cadence, programs] for cadence in CADENCES)
        more = [100 * (b / a - 1) for a, b in zip(off, on, strict=True)]
        made.append(
            {
                "depth": depth,
                "programs": programs,
                "off_s": statistics.median(off),
                "on_s": statistics.median(on),
                "more_pct": statistics.median(more),
                "more_low_pct": min(more),
                "more_high_pct": max(more),
                "n": len(more),
            }
        )
    return made


def main() -> None:
    """Measure, print the table and write it."""
    found = []
    for depth in DEPTHS:
        print(f"depth {depth}", file=sys.stderr, flush=True)
        found += table(depth, measure(depth))
    print(rows.table(found))
    print(f"written to {rows.write('diagnostics', found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
