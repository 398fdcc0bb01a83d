"""The report as one page: no request to anywhere, light and dark, phone and paper."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

from resnets.drawing.document import document
from resnets.drawing.interactive import asset, compiled, themed
from resnets.reports import palette
from resnets.reports.charts import HEIGHT, Chart
from resnets.reports.findings import headline
from resnets.reports.legend import groups
from resnets.reports.provenance import environment, facts, settings
from resnets.reports.results import Study
from resnets.reports.status import StudyStatus, going_on
from resnets.reports.tables import (
    EVIDENCE,
    all_runs,
    evidence,
    final_errors,
    paired_differences,
    unfinished,
)
from resnets.reports.verdict import completeness, continue_command, verdict

_SCRIPTS = ("panels.js", "pointer.js", "readout.js", "switches.js")


def _panels(charts: Sequence[Chart], colours: Sequence[str]) -> list[dict[str, Any]]:
    """What the page's script draws, panel by panel."""
    return [
        {
            "id": f"{chart.name}-{number}",
            "spec": compiled(panel.chart, panel.rows, colours, HEIGHT, panel.switches),
            "switches": dict(panel.switches),
            "readout": dict(panel.readout),
            "log": panel.log,
            "keys": panel.keys,
        }
        for chart in charts
        for number, panel in enumerate(chart.panels)
    ]


def page(study: Study, charts: Sequence[Chart], status: StudyStatus, refresh_s: int = 0) -> str:
    """Write the page, self-contained HTML; all text from files is escaped by the template.

    Args:
      study: what to report.
      charts: its charts.
      status: how its runs stand.
      refresh_s: seconds after which a browser loads the page again; 0 for never.
    """
    folder = resources.files("resnets.reports")
    twins = palette.dark_twins(len(study.depths))
    return document(
        folder.joinpath("report.html.jinja").read_text("utf-8"),
        kind=f"Study: {study.name}",
        subject=study.name,
        headline=headline(study),
        twins=twins,
        styles=[folder.joinpath("report.css").read_text("utf-8")],
        scripts=_SCRIPTS,
        panels=_panels(charts, list(twins)),
        study=study,
        verdict=verdict(study)[:-1],
        complete=completeness(study),
        facts=facts(study),
        status=status,
        going_on=going_on(status),
        refresh_s=refresh_s,
        groups=groups(study),
        charts=charts,
        stills={chart.name: themed(chart.svg, twins) for chart in charts},
        errors=final_errors(study),
        pairs=paired_differences(study),
        evidence=evidence(study),
        evidence_lead=EVIDENCE,
        left=unfinished(study),
        command=continue_command(study),
        environment=environment(study),
        settings=settings(study),
        runs=all_runs(study),
        refresh=asset("refresh.js"),
    )
