"""Every run in this process, one after another; runs of one architecture share its compilation."""

import sys
from collections.abc import Sequence
from pathlib import Path

from resnets.errors import RunError
from resnets.studies.grid import Row
from resnets.training.loop import train


def run(rows: Sequence[Row], directory: Path) -> list[str]:
    """Run what is not done yet; a run that fails does not stop the others.

    Args:
      rows: the runs.
      directory: the study directory.

    Returns:
      The reasons of the runs that failed.

    Raises:
      UserError: a config or a directory cannot be used.
    """
    failures = []
    for number, row in enumerate(rows, 1):
        workdir = directory / "runs" / row.id
        if (workdir / "done.json").exists():
            print(f"[{number}/{len(rows)}] {row.id}: done already", file=sys.stderr)
        try:
            train(row.load_config(), workdir, f"[{number}/{len(rows)}] {row.id}")
        except RunError as error:
            print(error, file=sys.stderr)
            failures.append(str(error))
    return failures
