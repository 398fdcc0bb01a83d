"""A projection as a table or as JSON-able data; units stand in the names and headings."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

from resnets.analysis.hardware import Hardware
from resnets.analysis.projection import OVERHEAD, Projection, StepTime
from resnets.analysis.render import rows_as_csv
from resnets.columns import aligned


@dataclasses.dataclass(frozen=True)
class LayerTime:
    """Steps that belong to one layer, or to one block or stage, in one phase; seconds and bytes.

    Attributes:
      name: of the layer.
      phase: of the steps.
      kind: of their work; `block` for several.
      includes: layers whose operations ride on these steps.
      steps: how many.
      estimate: seconds.
      lower: seconds if everything overlaps.
      upper: seconds if nothing does.
      resources: seconds of each unit and memory, and of launching.
      read: bytes that each memory gives.
      written: bytes that each memory takes in.
      operations: FLOPs and transcendentals.
    """

    name: str
    phase: str
    kind: str
    includes: tuple[str, ...]
    steps: int
    estimate: float
    lower: float
    upper: float
    resources: dict[str, float]
    read: dict[str, int]
    written: dict[str, int]
    operations: int

    @property
    def bound(self) -> str:
        """What it waits for longest."""
        return max(self.resources, key=lambda name: self.resources[name])


def layer_times(projection: Projection, depth: int = 0) -> tuple[LayerTime, ...]:
    """Add up steps by layer and phase, names folded to `depth` parts; 0 leaves them whole."""
    gathered: dict[tuple[str, str], list[StepTime]] = {}
    for timed in projection.steps:
        parts = timed.step.layer.split("/")
        name = "/".join(parts[:depth] if depth else parts)
        gathered.setdefault((name, timed.step.phase), []).append(timed)
    return tuple(_layer(name, phase, steps) for (name, phase), steps in gathered.items())


def _layer(name: str, phase: str, steps: Sequence[StepTime]) -> LayerTime:
    kinds = dict.fromkeys(timed.step.kind for timed in steps)
    riders = {rider for timed in steps for rider in timed.step.riders}
    own = {timed.step.layer for timed in steps}
    outside = {rider for rider in riders - own if not rider.startswith(f"{name}/")}
    resources = _sums(timed.resources for timed in steps)
    resources[OVERHEAD] = sum(timed.overhead for timed in steps)
    return LayerTime(
        name,
        phase,
        kinds.popitem()[0] if len(kinds) == 1 else "block",
        tuple(sorted(outside - {name})),
        len(steps),
        sum(timed.estimate for timed in steps),
        sum(timed.lower for timed in steps),
        sum(timed.upper for timed in steps),
        resources,
        _sums(timed.read for timed in steps),
        _sums(timed.written for timed in steps),
        sum(count for timed in steps for _, _, count in timed.step.work),
    )


def _sums(records: Iterable[Any]) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for record in records:
        for name, value in record.items():
            sums[name] = sums.get(name, 0) + value
    return sums


def hardware_dict(hardware: Hardware) -> dict[str, Any]:
    """The machine as it was used; infinite capacities and rates are null."""
    return {
        "name": hardware.name,
        "description": hardware.description,
        "cores": hardware.cores,
        "overhead_s": hardware.overhead,
        "overlap": hardware.overlap,
        "prefetch": hardware.prefetch,
        "memories": [
            {
                "name": memory.name,
                "capacity_bytes": _finite(hardware.total_capacity(memory)),
                "read_bytes_per_s": _finite(memory.read),
                "write_bytes_per_s": _finite(memory.write),
                "shared_bus": memory.shared_bus,
                "per_core": memory.per_core,
            }
            for memory in hardware.memories
        ],
        "units": [
            {"name": unit.name, "runs": list(unit.runs), "peak_flops_per_s": dict(unit.peak)}
            for unit in hardware.units
        ],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def as_dict(
    projection: Projection, fusion: str, precision: str, images: int, depth: int = 0
) -> dict[str, Any]:
    """The projection as JSON-able data, the same for the same inputs.

    Args:
      projection: to show.
      fusion: scenario of the schedule.
      precision: scenario of the numbers; empty for the program's own.
      images: that one pass handles.
      depth: parts of names that rows are folded to; 0 for all.
    """
    total = projection.estimate
    return {
        "fusion": fusion,
        "residency": projection.residency,
        "tiling": projection.tiling,
        "precision": precision or None,
        "steps": len(projection.steps),
        "time_s": total,
        "time_lower_s": projection.lower,
        "time_upper_s": projection.upper,
        "compulsory_time_s": projection.floor,
        "bound": projection.bound,
        "images_per_s": images / total if total else None,
        "energy_j": projection.energy,
        "resources_s": {**projection.resources, OVERHEAD: projection.overhead},
        "utilisation": {name: share / total for name, share in projection.resources.items()}
        if total
        else {},
        "traffic": {
            name: {
                "capacity_bytes": _finite(plan.capacity),
                "tile_bytes": _finite(plan.workspace),
                "occupancy_bytes": max(plan.occupancy, default=0),
                "read_bytes": plan.read,
                "written_bytes": plan.written,
                **{f"{kind}_bytes": moved for kind, moved in sorted(plan.by_kind().items())},
            }
            for name, plan in projection.plans.items()
        },
        "layers": [_row(layer) for layer in layer_times(projection, depth)],
        "warnings": list(projection.warnings),
    }


def _row(layer: LayerTime) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "phase": layer.phase,
        "includes": list(layer.includes),
        "steps": layer.steps,
        "time_s": layer.estimate,
        "time_lower_s": layer.lower,
        "time_upper_s": layer.upper,
        "bound": layer.bound,
        "resources_s": layer.resources,
        "read_bytes": layer.read,
        "written_bytes": layer.written,
    }


def as_csv(model: str, content: dict[str, Any]) -> str:
    """A row a layer of a projection's data; what has parts gets a column each."""
    rows = []
    for layer in content["layers"]:
        row = {"model": model}
        for key, value in layer.items():
            if isinstance(value, dict):
                row |= {f"{name}_{key.removeprefix('resources_')}": v for name, v in value.items()}
            else:
                row[key] = ";".join(value) if isinstance(value, list) else value
        rows.append(row)
    return rows_as_csv(rows)


