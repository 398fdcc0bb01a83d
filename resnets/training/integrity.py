"""A list of a folder's files with their sizes and hashes, against which it can be checked later.

Orbax restores a checkpoint with a flipped bit in silence; a truncated one raises somewhere inside.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnets.training import durable

NAME = "manifest.json"


class DamagedError(Exception):
    """A folder is not what its manifest says: the text names the file and what is wrong with it."""


def seal(folder: Path, about: Mapping[str, Any]) -> None:
    """Bring every file to the disk, then write the manifest, last and atomically.

    Args:
      folder: what to seal.
      about: JSON-able; `check` gives it back.

    Raises:
      OSError: a file could not be read or written.
    """
    files = {str(f.relative_to(folder)): [f.stat().st_size, _digest(f)] for f in _files(folder)}
    for path in (*folder.rglob("*"), folder):
        durable.sync(path)
    durable.write_text(folder / NAME, _text({"about": dict(about), "files": files}))


def check(folder: Path) -> dict[str, Any]:
    """Read every file again and return what `seal` was told about the folder.

    Files that the manifest does not list are none of our business (`.nfs...`, `.DS_Store`).

    Raises:
      DamagedError: the manifest or a file that it lists is missing or differs.
    """
    content = _manifest(folder)
    for name, (size, digest) in content["files"].items():
        file = folder / name
        try:
            found = file.stat().st_size
            if found != size:
                raise DamagedError(f"{name} has {found} bytes instead of {size}")
            if _digest(file) != digest:
                raise DamagedError(f"{name} does not have the content that was saved")
        except OSError as error:
            raise DamagedError(f"{name}: {error.strerror}") from None
    return dict(content["about"])


def about(folder: Path) -> dict[str, Any]:
    """Return what `seal` was told, without reading the other files.

    Raises:
      DamagedError: the manifest is missing or damaged.
    """
    return dict(_manifest(folder)["about"])


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        text = (folder / NAME).read_bytes().decode()
    except FileNotFoundError:
        raise DamagedError(f"it has no {NAME}: the save was not completed") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{NAME}: {error}") from None
    try:
        content = json.loads(text)
        content.pop("sha256")
        intact = text == _text(content)  # character by character, its own hash among them
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise DamagedError(f"{NAME} does not have the content that was saved")
    return dict(content)


def _text(content: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps({**content, "sha256": digest}, sort_keys=True, indent=1) + "\n"


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if path != folder / NAME]


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
