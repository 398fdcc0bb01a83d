"""How much of a run is its steps, how much its evaluations, and how much neither."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resnets.cli import backend

backend.configure()

import jax  # noqa: E402

from benchmarks import rows  # noqa: E402
from resnets.training import epoch, loop  # noqa: E402
from resnets.training.config_file import load_config  # noqa: E402

DEPTHS = (20, 56)
EPOCHS = 20
CADENCES = ("doubling", "off")


class Timed:
    """A program that notes when each call began and when its results were there."""

    def __init__(self, program: Callable[..., Any]) -> None:
        self.program = program
        self.calls: list[tuple[float, float]] = []

    def __call__(self, *arguments: Any) -> Any:
        """Run it and wait, which leaves nothing to overlap: what is outside looks longer."""
        began = time.perf_counter()
        results = jax.block_until_ready(self.program(*arguments))
        self.calls.append((began, time.perf_counter()))
        return results


def measure(depth: int, diagnostics: str) -> dict[str, Any]:
    """Shares of a run's time from its second epoch to the last step: the first epoch compiles."""
    steps, evaluations = Timed(epoch.run_steps), Timed(epoch.evaluate)
    epoch.run_steps, epoch.evaluate = steps, evaluations  # type: ignore[assignment]
    flags = [f"--config.epochs={EPOCHS}", f"--config.diagnostics={diagnostics}"]
    config = load_config(f"configs/digits.py:depth={depth}", flags)
    try:
        with tempfile.TemporaryDirectory() as folder:
            loop.train(config.to_dict(), Path(folder) / "run", "")
    finally:
        epoch.run_steps, epoch.evaluate = steps.program, evaluations.program  # type: ignore[assignment]
    counted = [call for call in steps.calls if call[0] > evaluations.calls[0][1]]
    first, last = counted[0][0], counted[-1][1]
    within = [call for call in evaluations.calls if first <= call[0] <= last]
    training, evaluating = (sum(end - start for start, end in c) for c in (counted, within))
    whole = last - first
    return {
        "depth": depth,
        "diagnostics": diagnostics,
        "epochs": EPOCHS - 1,
        "seconds": whole,
        "steps_pct": 100 * training / whole,
        "evaluation_pct": 100 * evaluating / whole,
        "neither_pct": 100 * (whole - training - evaluating) / whole,
        "n": 1,
        "versions": f"jax={jax.__version__}",
    }


def main() -> None:
    """Measure, print the table and write it."""
    found = [measure(depth, cadence) for depth in DEPTHS for cadence in CADENCES]
    print(rows.table(found))
    print(f"written to {rows.write('epochs', found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