def _scaled(seconds: float) -> tuple[float, str]:
    """The factor and unit that a total reads well in."""
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return factor, unit
    return 1e6, "us"


def as_table(projection: Projection, fusion: str, precision: str, images: int, depth: int) -> str:
    """Rows by phase, the sums, and the totals in words."""
    layers = layer_times(projection, depth)
    total = projection.estimate
    factor, unit = _scaled(max((layer.estimate for layer in layers), default=0.0))
    names = [name for name, spent in projection.resources.items() if spent]
    names += [OVERHEAD] if projection.overhead else []
    outer = projection.hardware.memories[-1].name
    heads = ("layer", "kind", f"time, {unit}", "%", "bound", *(f"{n}, {unit}" for n in names))
    rows: list[tuple[str, ...]] = [(*heads, f"{outer}, MB")]
    for phase in dict.fromkeys(layer.phase for layer in layers):
        chosen = [layer for layer in layers if layer.phase == phase]
        if len(chosen) < len(layers):
            rows.append((f"[{phase}]", *("",) * (len(rows[0]) - 1)))
        rows += [_cells(layer, total, factor, names, outer) for layer in chosen]
    moved = sum(layer.read[outer] + layer.written[outer] for layer in layers)
    spent = {**projection.resources, OVERHEAD: projection.overhead}
    sums = (f"{spent[name] * factor:,.3f}" for name in names)
    whole = f"{total * factor:,.3f}"
    rows.append(("total", "", whole, "100.0", projection.bound, *sums, f"{moved / 1e6:,.2f}"))
    columns = [place for place in range(2, len(rows[0])) if place != 4]
    return "\n".join(
        [
            f"on {projection.hardware.name}: {projection.hardware.description}",
            "",
            aligned(rows, columns),
            "",
            *_words(projection, fusion, precision, images),
        ]
    )


def _cells(
    layer: LayerTime, total: float, factor: float, names: Sequence[str], outer: str
) -> tuple[str, ...]:
    moved = layer.read[outer] + layer.written[outer]
    return (
        layer.name,
        layer.kind,
        f"{layer.estimate * factor:,.3f}",
        f"{100 * layer.estimate / total:.1f}" if total else "",
        layer.bound,
        *(f"{t * factor:,.3f}" if (t := layer.resources.get(n, 0.0)) else "" for n in names),
        f"{moved / 1e6:,.2f}" if moved else "",
    )


def _time(seconds: float) -> str:
    factor, unit = _scaled(seconds)
    return f"{seconds * factor:,.4g} {unit}" if seconds * factor < 1e4 else f"{seconds:,.0f} s"


def _words(projection: Projection, fusion: str, precision: str, images: int) -> list[str]:
    total = projection.estimate
    per_second = f", {images / total:,.4g} images/s" if total else ""
    lines = [
        f"{_time(total)}{per_second}; at least {_time(projection.lower)} if everything overlaps, "
        f"at most {_time(projection.upper)} if nothing does; "
        f"compulsory traffic alone {_time(projection.floor)}",
        f"scenario: fusion {fusion}, residency {projection.residency}, tiling {projection.tiling}, "
        f"precision {precision or 'as written'}; {len(projection.steps)} steps",
    ]
    for name, plan in projection.plans.items():
        kinds = ", ".join(f"{kind} {moved / 1e6:,.2f}" for kind, moved in plan.by_kind().items())
        held = max(plan.occupancy, default=0)
        lines.append(
            f"{name} moves {plan.bytes / 1e6:,.2f} MB ({kinds}); at most {held / 1e6:,.2f} MB "
            f"held inside it{_room(plan.workspace)}"
        )
    if projection.energy is not None:
        lines.append(f"energy of what the file prices: {projection.energy:.4g} J")
    return [*lines, *(f"warning: {warning}" for warning in projection.warnings)]


def _room(workspace: float) -> str:
    if not workspace or math.isinf(workspace):
        return ""
    return f", {workspace / 1e6:,.2f} MB set aside for tiles"
