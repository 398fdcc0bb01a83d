"""The charts of each probe."""

from collections.abc import Callable, Mapping

from resnets.drawing.chart import Chart
from resnets.reports.probes import layerwise, pictorial, sureness
from resnets.reports.probes.findings import Findings

_CHARTS: Mapping[str, Callable[[Findings], list[Chart]]] = {
    "lesion": layerwise.lesion,
    "response": layerwise.response,
    "gradient": layerwise.gradient,
    "shift": layerwise.shift,
    "receptive_field": pictorial.receptive_field,
    "features": pictorial.features,
    "calibration": sureness.calibration,
}


def draw(findings: Findings) -> list[Chart]:
    """Draw what a probe found; every title says the finding or the question."""
    return _CHARTS[findings.what](findings)
