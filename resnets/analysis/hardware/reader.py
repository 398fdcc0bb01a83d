"""Hardware files read: TOML whose numbers are text with units."""

import dataclasses
import math
import tomllib
from collections.abc import Collection, Mapping
from typing import Any

from resnets.analysis.hardware.machine import Hardware, Interconnect, Memory, Sample, Unit
from resnets.analysis.hardware.quantities import quantity
from resnets.errors import UserError, suggest

_KINDS_OF_VALUE = {str: 'text in "quotes"', bool: "true or false", int: "a whole number"}


def parse(text: str, where: str) -> Hardware:
    """Read a hardware file's text.

    Args:
      text: TOML.
      where: the file, for messages.

    Raises:
      UserError: not TOML, a field unknown, missing or of a wrong unit, parts that do not fit.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: not a TOML file: {error}") from None
    try:
        return _hardware(_Table("", values))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


@dataclasses.dataclass(frozen=True)
class _Table:
    """Fields of a part of the file; messages name them by `path`."""

    path: str
    values: Mapping[str, Any]

    def key(self, field: str) -> str:
        return f"{self.path}.{field}" if self.path else field

    def only(self, valid: Collection[str]) -> None:
        for field in self.values:
            if field not in valid:
                raise UserError(f"unknown field {self.key(field)!r}; {suggest(field, valid)}")

    def value(self, field: str, kind: type) -> Any:
        if field not in self.values:
            raise UserError(f"{self.key(field)} is missing; add it")
        value = self.values[field]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise UserError(f"{self.key(field)} must be {_KINDS_OF_VALUE[kind]}, not {value!r}")
        return value

    def quantity(self, field: str, unit: str) -> float:
        if field not in self.values:
            raise UserError(f"{self.key(field)} is missing; add it, in {unit}")
        value = self.values[field]
        try:
            return quantity(value if isinstance(value, str) else str(value), unit)
        except UserError as error:
            raise UserError(f"{self.key(field)}: {error}") from None

    def optional(self, field: str, unit: str) -> float | None:
        return self.quantity(field, unit) if field in self.values else None

    def share(self, field: str) -> float:
        value = self.values.get(field)
        if isinstance(value, bool) or not isinstance(value, int | float):
            given = "is missing; add it:" if value is None else f"is {value!r} and must be"
            raise UserError(f"{self.key(field)} {given} a number from 0 to 1")
        return float(value)

    def tables(self, field: str) -> "list[_Table]":
        """Parts of one kind; each is called by its name, or its place before it has one."""
        found = self.values.get(field, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise UserError(f"{self.key(field)} must be written as [[{self.key(field)}]]")
        parts = []
        for place, values in enumerate(found):
            name = values.get("name")
            known = isinstance(name, str) and name.isprintable()
            path = name if known else f"{self.key(field)}[{place}]"
            parts.append(_Table(path, values))
        return parts

    def table(self, field: str) -> "_Table":
        values = self.values.get(field, {})
        if not isinstance(values, dict):
            raise UserError(f"{self.key(field)} must be a table, not {values!r}")
        return _Table(self.key(field), values)


def _hardware(top: _Table) -> Hardware:
    whole = ("name", "description", "cores", "overhead", "overlap", "prefetch")
    top.only((*whole, "memory", "unit", "interconnect"))
    memories = top.tables("memory")
    return Hardware(
        top.value("name", str),
        top.value("description", str),
        top.value("cores", int),
        tuple(_memory(table, external=table is memories[-1]) for table in memories),
        tuple(_unit(table) for table in top.tables("unit")),
        top.quantity("overhead", "s"),
        top.share("overlap"),
        _interconnect(top.table("interconnect")) if "interconnect" in top.values else None,
        top.value("prefetch", bool) if "prefetch" in top.values else False,
    )


def _memory(table: _Table, external: bool) -> Memory:
    table.only(("name", "capacity", "per_core", "bandwidth", "read", "write", "energy"))
    read, write, shared = _rates(table, external)
    return Memory(
        table.value("name", str),
        table.quantity("capacity", "B"),
        read,
        write,
        shared,
        table.value("per_core", bool) if "per_core" in table.values else False,
        table.optional("energy", "J/B"),
    )


def _rates(table: _Table, external: bool) -> tuple[float, float, bool]:
    """Rates of both directions, and whether they share a bus."""
    separate = [field for field in ("read", "write") if field in table.values]
    if "bandwidth" in table.values:
        if separate:
            raise UserError(
                f"{table.key('bandwidth')} and {separate[0]} exclude each other: "
                "write bandwidth for one bus, read and write for two"
            )
        both = table.quantity("bandwidth", "B/s")
        return both, both, True
    if separate:
        return table.quantity("read", "B/s"), table.quantity("write", "B/s"), False
    if external:
        raise UserError(
            f"{table.key('bandwidth')} is missing: external memory, the last, needs it "
            "(or read and write), in B/s"
        )
    return math.inf, math.inf, True


def _unit(table: _Table) -> Unit:
    table.only(("name", "runs", "peak", "granule", "energy", "sample"))
    name = table.value("name", str)
    peak = table.table("peak")
    return Unit(
        name,
        _items(table, "runs", str),
        {dtype: peak.quantity(dtype, "FLOP/s") for dtype in peak.values},
        _items(table, "granule", int) if "granule" in table.values else None,
        tuple(_sample(sample) for sample in table.tables("sample")),
        table.optional("energy", "J/FLOP"),
    )


def _items(table: _Table, field: str, kind: type) -> tuple[Any, ...]:
    values = table.values.get(field)
    if not isinstance(values, list) or not all(type(value) is kind for value in values):
        inside = "whole numbers" if kind is int else "texts"
        given = "is missing; add" if values is None else f"is {values!r} and must be"
        raise UserError(f"{table.key(field)} {given} a list of {inside}")
    return tuple(values)


def _sample(table: _Table) -> Sample:
    sizes = ("rows", "channels", "columns", "taps")
    table.only((*sizes, "rate"))
    rows, channels, columns, taps = (table.value(size, int) for size in sizes)
    return Sample(rows, channels, columns, taps, table.quantity("rate", "FLOP/s"))


def _interconnect(table: _Table) -> Interconnect:
    table.only(("bandwidth", "latency", "topology"))
    return Interconnect(
        table.quantity("bandwidth", "B/s"),
        table.quantity("latency", "s"),
        table.value("topology", str),
    )
