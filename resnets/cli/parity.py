"""The environment that holds torch and torchvision, apart from the project's own."""

import subprocess
import sys
import tomllib
from pathlib import Path

from resnets.errors import RunError
from resnets.training.config_file import CHECKOUT

ENVIRONMENT = CHECKOUT / ".venv-parity"


def interpreter() -> Path:
    """Make the environment unless it is there, and return its Python.

    It gets the packages of the extra `parity`. Which build of torch comes is up to pip's own
    configuration: a CPU build is all that is needed.

    Raises:
      RunError: the installation failed.
    """
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    packages = extras["optional-dependencies"]["parity"]
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "installed.txt"
    if stamp.exists() and stamp.read_text().split() == packages:
        return python
    print(f"installing {', '.join(packages)} into {ENVIRONMENT} (once)", file=sys.stderr)
    constraints = str(CHECKOUT / "constraints.txt")
    install = ["-m", "pip", "install", "--quiet", "--constraint", constraints, *packages]
    for command in ([sys.executable, "-m", "venv", str(ENVIRONMENT)], [str(python), *install]):
        if subprocess.run(command).returncode:
            raise RunError("torch and torchvision could not be installed; the lines above say why")
    stamp.write_text("\n".join(packages))
    return python
