"""Size and compilation of the training program against depth, in loops over blocks and unrolled."""

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


def compiled(*options: str) -> dict[str, Any]:
    """What one fresh process says of its compilation."""
    command = [sys.executable, "-m", "benchmarks.steps.compilation", *options]
    found = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    said: dict[str, Any] = json.loads(found.stdout)
    return said


def row(depth: int, *options: str) -> dict[str, Any]:
    """Medians over fresh processes."""
    network = f"--network=cifar_resnet{depth}"
    found = [compiled(network, *CASE, *options) for _ in range(ROUNDS)]
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


def in_loops() -> list[dict[str, Any]]:
    """A step with loops and the same step without, in turn."""
    case = (f"--network=cifar_resnet{COMPARED}", *CASE)
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(Contestant("ours", (*case, *options)))
            for name, options in {"loop": (), "row": ("--unrolled",)}.items()
        }
        found = take_turns(running, 2 * ROUNDS + 1, 1)
    return [
        {
            "depth": COMPARED,
            "blocks": "in a loop" if name == "loop" else "unrolled",
            "step_ms": 1e3 * timing.seconds,
            "of_unrolled": timing.seconds / found["row"].seconds,
            "n": timing.rounds,
            "versions": rows.versions(running[name].facts),
        }
        for name, timing in found.items()
    ]


def main() -> None:
    """Measure, print the table and write it."""
    found = []
    for depth in DEPTHS:
        print(f"{depth} layers", file=sys.stderr, flush=True)
        found.append(row(depth))
        if depth in UNROLLED:
            found.append(row(depth, "--unrolled"))
    print(rows.table(found))
    loops = in_loops()
    print(f"\n{rows.table(loops)}")
    print(f"written to {rows.write('compile', found)}", file=sys.stderr)
    print(f"written to {rows.write('loops', loops)}", file=sys.stderr)


if __name__ == "__main__":
    main()
