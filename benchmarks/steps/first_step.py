"""`launch.sh train` until the first call of the training program has come back; ends there.

Prints the seconds since the epoch, for whoever started the process.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from resnets.cli import backend
from resnets.cli.__main__ import main


def stop_after_first(folder: Path) -> None:
    """Let the training program run once."""
    backend.configure(folder)
    import jax

    from resnets.training import epoch

    program = epoch.run_steps

    def once(*arguments: Any) -> Any:
        jax.block_until_ready(program(*arguments))
        print(time.time(), flush=True)
        os._exit(0)

    once.lower = program.lower  # type: ignore[attr-defined]
    epoch.run_steps = once  # type: ignore[assignment]


if __name__ == "__main__":
    run = Path(sys.argv[1])
    stop_after_first(run.parent)
    sys.exit(main(["train", f"--workdir={run}", *sys.argv[2:]]))
