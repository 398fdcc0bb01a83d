"""`launch.sh test`: the checks and the test suite."""

import os
import subprocess
import sys
from collections.abc import Sequence

from resnets.training.config_file import CHECKOUT

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)

WHOLE_SUITE = ("-n", "2", "--dist", "worksteal")

_HELP = """\
usage: launch.sh test [pytest arguments]

Without arguments: ruff, the format check, mypy, then the whole suite; with arguments: pytest only.

examples:
  launch.sh test
  launch.sh test tests/models -k shortcut
exit status: 0 passed, 1 failed."""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    if list(argv) in (["-h"], ["--help"]):
        print(_HELP)
        return 0
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    for check in () if argv else CHECKS:
        print(f"$ {' '.join(check)}", flush=True)
        if subprocess.run([sys.executable, "-m", *check], cwd=CHECKOUT).returncode:
            return 1
    command = [sys.executable, "-m", "pytest", *(argv or WHOLE_SUITE)]
    return subprocess.run(command, cwd=CHECKOUT, env=environment).returncode
