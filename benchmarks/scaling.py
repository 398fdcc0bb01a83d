"""How a training step scales: with depth, with the batch, and with devices of one machine."""

import os
import sys
from contextlib import ExitStack
from typing import Any

from benchmarks import rows
from benchmarks.contest import Contestant, take_turns

DEPTHS = (8, 20, 32, 44, 56, 110)
BATCHES = (16, 32, 64, 128, 256)
ROUNDS, SECONDS = 5, 0.5  # of each in a round, about
SIZE = ("--size=32", "--channels=3")


def step(depth: int = 20, batch: int = 128, devices: int = 0) -> tuple[str, ...]:
    """Options of one contestant."""
    chosen = (f"--network=cifar_resnet{depth}", f"--batch={batch}", *SIZE)
    return (*chosen, f"--devices={devices}") if devices else chosen


def measure(axis: str, cases: dict[int, tuple[str, ...]], batches: dict[int, int]) -> list[Any]:
    """A row for each place on an axis, its contestants in turn."""
    print(axis, file=sys.stderr, flush=True)
    with ExitStack() as stack:
        running = {str(at): stack.enter_context(Contestant("ours", o)) for at, o in cases.items()}
        slowest = max(one.seconds(1) for one in running.values())
        found = take_turns(running, ROUNDS, max(1, round(SECONDS / slowest)))
        return [
            {
                "axis": axis,
                "at": int(at),
                "step_ms": 1e3 * timing.seconds,
                "images_per_s": batches[int(at)] / timing.seconds,
                "n": timing.rounds,
                "versions": rows.versions(running[at].facts),
            }
            for at, timing in found.items()
        ]


def main() -> None:
    """Measure, print the table and write it."""
    cores = len(os.sched_getaffinity(0))
    counts = [count for count in (1, 2, 4, 8, 16) if count <= cores]
    found = [
        *measure("depth", {d: step(depth=d) for d in DEPTHS}, dict.fromkeys(DEPTHS, 128)),
        *measure("batch", {b: step(batch=b) for b in BATCHES}, {b: b for b in BATCHES}),
        *measure("devices", {n: step(devices=n) for n in counts}, dict.fromkeys(counts, 128)),
    ]
    print(rows.table(found))
    print(f"written to {rows.write('scaling', found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
