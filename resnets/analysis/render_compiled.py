"""The optimised program as a table or JSON-able data, beside the account of the lowered one."""

from collections.abc import Sequence
from typing import Any

from resnets.analysis.compiled import Compiled, LayerBytes
from resnets.columns import aligned

_HEADINGS = ("layer", "phase", "kernels", "bytes after fusion, kB", "share, %")


def folded(layers: Sequence[LayerBytes], depth: int) -> tuple[LayerBytes, ...]:
    """Add up rows that agree in the first `depth` parts of their names; 0 leaves them alone."""
    gathered: dict[tuple[str, str], list[LayerBytes]] = {}
    for row in layers:
        parts = row.layer.split("/")
        gathered.setdefault(("/".join(parts[: depth or None]), row.phase), []).append(row)
    return tuple(
        LayerBytes(layer, phase, sum(r.bytes for r in rows), sum(r.kernels for r in rows))
        for (layer, phase), rows in gathered.items()
    )


def as_dict(compiled: Compiled, depth: int = 0) -> dict[str, Any]:
    """What the compiler made of the program; compile time is left out, it is never the same."""
    memory, xla = compiled.memory, compiled.xla
    return {
        "backend": compiled.backend,
        "versions": list(compiled.versions),
        "kernels": len(compiled.kernels),
        "launches": sum(kernel.runs or 0 for kernel in compiled.kernels),
        "bytes_after_fusion": compiled.bytes,
        "peak_memory_bytes": memory.peak,
        "temporary_bytes": memory.temporary,
        "xla": {
            "flops": xla.flops,
            "transcendentals": xla.transcendentals,
            "bytes_accessed": xla.bytes,
        },
        "layers": [
            {"name": r.layer, "phase": r.phase, "kernels": r.kernels, "bytes_after_fusion": r.bytes}
            for r in folded(compiled.layers, depth)
        ],
        "warnings": list(compiled.warnings),
    }


def as_table(compiled: Compiled, depth: int = 0) -> str:
    """Traffic after fusion by layer, and the totals in words."""
    whole = compiled.bytes or 1
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for row in folded(compiled.layers, depth):
        cells = (f"{row.kernels}", f"{row.bytes / 1e3:,.1f}", f"{100 * row.bytes / whole:.1f}")
        rows.append((row.layer, row.phase, *cells))
    memory, xla = compiled.memory, compiled.xla
    launches = sum(kernel.runs or 0 for kernel in compiled.kernels)
    lines = [
        f"compiled for {compiled.backend} in {compiled.seconds:.1f} s: {len(compiled.kernels)} "
        f"kernels, {launches} launches",
        f"bytes after fusion {compiled.bytes / 1e6:,.1f} MB; peak memory {memory.peak / 1e6:,.1f} "
        f"MB, of which {memory.temporary / 1e6:,.1f} MB temporary",
        f"XLA's own totals, a loop's body once: {xla.flops / 1e9:.3f} GFLOPs, "
        f"{xla.transcendentals / 1e6:.2f} M transcendentals, {xla.bytes / 1e6:,.1f} MB",
        *(f"warning: {warning}" for warning in compiled.warnings),
    ]
    return "\n".join([aligned(rows, range(2, len(_HEADINGS))), "", *lines])
