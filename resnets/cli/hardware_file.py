"""Where a hardware file may be written."""

import os
from pathlib import Path

from resnets.errors import RunError, UserError


def writable(out: str, force: bool) -> Path:
    """The hardware file to write.

    Raises:
      UserError: it is not named, not .toml, or there and not to be replaced.
      RunError: its folder is missing or read-only.
    """
    if not out:
        raise UserError("--out=FILE.toml is missing: the hardware file to write")
    file = Path(out)
    if file.suffix != ".toml" or not file.stem.isprintable():
        raise UserError(f"--out={out} must end in .toml")
    if file.exists() and not force:
        raise UserError(f"{file} exists; choose another name, or add --force to replace it")
    if not file.parent.is_dir():
        raise RunError(f"folder {file.parent} does not exist; make it first")
    target = file if file.exists() else file.parent
    if file.is_dir() or not os.access(target, os.W_OK):
        raise RunError(f"{file} cannot be written; choose another with --out")
    return file
