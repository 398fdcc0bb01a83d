"""The one grammar for names with arguments: `NAME:key=value,key=value`.

It serves the text after the colon of a config file (`configs/digits.py:depth=56`), and the config
fields that choose a function (`schedule="step:every_epochs=10,factor=0.5"`). Values in parentheses
are tuples: `piecewise:boundaries=(32000,48000)`.
"""

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any

from resnets.errors import UserError, suggest


def split_call(text: str) -> tuple[str, dict[str, str]]:
    """Split `NAME:key=value,...` into the name and the unparsed values.

    Raises:
      UserError: an argument without `=`, or one given twice.
    """
    name, _, rest = text.partition(":")
    return name.strip(), split_arguments(rest)


def split_arguments(text: str) -> dict[str, str]:
    """Split `key=value,key=value` at the commas outside parentheses.

    Raises:
      UserError: an argument without `=`, or one given twice.

    >>> split_arguments("depth=56,boundaries=(1,2)")
    {'depth': '56', 'boundaries': '(1,2)'}
    """
    values: dict[str, str] = {}
    for part in re.findall(r"(?:[^,(]|\([^)]*\)?)+", text):
        key, equals, value = part.strip().partition("=")
        if not equals or not key:
            raise UserError(f"argument {part.strip()!r} must read key=value")
        if key in values:
            raise UserError(f"argument {key!r} is given twice")
        values[key] = value
    return values


def parse_value(text: str, kind: Any) -> Any:
    """Read a value of type bool, int, float, str, or a tuple of these.

    Raises:
      ValueError: the text is not of that type.

    >>> parse_value("(32000,48000)", tuple[int, ...])
    (32000, 48000)
    """
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        parts = text.strip().removeprefix("(").removesuffix(")").split(",")
        return tuple(parse_value(part.strip(), inner) for part in parts if part.strip())
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    return kind(text)


def _kind_name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind)) if not typing.get_args(kind) else str(kind)


def _parse_all(where: str, values: Mapping[str, str], kinds: Mapping[str, Any]) -> dict[str, Any]:
    parsed = {}
    for key, text in values.items():
        if key not in kinds:
            raise UserError(f"{where}: unknown argument {key!r}; {suggest(key, kinds)}")
        try:
            parsed[key] = parse_value(text, kinds[key])
        except ValueError:
            raise UserError(
                f"{where}: argument {key}={text!r} is not of type {_kind_name(kinds[key])}"
            ) from None
    return parsed


def parse_arguments(text: str | None, where: str, **defaults: Any) -> dict[str, Any]:
    """Parse a config file's arguments; each takes the type of its default.

    Args:
      text: what stands after the colon, or None.
      where: the file, for the message.
      **defaults: every valid argument with its default.

    Raises:
      UserError: unknown argument, wrong type, given twice.

    >>> parse_arguments("depth=56", "configs/digits.py", depth=20, shortcut="A")
    {'depth': 56, 'shortcut': 'A'}
    """
    try:
        values = split_arguments(text or "")
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    kinds = {
        key: tuple[type(value[0]), ...] if isinstance(value, tuple) else type(value)  # type: ignore[misc]
        for key, value in defaults.items()
    }
    return defaults | _parse_all(where, values, kinds)


def call(text: str, functions: Mapping[str, Callable[..., Any]], field: str, **context: Any) -> Any:
    """Call the function that `NAME:key=value,...` names.

    Args:
      text: the call.
      functions: by name; their keyword parameters with annotations are the valid arguments.
      field: the config field that held the text, for the message.
      **context: parameters that the caller supplies, not the text.

    Raises:
      UserError: unknown name or argument, wrong type, missing argument.
    """
    try:
        name, values = split_call(text)
    except UserError as error:
        raise UserError(f"{field}={text!r}: {error}") from None
    if name not in functions:
        raise UserError(f"{field}={text!r}: unknown name {name!r}; {suggest(name, functions)}")
    function = functions[name]
    hints = typing.get_type_hints(function)
    parameters = inspect.signature(function).parameters
    kinds = {key: hints[key] for key in parameters if key not in context}
    arguments = _parse_all(f"{field}={text!r}", values, kinds)
    missing = [
        k for k in kinds if k not in arguments and parameters[k].default is inspect.Parameter.empty
    ]
    if missing:
        raise UserError(f"{field}={text!r}: {name} needs {', '.join(missing)}")
    known = {key: value for key, value in context.items() if key in parameters}
    return function(**known, **arguments)
