"""Size and compilation of a training step against depth, as a loop over blocks and unrolled."""

import json
import statistics
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

from benchmarks import rows
from benchmarks.contest import CHECKOUT, Contestant, take_turns

DEPTHS = (20, 56, 110, 1202)
UNROLLED = (20, 56, 110)
ROUNDS = 3
CASE = ("--size=32", "--batch=128")
COMPARED = 56  # layers, of the steps that run


def compiled(depth: int, *options: str) -> dict[str, Any]:
    """What one fresh process says of its compilation."""
    command = [sys.executable, "-m", "benchmarks.steps.compilation", *CASE, *options]
    command.append(f"--network=cifar_resnet{depth}")
    found = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    said: dict[str, Any] = json.loads(found.stdout)
    return said


def row(depth: int, *options: str) -> dict[str, Any]:
    """Medians over fresh processes."""
    found = [compiled(depth, *options) for _ in range(ROUNDS)]
    return {
        "depth": depth,
        "blocks": "unrolled" if options else "in a loop",
        "stablehlo_lines": found[0]["lines"],
        "trace_s": statistics.median(one["trace_s"] for one in found),
        "compile_s": statistics.median(one["compile_s"] for one in found),
        "temporary_mb": found[0]["temporary_bytes"] / 1e6,
        "n": ROUNDS,
        "versions": rows.versions(found[0]),
    }


def loop_against_row() -> float:
    """Time of a step with loops over that of the same step without, in one run."""
    case = (f"--network=cifar_resnet{COMPARED}", *CASE)
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(Contestant("ours", (*case, *options)))
            for name, options in {"loop": (), "row": ("--unrolled",)}.items()
        }
        found = take_turns(running, 2 * ROUNDS + 1, 1)
    return found["loop"].seconds / found["row"].seconds


def main() -> None:
    """Measure, print the table and write it."""
    found = []
    for depth in DEPTHS:
        print(f"{depth} layers", file=sys.stderr, flush=True)
        found.append(row(depth))
        if depth in UNROLLED:
            found.append(row(depth, "--unrolled"))
    print(rows.table(found))
    ratio = loop_against_row()
    print(f"\nat {COMPARED} layers a step with loops takes {ratio:.2f} of the time of one without")
    print(f"written to {rows.write('compile', found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
