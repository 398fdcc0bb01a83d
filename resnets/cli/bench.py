"""`launch.sh bench`: measurements against what a user would pick instead."""

import subprocess
import sys
from collections.abc import Sequence

from resnets.cli.parser import Parser
from resnets.training.config_file import CHECKOUT

BENCHMARKS = {
    "train": ("training", "a training step: ours, plain Flax, PyTorch, in turn"),
    "scaling": ("scaling", "a step against depth, batch and devices"),
    "compile": ("compiling", "size and compilation of a step against depth"),
    "memory": ("memory", "the forecast of a run's memory against the compiler's"),
    "start": ("starting", "from the command to the first epoch, cold and warm"),
    "epochs": ("epochs", "steps, evaluations and what is neither, of a run"),
    "data": ("images", "images a second from JPEG files"),
    "sweep": ("study_time", "the default study against its bare epochs"),
    "analysis": ("analysis", "time and memory of the cost analysis"),
    "report": ("report_page", "the report of a hundred runs"),
    "diagnostics": ("diagnosing", "a run with diagnostics against one without"),
    "curves": ("curves", "draw what was measured, for docs/speed.md"),
}

_DESCRIPTION = "Measure this project, and what a user would pick instead, on this machine."

_EPILOG = f"""\
{chr(10).join(f"  {name:<11} {what}" for name, (_, what) in BENCHMARKS.items())}
  all         all of these, one after another

`train` installs PyTorch into .venv-parity first. Contestants are processes that take turns; tables
hold medians, and are written to experiments/results/bench_*.csv with date, machine and versions.
Nothing else should run meanwhile.
exit status: 0 done, 1 a benchmark failed, 2 bad arguments."""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("bench", _DESCRIPTION, _EPILOG)
    choices = (*BENCHMARKS, "all")
    parser.add_argument("name", nargs="?", choices=choices, default="all", metavar="NAME")
    asked = parser.parse_args(list(argv)).name
    failed = 0
    for name in BENCHMARKS if asked == "all" else (asked,):
        module = f"benchmarks.{BENCHMARKS[name][0]}"
        print(f"bench {name}", file=sys.stderr, flush=True)
        failed |= bool(subprocess.run([sys.executable, "-m", module], cwd=CHECKOUT).returncode)
    return failed
