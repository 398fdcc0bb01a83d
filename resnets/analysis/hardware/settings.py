"""A machine with one number changed, for sweeps."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from resnets.analysis.hardware.machine import Hardware, Memory, Unit
from resnets.analysis.hardware.quantities import quantity
from resnets.errors import UserError, suggest

_Setter = Callable[[float], Hardware]
_Part = TypeVar("_Part", Memory, Unit)


def keys(hardware: Hardware) -> list[str]:
    """Numbers that `replace` can change.

    A memory with one bus has `bandwidth`; one with two has `read` and `write` too, and its
    `bandwidth` sets both.
    """
    return list(_setters(hardware))


def replace(hardware: Hardware, key: str, value: float | str) -> Hardware:
    """Change one number.

    Args:
      hardware: stays as it is.
      key: such as `internal.capacity`, `ddr.bandwidth`, `matrix.peak.float32`, `overhead`.
      value: in bytes, seconds and the like, or text with a unit.

    Raises:
      UserError: unknown key, wrong unit, or a machine whose parts do not fit.
    """
    setters = _setters(hardware)
    if key not in setters:
        raise UserError(f"{hardware.name}: unknown key {key!r}; {_valid(key, list(setters))}")
    unit, setter = setters[key]
    try:
        return setter(_number(value, unit))
    except UserError as error:
        raise UserError(f"{hardware.name}: {key}={value}: {error}") from None


def read_number(hardware: Hardware, key: str, text: str) -> float:
    """Read a value for a key, such as `256KiB` for a capacity.

    Raises:
      UserError: unknown key or wrong unit.
    """
    setters = _setters(hardware)
    if key not in setters:
        raise UserError(f"{hardware.name}: unknown key {key!r}; {_valid(key, list(setters))}")
    return _number(text, setters[key][0])


def unit_of(hardware: Hardware, key: str) -> str:
    """The unit of a key's numbers; empty for shares."""
    return _setters(hardware)[key][0]


def value_of(hardware: Hardware, key: str) -> float:
    """The number that stands there; of a bus in each direction, the one that reads."""
    part, _, rest = key.partition(".")
    if not rest:
        return float(getattr(hardware, part))
    if part == "interconnect":
        return float(getattr(hardware.interconnect, rest))
    if rest.startswith("peak."):
        return next(u.peak[rest[5:]] for u in hardware.units if u.name == part)
    return float(getattr(hardware.memory(part), "read" if rest == "bandwidth" else rest))


def _valid(key: str, valid: list[str]) -> str:
    hint = suggest(key, valid)
    return hint if "valid: " in hint else f"{hint} (valid: {', '.join(valid)})"


def _number(value: float | str, unit: str) -> float:
    if not isinstance(value, str):
        return float(value)
    if unit:
        return quantity(value, unit)
    try:
        return float(value)
    except ValueError:
        raise UserError("must be a number from 0 to 1") from None


def _setters(hardware: Hardware) -> dict[str, tuple[str, _Setter]]:
    """The unit of each number, and what sets it."""
    setters: dict[str, tuple[str, _Setter]] = {
        "overhead": ("s", lambda value: dataclasses.replace(hardware, overhead=value)),
        "overlap": ("", lambda value: dataclasses.replace(hardware, overlap=value)),
    }
    for memory in hardware.memories:
        fields = {"capacity": ("capacity",), "bandwidth": ("read", "write")}
        if not memory.shared_bus:
            fields |= {"read": ("read",), "write": ("write",)}
        for field, sets in fields.items():
            unit = "B" if field == "capacity" else "B/s"
            setters[f"{memory.name}.{field}"] = unit, partial(_set_memory, hardware, memory, sets)
    for part in hardware.units:
        for dtype in part.peak:
            setter = partial(_set_peak, hardware, part, dtype)
            setters[f"{part.name}.peak.{dtype}"] = "FLOP/s", setter
    if hardware.interconnect:
        for field, unit in (("bandwidth", "B/s"), ("latency", "s")):
            setters[f"interconnect.{field}"] = unit, partial(_set_link, hardware, field)
    return setters


def _swap(parts: tuple[_Part, ...], old: _Part, new: _Part) -> tuple[_Part, ...]:
    return tuple(new if part is old else part for part in parts)


def _set_memory(
    hardware: Hardware, memory: Memory, fields: tuple[str, ...], value: float
) -> Hardware:
    changed = dataclasses.replace(memory, **dict.fromkeys(fields, value))  # type: ignore[arg-type]
    return dataclasses.replace(hardware, memories=_swap(hardware.memories, memory, changed))


def _set_peak(hardware: Hardware, unit: Unit, dtype: str, value: float) -> Hardware:
    changed = dataclasses.replace(unit, peak={**unit.peak, dtype: value})
    return dataclasses.replace(hardware, units=_swap(hardware.units, unit, changed))


def _set_link(hardware: Hardware, field: str, value: float) -> Hardware:
    assert hardware.interconnect is not None
    changed = dataclasses.replace(hardware.interconnect, **{field: value})  # type: ignore[arg-type]
    return dataclasses.replace(hardware, interconnect=changed)
