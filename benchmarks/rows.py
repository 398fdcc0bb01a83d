"""What every row of a benchmark's table says of where and when it was measured."""

import csv
import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnets.columns import aligned

RESULTS = Path(__file__).parents[1] / "experiments" / "results"


def machine() -> str:
    """The processor and the cores of this process."""
    cores = len(os.sched_getaffinity(0))
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{cores} cores of {name}"


def versions(*facts: Mapping[str, Any]) -> str:
    """Of the libraries that contestants named."""
    names = ("jax", "flax", "torch", "torchvision", "grain")
    found = {name: fact[name] for fact in facts for name in names if name in fact}
    return " ".join(f"{name}={version}" for name, version in found.items())


def write(name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write `bench_NAME.csv`, each row with today's date and this machine; return where."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    path = RESULTS / f"bench_{name}.csv"
    stamped = [{**row, "machine": machine(), "date": today} for row in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(stamped[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(stamped)
    return path


def table(rows: Sequence[Mapping[str, Any]], leave_out: Sequence[str] = ("versions",)) -> str:
    """The rows under their names, numbers to four digits."""
    names = [name for name in rows[0] if name not in leave_out]
    lines = [tuple(names), *(tuple(_text(row[name]) for name in names) for row in rows)]
    numbers = [i for i, name in enumerate(names) if not isinstance(rows[0][name], str)]
    return aligned(lines, numbers)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return "" if value is None else str(value)
