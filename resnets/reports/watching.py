"""The report of a study that goes on: its page is written anew whenever a run has moved."""

import time
from collections.abc import Callable
from pathlib import Path

from resnets.reports.results import Study, read_study
from resnets.reports.status import StudyStatus, status_of

EVERY_S = 5
"""Seconds between two looks, and between two times that a browser loads the page again."""

_SHARE, _LONGEST_S = 0.1, 20.0
"""Of one core, which writing may take from the runs; the longest time between two looks for it."""


def watch(study_dir: Path, say: Callable[[StudyStatus], None], every_s: float = EVERY_S) -> None:
    """Keep `report/report.html` up to date until every run is done or has failed.

    A run that failed may be begun again: only two looks in turn that find no other end it.

    Args:
      study_dir: the study.
      say: told how the study stands, whenever that has changed.
      every_s: seconds between two looks.

    Raises:
      UserError: no study there, or a malformed file; names the file and the line.
      RunError: the page cannot be written.
    """
    from resnets.reports import write_page

    known: Study | None = None
    settled = False
    while True:
        study = read_study(study_dir)
        status = status_of(study)
        if study.count("done") == len(study.runs) or (settled and status.settled):
            return
        settled = status.settled
        began = time.process_time()
        if study != known:
            known = study
            write_page(study, status, refresh_s=EVERY_S)
            say(status)
        rest_s = (time.process_time() - began) * (1 / _SHARE - 1)
        time.sleep(max(every_s, min(_LONGEST_S, rest_s)))
