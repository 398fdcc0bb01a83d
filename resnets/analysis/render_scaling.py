"""Data-parallel training over many devices as a table or as rows of JSON-able data."""

from collections.abc import Sequence
from typing import Any

from resnets.analysis.scaling import Scaled
from resnets.columns import aligned

_HEADINGS = (
    "devices",
    "step, ms",
    "images/s",
    "efficiency, %",
    "communication, ms",
    "exposed, ms",
    "all-reduces",
    "gradients, MB",
    "statistics, kB",
)


def as_rows(scaled: Sequence[Scaled], images: int) -> list[dict[str, Any]]:
    """A row a number of devices; `images` is the batch of one device."""
    return [
        {
            "devices": row.devices,
            "step_s": row.step_s,
            "images_per_s": row.devices * images / row.step_s,
            "efficiency": row.efficiency,
            "compute_s": row.compute_s,
            "communication_s": row.communication_s,
            "exposed_s": row.exposed_s,
            "all_reduces": row.all_reduces,
            "gradient_bytes": row.gradient_bytes,
            "statistics_bytes": row.statistics_bytes,
        }
        for row in scaled
    ]


def as_table(scaled: Sequence[Scaled], images: int) -> str:
    """The rows under their units, and what is assumed in words."""
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for row in scaled:
        rows.append(
            (
                f"{row.devices:,}",
                f"{row.step_s * 1e3:,.3f}",
                f"{row.devices * images / row.step_s:,.0f}",
                f"{100 * row.efficiency:.1f}",
                f"{row.communication_s * 1e3:,.3f}",
                f"{row.exposed_s * 1e3:,.3f}",
                f"{row.all_reduces}",
                f"{row.gradient_bytes / 1e6:,.1f}",
                f"{row.statistics_bytes / 1e3:,.1f}",
            )
        )
    note = (
        f"weak scaling, {images} images a device: gradients are all-reduced behind the backward "
        "pass, batch statistics while the step waits"
    )
    return "\n".join([aligned(rows, range(len(_HEADINGS))), "", note])
