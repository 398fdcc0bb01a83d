"""Machines described in small files: memories from the inside out, compute units, overheads."""

from resnets.analysis.hardware.library import load, names
from resnets.analysis.hardware.machine import (
    DTYPES,
    KINDS,
    TOPOLOGIES,
    Hardware,
    Interconnect,
    Memory,
    Sample,
    Unit,
)
from resnets.analysis.hardware.quantities import quantity, spell
from resnets.analysis.hardware.reader import parse
from resnets.analysis.hardware.settings import keys, read_number, replace, unit_of, value_of
from resnets.analysis.hardware.writer import dumps

__all__ = [
    "DTYPES",
    "KINDS",
    "TOPOLOGIES",
    "Hardware",
    "Interconnect",
    "Memory",
    "Sample",
    "Unit",
    "dumps",
    "keys",
    "load",
    "names",
    "parse",
    "quantity",
    "read_number",
    "replace",
    "spell",
    "unit_of",
    "value_of",
]
