"""A config that knows which of its fields were read.

A field that nobody reads is a mistake that would otherwise pass in silence: a misspelt override, or
an option of something that is not in use.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from resnets.errors import UserError, suggest


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Map dotted names to leaves, in the order of the config."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping | ConfigDict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def config_hash(config: Mapping[str, Any]) -> str:
    """Name the config's content: 16 hexadecimal digits of a SHA-256 of its sorted JSON."""
    text = json.dumps(flatten(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(
    there: Mapping[str, Any], here: Mapping[str, Any], place: str = "there", own: str = "here"
) -> list[str]:
    """Name the fields in which two flat configs differ, each with both values.

    Args:
      there: read from JSON.
      here: the other one.
      place: what the first is called.
      own: what the other is called.
    """
    wanted = json.loads(json.dumps(dict(here)))
    return [
        f"{key} ({there.get(key, 'absent')} {place}, {wanted.get(key, 'absent')} {own})"
        for key in sorted(there.keys() | wanted.keys())
        if there.get(key) != wanted.get(key) or (key in there) != (key in wanted)
    ]


class ConfigReader:
    """Read-only view of a config that remembers the leaves it gave out."""

    def __init__(self, config: Mapping[str, Any]):
        """Wrap a nested mapping or ConfigDict."""
        self._leaves = flatten(config)
        self._read: set[str] = set()

    def __call__(self, name: str, kind: type | None = None) -> Any:
        """Return the leaf of a dotted name.

        Args:
          name: of the field.
          kind: its type, where it is known; a whole number will do for a float.

        Raises:
          UserError: the config has no such field, or one of another type.
        """
        if name not in self._leaves:
            raise UserError(f"config.{name} is missing; {suggest(name, self._leaves)}")
        self._read.add(name)
        value = self._leaves[name]
        if kind is float and type(value) is int and abs(value) < 2**1023:
            return float(value)
        if kind and type(value) is not kind:
            raise UserError(f"config.{name}={value!r} is not of type {kind.__name__}")
        return value

    def section(self, name: str) -> dict[str, Any]:
        """Return all leaves below a dotted name."""
        prefix = f"{name}."
        inside = [leaf for leaf in self._leaves if leaf.startswith(prefix)]
        return {leaf.removeprefix(prefix): self(leaf) for leaf in inside}

    def check_all_read(self) -> None:
        """Refuse fields that nothing has asked for.

        Raises:
          UserError: naming them and the nearest fields that are read.
        """
        unread = [leaf for leaf in self._leaves if leaf not in self._read]
        if unread:
            first = suggest(unread[0], sorted(self._read))
            raise UserError(f"nothing reads config.{', config.'.join(unread)}: remove it; {first}")
