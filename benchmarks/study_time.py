"""A study of small networks against the sum of its bare epochs: what all the rest costs."""

import importlib.metadata
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import rows
from benchmarks.contest import CHECKOUT, Contestant, take_turns

DEPTHS, SEEDS, ARMS = (8, 20, 56), (1, 3), ("plain", "resnet")
EPOCHS = 20
BATCH, EXAMPLES = 64, 1257  # of configs/digits.py
ROUNDS, STEPS = 5, 44


def bare_seconds() -> float:
    """Time of all training steps of one seed, none beside another."""
    case = ("--size=8", "--channels=1", f"--batch={BATCH}")
    with ExitStack() as stack:
        running = {
            f"{arm}{depth}": stack.enter_context(
                Contestant("ours", (f"--network=cifar_{arm}{depth}", *case))
            )
            for depth in DEPTHS
            for arm in ARMS
        }
        found = take_turns(running, ROUNDS, STEPS)
    steps = EPOCHS * (EXAMPLES // BATCH)
    return sum(steps * timing.seconds for timing in found.values())


def study_seconds(directory: Path, seeds: int) -> float:
    """Time of the whole command, from what is there to the report."""
    command = ["./launch.sh", "study", "degradation"]
    command += [f"--workdir={directory}", f"--seeds={seeds}"]
    began = time.perf_counter()
    subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure the bare steps before and after, print the table and write it."""
    bare = [bare_seconds()]
    found: list[dict[str, Any]] = []
    for seeds in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            study = Path(folder) / "study"
            taken = study_seconds(study, seeds)
            done = [json.loads(path.read_text()) for path in study.glob("runs/*/done.json")]
        bare.append(bare_seconds())
        steps = seeds * statistics.mean(bare[-2:])
        found.append(
            {
                "runs": len(done),
                "study_s": taken,
                "bare_epochs_s": steps,
                "study_over_bare": taken / steps,
                "summed_runs_s": sum(run["wall_s"] for run in done),
                "n": 1,
                "versions": f"jax={importlib.metadata.version('jax')}",
            }
        )
    print(rows.table(found))
    print(f"written to {rows.write('sweep', found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
