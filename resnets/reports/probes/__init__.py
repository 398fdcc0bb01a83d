"""What probes of trained runs found: charts and summaries of plain rows."""

from resnets.reports.probes.drawn import draw
from resnets.reports.probes.findings import Findings
from resnets.reports.probes.summary import summary

__all__ = ["Findings", "draw", "summary"]
