"""Packages that only some verbs need, installed into this environment when they are asked for."""

import importlib.util
import subprocess
import sys
import tomllib

from resnets.errors import RunError
from resnets.training.config_file import CHECKOUT


def install(extra: str, modules: tuple[str, ...]) -> None:
    """Install an extra of pyproject.toml with the versions of constraints.txt, if it is missing.

    Args:
      extra: its name.
      modules: that it brings; nothing is done where all can be imported.

    Raises:
      RunError: pip failed.
    """
    if all(importlib.util.find_spec(module) for module in modules):
        return
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    packages = project["optional-dependencies"][extra]
    print(f"installing {', '.join(packages)} (once)", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pinned = f"--constraint={CHECKOUT / 'constraints.txt'}"
    if subprocess.run([*command, pinned, *packages]).returncode:
        raise RunError(f"{packages[0]} could not be installed; the lines above say why")
