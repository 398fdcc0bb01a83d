"""`launch.sh test`: the checks and the test suite."""

import os
import subprocess
import sys
from collections.abc import Sequence

from resnets.cli import browser, parity
from resnets.training.config_file import CHECKOUT

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)

WHOLE_SUITE = ("-n", "2", "--dist", "worksteal")
PARITY = "--parity"
FAULTS = "--faults"
BROWSER = "--browser"

_HELP = """\
usage: launch.sh test [--slow] [--faults] [--targets] [--browser] [--parity]
                      [pytest arguments]

Without arguments: ruff, the format check, mypy, then the suite; with arguments: pytest only.
--slow runs the slow group, too: every registered network instead of one of each form.
--faults kills and interrupts runs, studies and what they run on, harms their checkpoints and fills
their disks (as root: in mounts of its own).
--targets runs the compilers of devices that `launch.sh install` brought.
--browser opens the pages in a headless Chromium; `launch.sh install browser` tells what that takes,
and is run first.
--parity compares logits with torchvision's, for which it installs torch into .venv-parity, and
with Keras's; --parity_table=FILE writes the differences.

examples:
  launch.sh test
  launch.sh test tests/models -k shortcut
  launch.sh test --slow tests/models/test_every_network.py
  launch.sh test --faults
  launch.sh test --browser
  launch.sh test --parity --parity_table=experiments/results/parity.csv
exit status: 0 passed, 1 failed."""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    arguments = list(argv)
    if arguments in (["-h"], ["--help"]):
        print(_HELP)
        return 0
    if PARITY in arguments:
        arguments.remove(PARITY)
        if not any(argument.startswith("tests") for argument in arguments):
            arguments.append("tests/parity")
        arguments += [f"{PARITY}={parity.interpreter()}", "--slow"]  # all of the networks
    if BROWSER in arguments:
        print(browser.install(), file=sys.stderr)
    for group, folder in ((FAULTS, "tests/faults"), (BROWSER, "tests/browser")):
        if group in arguments and not any(argument.startswith("tests") for argument in arguments):
            arguments.append(folder)
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    for check in () if arguments else CHECKS:
        print(f"$ {' '.join(check)}", flush=True)
        if subprocess.run([sys.executable, "-m", *check], cwd=CHECKOUT).returncode:
            return 1
    command = [sys.executable, "-m", "pytest", *(arguments or WHOLE_SUITE)]
    return subprocess.run(command, cwd=CHECKOUT, env=environment).returncode
