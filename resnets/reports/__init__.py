"""From a study's files to its answer: tables, charts, a page, TensorBoard. Reads files only."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from resnets.reports.results import Study, read_study

if TYPE_CHECKING:
    from resnets.reports.status import StudyStatus

__all__ = ["print_summary", "summary", "write_page", "write_report"]

COLUMNS = (
    "study",
    "run",
    "arm",
    "depth",
    "seed",
    "train_loss",
    "train_error_pct",
    "test_error_pct",
    "steps",
    "wall_s",
)


def _results_csv(study: Study) -> str:
    """One row a done run; a number that was not finite is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in study.runs:
        if run.final:
            final = run.final
            which = study.name, run.id, run.arm, run.depth, run.seed
            errors = final.train_loss, final.train_error_pct, final.test_error_pct
            writer.writerow((*which, *errors, final.steps, final.wall_s))
    return text.getvalue()


def summary(study_dir: Path) -> str:
    """The verdict and tables for stdout, 80 columns wide; writes nothing.

    Raises:
      UserError: no study there, or a malformed file; names the file and the line.
    """
    from resnets.reports.terminal import summary_text

    return summary_text(read_study(study_dir))


def print_summary(study_dir: Path) -> None:
    """Print the verdict and tables: with rules and colours on a terminal, else as `summary`.

    Raises:
      UserError: no study there, or a malformed file; names the file and the line.
    """
    from resnets.reports.terminal import print_summary

    print_summary(read_study(study_dir))


def write_page(study: Study, status: "StudyStatus", refresh_s: int = 0) -> None:
    """Write `report/report.html` alone.

    Args:
      study: what to report.
      status: how its runs stand.
      refresh_s: seconds after which a browser loads the page again; 0 for never.

    Raises:
      RunError: it cannot be written.
    """
    from resnets.reports import charts, files, page

    text = page.page(study, charts.draw(study), status, refresh_s)
    files.write(study.path / "report" / "report.html", text)


def write_report(study_dir: Path) -> str:
    """Write `STUDY_DIR/report/` and `STUDY_DIR/tensorboard/` anew, from the study's files alone.

    Args:
      study_dir: holds `study.json`, `manifest.jsonl` and `runs/ID/`.

    Returns:
      The verdict and tables for stdout, 80 columns wide.

    Raises:
      UserError: no study there, or a malformed file; names the file and the line.
      RunError: the report cannot be written.
    """
    from resnets.reports import charts, files, markdown, page, status, tensorboard, terminal

    study = read_study(study_dir)
    drawn = charts.draw(study)
    folder = study_dir / "report"
    for chart in drawn:
        alone = charts.on_white(chart.svg)
        files.write(folder / f"{chart.name}.svg", alone)
        files.write(folder / f"{chart.name}.png", charts.to_png(alone))
    files.write(folder / "results.csv", _results_csv(study))
    files.write(folder / "report.md", markdown.markdown(study, {c.name: c.caption for c in drawn}))
    files.write(folder / "report.html", page.page(study, drawn, status.status_of(study)))
    stale = set(charts.NAMES) - {chart.name for chart in drawn}
    files.remove(folder / f"{name}.{end}" for name in stale for end in ("svg", "png"))
    tensorboard.write_tensorboard(study)
    return terminal.summary_text(study)
