"""TensorBoard in a process of its own, for tests and pictures of it."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from resnets.errors import RunError


@contextlib.contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a study or run on any free port of 127.0.0.1; the address that it says.

    Raises:
      RunError: it did not start.
    """
    command = [sys.executable, "-m", "resnets.cli", "tensorboard", str(directory), "--port=0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                yield found[0]
                break
        else:
            raise RunError(f"TensorBoard did not start: {' '.join(said).strip()}")
    finally:
        process.terminate()
        process.communicate()
