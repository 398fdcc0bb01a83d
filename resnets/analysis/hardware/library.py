"""Hardware files found: those that come with the package, and the user's."""

from importlib import resources
from pathlib import Path

from resnets.analysis.hardware.machine import Hardware
from resnets.analysis.hardware.reader import parse
from resnets.errors import UserError, suggest

_SUFFIX = ".toml"


def names() -> list[str]:
    """Machines that come with the package."""
    found = (file.name for file in resources.files(__package__).iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX))


def load(name_or_path: str | Path) -> Hardware:
    """Read a machine by its name, or from a file.

    Args:
      name_or_path: one of `names()`, or a path that ends in .toml.

    Raises:
      UserError: there is no such name or file, or the file is wrong.
    """
    wanted = str(name_or_path)
    if wanted.endswith(_SUFFIX):
        return parse(_read(Path(wanted)), wanted)
    valid = names()
    if wanted not in valid:
        raise UserError(
            f"unknown hardware {wanted!r}; {suggest(wanted, valid)}; or a path ending in {_SUFFIX}"
        )
    file = resources.files(__package__) / f"{wanted}{_SUFFIX}"
    return parse(file.read_text(encoding="utf-8"), file.name)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"hardware file {path} does not exist; machines that come with the package: "
            f"{', '.join(names())}"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"hardware file {path} is not UTF-8 text; write it as TOML") from None
    except OSError as error:
        raise UserError(f"hardware file {path} cannot be read: {error.strerror}") from None
