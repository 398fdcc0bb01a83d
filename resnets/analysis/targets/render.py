"""What a device's compiler made of a program, as a table or JSON-able data."""

from collections.abc import Mapping, Sequence
from typing import Any

from resnets.analysis import hardware
from resnets.analysis.targets.catalogue import Slice
from resnets.analysis.targets.layers import TargetLayer, by_layer, cycles, waiting
from resnets.analysis.targets.layers import seconds as times
from resnets.columns import aligned


def as_dict(
    found: Mapping[str, Any],
    chosen: Slice,
    devices: int,
    depth: int = 0,
) -> dict[str, Any]:
    """The compiled program as data.

    Args:
      found: what `program.compiled` and `program.projected` give.
      chosen: slice that it is for.
      devices: that it uses.
      depth: parts of names that rows are folded to; 0 for all.
    """
    total = cycles(found)
    layers = by_layer(found, found["named"], depth, tuple(found["peaks"]))
    rows = _rows(found, layers, chosen.target.clock, depth)
    in_layers = sum(row.cycles for row in layers if row.named)
    categories: dict[str, int] = {}
    for kernel in found["kernels"]:
        categories[kernel["category"]] = categories.get(kernel["category"], 0) + 1
    return {
        "target": chosen.target.name,
        "topology": found["topology"],
        "devices": devices,
        "versions": dict(found["versions"]),
        "program_sha256": found["program_sha256"],
        "kernels": categories,
        "cycles": total,
        "cycles_in_layers": in_layers / total if total else None,
        "time_s": total / chosen.target.clock if chosen.target.clock else times(found),
        "unestimated_kernels": sum(row.unestimated for row in layers),
        "roofline_s": sum(row.roofline_seconds for row in layers),
        "flops": round(sum(row.flops for row in layers)),
        "projected_s": sum(seconds for _, _, seconds in found["projected"]) or None,
        "memory_bytes": dict(found["memory"]),
        "collective_bytes": sum(row["collective_bytes"] for row in rows),
        "waiting_s": waiting(found, devices, hardware.load(chosen.target.hardware).interconnect),
        "projected_efficiency": found.get("projected_efficiency"),
        "layers": rows,
        "hosts": _folded(found["hosts"], depth),
        "warnings": list(found["warnings"]),
    }


def _rows(
    found: Mapping[str, Any], layers: Sequence[TargetLayer], clock: float, depth: int
) -> list[dict[str, Any]]:
    """A row a layer, with our projection of it and the ratio where the compiler has it whole."""
    projected: dict[tuple[str, str], float] = {}
    for name, phase, seconds in found["projected"]:
        key = "/".join(name.split("/")[: depth or None]), phase
        projected[key] = projected.get(key, 0.0) + seconds
    rows = []
    for row in layers:
        seconds = row.cycles / clock if clock else row.seconds
        whole = seconds if not row.unestimated else None  # a roofline of ours judges nothing
        ours = projected.get((row.name, row.phase))
        rows.append(
            {
                "name": row.name,
                "phase": row.phase,
                "kernels": row.kernels,
                "copies": row.copies,
                "cycles": round(row.cycles),
                "time_s": seconds,
                "unestimated_kernels": row.unestimated,
                "roofline_s": row.roofline_seconds,
                "flops": round(row.flops),
                "read_bytes": round(row.read_bytes),
                "written_bytes": round(row.written_bytes),
                "near_bytes": round(row.near_bytes),
                "collective_bytes": round(row.collective_bytes),
                "projected_s": ours,
                "ratio": ours / whole if ours is not None and whole else None,
            }
        )
    return rows


def _folded(hosts: Sequence[Sequence[str]], depth: int) -> list[list[str]]:
    short = [["/".join(part.split("/")[: depth or None]) for part in host] for host in hosts]
    return [list(host) for host in dict.fromkeys(map(tuple, short)) if host[0] != host[2]]


_HEADINGS = (
    *("layer", "phase", "kernels", "copies", "kcycles", "%", "time, us", "projected, us", "ratio"),
    *("main memory, MB", "on chip, MB"),
)


def as_table(content: Mapping[str, Any]) -> str:
    """The rows under their units, and the totals in words."""
    total = content["cycles"]
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for row in content["layers"]:
        moved = row["read_bytes"] + row["written_bytes"]
        rows.append(
            (
                row["name"],
                row["phase"],
                str(row["kernels"]),
                str(row["copies"] or ""),
                f"{row['cycles'] / 1e3:,.1f}" if row["cycles"] else "",
                f"{100 * row['cycles'] / total:.1f}" if row["cycles"] else "",
                _time(row),
                f"{row['projected_s'] * 1e6:,.1f}" if row["projected_s"] is not None else "",
                f"{row['ratio']:.2f}" if row["ratio"] is not None else "",
                f"{moved / 1e6:,.2f}" if moved else "",
                f"{row['near_bytes'] / 1e6:,.2f}" if row["near_bytes"] else "",
            )
        )
    return "\n".join([aligned(rows, range(2, len(_HEADINGS))), "", *_words(content)])


def _time(row: Mapping[str, Any]) -> str:
    """Microseconds, a mark before them where part of them is a roofline."""
    seconds = row["time_s"] + row["roofline_s"]
    shown = f"{seconds * 1e6:,.1f}" if seconds else ""
    return f"~{shown}" if row["unestimated_kernels"] and shown else shown


def _words(content: Mapping[str, Any]) -> list[str]:
    memory = content["memory_bytes"]
    kinds = ", ".join(f"{count} {kind}" for kind, count in content["kernels"].items())
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    lines = [
        f"compiled for {content['devices']} of {content['topology']} ({versions}); "
        f"kernels: {kinds}",
    ]
    if not content["cycles"]:
        lines.append(
            f"{content['time_s'] * 1e3:,.4g} ms by the compiler's estimate; "
            f"{content['unestimated_kernels']} kernels have none (library calls among them), at "
            f"the machine's peaks {content['roofline_s'] * 1e3:,.4g} ms; our projection of all "
            f"{content['projected_s'] * 1e3:,.4g} ms"
        )
    else:
        lines.append(
            f"{content['cycles']:,} cycles by the compiler's estimate, "
            f"{content['time_s'] * 1e3:,.4g} ms, "
            f"{100 * content['cycles_in_layers']:.1f} % of them in named layers; "
            f"our projection {content['projected_s'] * 1e3:,.4g} ms"
        )
        if content["unestimated_kernels"]:
            lines.append(
                f"{content['unestimated_kernels']} kernels that compute have no estimate and are "
                f"in no cycles; at the machine's peaks {content['roofline_s'] * 1e3:,.4g} ms"
            )
    lines.append(
        f"memory of a device: peak {memory['peak'] / 1e6:,.1f} MB: arguments "
        f"{memory['arguments'] / 1e6:,.1f}, results {memory['outputs'] / 1e6:,.1f}, "
        f"temporary {memory['temporary'] / 1e6:,.1f}"
    )
    if content["collective_bytes"]:
        lines.append(
            f"collectives: {content['collective_bytes'] / 1e6:,.2f} MB of results; computing waits "
            f"{content['waiting_s'] * 1e3:,.4g} ms for them, by the hardware file's links"
        )
    return [*lines, *(f"warning: {warning}" for warning in content["warnings"])]
