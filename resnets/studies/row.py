"""One run of a study: a line of its manifest, checked when it is read."""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from resnets.errors import UserError
from resnets.training.config import config_hash
from resnets.training.config_file import load_config

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LONGEST = 4096
"""Characters of a text: it must fit a command line."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One run of a study, as the manifest holds it.

    Attributes:
      id: names its directory below `runs/`.
      arm: which arm of the comparison.
      depth: layers.
      seed: random seed.
      config: config file and arguments.
      overrides: config fields set on top, as text.
      config_hash: of the resolved config.
    """

    id: str
    arm: str
    depth: int
    seed: int
    config: str
    overrides: Mapping[str, str]
    config_hash: str

    def flags(self) -> list[str]:
        """The overrides as arguments of a command."""
        return [f"--config.{field}={value}" for field, value in self.overrides.items()]

    def load_config(self) -> dict[str, Any]:
        """Resolve the run's config.

        Raises:
          UserError: the config file or an override does not fit.
        """
        try:
            return dict(load_config(self.config, self.flags()).to_dict())
        except OSError as error:
            raise UserError(f"config file {self.config!r}: {error.strerror}") from None

    def check_unchanged(self) -> None:
        """Compare the config with the one that the study began with.

        Raises:
          UserError: it cannot be resolved, or the config file has changed since.
        """
        if config_hash(self.load_config()) != self.config_hash:
            raise UserError(
                f"{self.id}: {self.config} has changed since the study began; "
                "choose another --workdir"
            )


def parse(line: str, where: str) -> Row:
    """Read a line of a manifest.

    Args:
      line: a JSON object.
      where: file and line, for messages.

    Raises:
      UserError: it is no row; names the field and what it must be.
    """
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise UserError(f"{where}: not a row of a manifest (not valid JSON)") from None
    names = [field.name for field in dataclasses.fields(Row)]
    if not isinstance(fields, dict) or fields.keys() != set(names):
        raise UserError(f"{where}: not a row of a manifest (a JSON object with {', '.join(names)})")
    for name, value in fields.items():
        wanted = _wanted(name, value)
        if wanted:
            raise UserError(f"{where}: {name}={_shown(value)} is not {wanted}")
    return Row(**fields)


def _wanted(name: str, value: Any) -> str:
    """What a field must be, or nothing if it is."""
    if name in ("depth", "seed"):
        whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if whole and 0 <= value < 2**63 else "a whole number from 0 on"
    if name == "overrides":
        fits = isinstance(value, dict) and all(_is_text(t) for pair in value.items() for t in pair)
        return "" if fits else "a JSON object of texts"
    if name == "id":
        fits = isinstance(value, str) and bool(_ID.fullmatch(value))
        return "" if fits else "a name of letters, digits, '_', '-' and '.', not first"
    return "" if _is_text(value) else f"a text of at most {_LONGEST} characters"


def _is_text(value: Any) -> bool:
    if not isinstance(value, str) or "\0" in value or len(value) > _LONGEST:
        return False
    return value.encode(errors="replace").decode() == value  # no half of a surrogate pair


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
