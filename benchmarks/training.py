"""One training step: this project, Flax as its examples are written, and PyTorch, in turn."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks import rows
from benchmarks.contest import Contestant, take_turns
from resnets.cli import parity

CIFAR = ("--size=32", "--channels=3", "--batch=128")
DIGITS = ("--size=8", "--channels=1", "--batch=64")
CASES = {
    "ResNet-20, CIFAR": ("--network=cifar_resnet20", *CIFAR),
    "ResNet-56, CIFAR": ("--network=cifar_resnet56", *CIFAR),
    "ResNet-20, digits": ("--network=cifar_resnet20", *DIGITS),
    "ResNet-56, digits": ("--network=cifar_resnet56", *DIGITS),
}
CONTESTANTS = {
    "ours": ("ours", ()),
    "plain Flax": ("plain_flax", ()),
    "plain Flax, our flags": ("plain_flax", ("--our_flags",)),
    "PyTorch": ("pytorch", ()),
    "PyTorch, compiled": ("pytorch", ("--compile",)),
}
"""Module and options of each; PyTorch's are channels last."""
ROUNDS, SECONDS = 7, 1.0  # of each contestant in a round, about


def measure(python: str, case: Sequence[str]) -> list[dict[str, Any]]:
    """A row a contestant."""
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(
                Contestant(
                    module, (*case, *options), python if module == "pytorch" else sys.executable
                )
            )
            for name, (module, options) in CONTESTANTS.items()
        }
        steps = max(1, round(SECONDS / running["PyTorch"].seconds(1)))
        found = take_turns(running, ROUNDS, steps)
        return [
            {
                "contestant": name,
                "step_ms": 1e3 * timing.seconds,
                "fastest_ms": 1e3 * timing.fastest,
                "ours_is_times_as_fast": timing.seconds / found["ours"].seconds,
                "first_step_s": running[name].facts["first_step_s"],
                "n": timing.rounds,
                "steps": steps,
                "device": running[name].facts["device"],
                "versions": rows.versions(running[name].facts),
            }
            for name, timing in found.items()
        ]


def main() -> None:
    """Measure every case, print the table and write it."""
    python = str(parity.interpreter())
    found = []
    for name, case in CASES.items():
        print(name, file=sys.stderr, flush=True)
        found += [{"case": name, **row} for row in measure(python, case)]
    print(rows.table(found))
    print(f"\nwritten to {rows.write('train', found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
