"""The report as one page: no request to anywhere, light and dark, phone and paper."""

from collections.abc import Sequence
from importlib import resources

from resnets.reports import palette
from resnets.reports.charts import Chart
from resnets.reports.results import Study
from resnets.reports.tables import (
    all_runs,
    environment,
    final_errors,
    paired_differences,
    unfinished,
)
from resnets.reports.verdict import continue_command, verdict


def page(study: Study, charts: Sequence[Chart]) -> str:
    """Write the page, self-contained HTML; all text from files is escaped by the template."""
    import jinja2

    engine = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("resnets.reports").joinpath("report.html.jinja").read_text("utf-8")
    return engine.from_string(source).render(
        study=study,
        verdict=verdict(study),
        charts=charts,
        errors=final_errors(study),
        pairs=paired_differences(study),
        left=unfinished(study),
        command=continue_command(study),
        environment=environment(study),
        runs=all_runs(study),
        ink=palette.TEXT,
        twins=palette.dark_twins(len(study.depths)),
    )
