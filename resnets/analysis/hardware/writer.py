"""Hardware files written, a comment for each number."""

import json
import math
import textwrap
from collections.abc import Iterator, Mapping

from resnets.analysis.hardware.machine import Hardware, Interconnect, Memory, Sample, Unit
from resnets.analysis.hardware.quantities import spell

_WIDTH = 100
_Lines = Iterator[tuple[str, str]]
"""Each line with the key that a comment may have: empty for headings and blank lines."""


def dumps(hardware: Hardware, comments: Mapping[str, str] | None = None) -> str:
    """Write a machine as a file from which the same machine is read.

    Args:
      hardware: to write.
      comments: where each number comes from, by key: the keys of `replace`, and `name`,
        `description`, `cores`, MEMORY`.per_core`, PART`.energy`, UNIT`.runs`, UNIT`.granule`,
        UNIT`.sample` (stands above the first) and `interconnect.topology`.

    Raises:
      ValueError: a comment's key names no line of the file.
    """
    notes = dict(comments or {})
    text = "".join(
        _commented(line, notes.pop(key, "") if key else "") for line, key in _lines(hardware)
    )
    if notes:
        raise ValueError(f"no line of {hardware.name} for comments on {', '.join(notes)}")
    return text


def _commented(line: str, comment: str) -> str:
    words = " ".join(comment.split())
    if not words:
        return f"{line}\n"
    beside = f"{line}  # {words}"
    if len(beside) <= _WIDTH and not line.startswith("["):
        return f"{beside}\n"
    above = textwrap.wrap(words, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    return "\n".join((*above, line, ""))


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, but for the one control character that JSON leaves as it is
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(hardware: Hardware) -> _Lines:
    yield f"name = {_quoted(hardware.name)}", "name"
    yield f"description = {_quoted(hardware.description)}", "description"
    yield f"cores = {hardware.cores}", "cores"
    yield _number("overhead", hardware.overhead, "s"), "overhead"
    yield f"overlap = {float(hardware.overlap)!r}", "overlap"
    if hardware.prefetch:
        yield "prefetch = true", "prefetch"
    for memory in hardware.memories:
        yield from _memory(memory, external=memory is hardware.memories[-1])
    for unit in hardware.units:
        yield from _unit(unit)
    if hardware.interconnect:
        yield from _interconnect(hardware.interconnect)


def _number(field: str, value: float, unit: str) -> str:
    return f'{field} = "{spell(value, unit)}"'


def _memory(memory: Memory, external: bool) -> _Lines:
    yield "", ""
    yield "[[memory]]", ""
    yield f"name = {_quoted(memory.name)}", ""
    yield _number("capacity", memory.capacity, "B"), f"{memory.name}.capacity"
    yield f"per_core = {str(memory.per_core).lower()}", f"{memory.name}.per_core"
    if not memory.shared_bus:
        yield _number("read", memory.read, "B/s"), f"{memory.name}.read"
        yield _number("write", memory.write, "B/s"), f"{memory.name}.write"
    elif external or not math.isinf(memory.read):
        yield _number("bandwidth", memory.read, "B/s"), f"{memory.name}.bandwidth"
    if memory.energy is not None:
        yield _number("energy", memory.energy, "J/B"), f"{memory.name}.energy"


def _unit(unit: Unit) -> _Lines:
    yield "", ""
    yield "[[unit]]", ""
    yield f"name = {_quoted(unit.name)}", ""
    yield f"runs = [{', '.join(map(_quoted, unit.runs))}]", f"{unit.name}.runs"
    for dtype, rate in unit.peak.items():
        yield _number(f"peak.{dtype}", rate, "FLOP/s"), f"{unit.name}.peak.{dtype}"
    if unit.granule is not None:
        yield f"granule = {list(unit.granule)}", f"{unit.name}.granule"
    if unit.energy is not None:
        yield _number("energy", unit.energy, "J/FLOP"), f"{unit.name}.energy"
    for place, sample in enumerate(unit.samples):
        yield from _sample(sample, "" if place else f"{unit.name}.sample")


def _sample(sample: Sample, key: str) -> _Lines:
    yield "", ""
    yield "[[unit.sample]]", key
    for field in ("rows", "channels", "columns", "taps"):
        yield f"{field} = {getattr(sample, field)}", ""
    yield _number("rate", sample.rate, "FLOP/s"), ""


def _interconnect(links: Interconnect) -> _Lines:
    yield "", ""
    yield "[interconnect]", ""
    yield _number("bandwidth", links.bandwidth, "B/s"), "interconnect.bandwidth"
    yield _number("latency", links.latency, "s"), "interconnect.latency"
    yield f"topology = {_quoted(links.topology)}", "interconnect.topology"
