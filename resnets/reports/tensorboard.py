"""The study in TensorBoard: mean curves over seeds, and a layout that overlays them.

`tensorboard --logdir STUDY_DIR` then has a Custom Scalars tab: a chart per arm with every depth,
one of the gap between the arms, and a chart per depth with every arm. The runs' own event files
below `runs/` show beside it.
"""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from resnets.errors import RunError
from resnets.reports.comparison import METRICS, Metric, gap_curve, mean_curve, reference_arm
from resnets.reports.results import Study

TITLES: dict[Metric, str] = {
    "train_error_pct": "training error, %",
    "test_error_pct": "test error, %",
}


def _part(arm: str) -> str:
    """An arm's name with only the characters that a tag may have, so that tags match themselves."""
    return re.sub(r"[^-\w.]", "_", arm, flags=re.ASCII)


def tag(metric: Metric, arm: str, depth: int) -> str:
    """The scalar that holds the mean curve: `test_error_pct/plain/depth56`, percent by epoch."""
    return f"{metric}/{_part(arm)}/depth{depth}"


Layout = dict[str, dict[str, list[str | list[str]]]]


def gap_tag(metric: Metric, arm: str, reference: str, depth: int) -> str:
    """The scalar that holds the gap between two arms: percentage points by epoch."""
    return f"gap_{metric}/{_part(arm)}-{_part(reference)}/depth{depth}"


def _chart(tags: Iterable[str]) -> list[str | list[str]]:
    # TensorBoard matches expressions at the start only: depth5 would also show depth56.
    return ["Multiline", [f"^{re.escape(name)}$" for name in tags]]


def layout(study: Study) -> Layout:
    """Categories of charts: by arm, the gap between arms, and by depth, of either error."""
    sections: Layout = {}
    for metric in reversed(METRICS):
        sections[f"{TITLES[metric]}, by arm"] = {
            arm: _chart(tag(metric, arm, depth) for depth in study.depths) for arm in study.arms
        }
    if reference := reference_arm(study):
        sections["gap at equal depth and seed, percentage points"] = {
            f"{arm} - {reference}, {TITLES[metric].removesuffix(', %')}": _chart(
                gap_tag(metric, arm, reference, depth) for depth in study.depths
            )
            for arm in study.arms
            if arm != reference
            for metric in reversed(METRICS)
        }
        for metric in reversed(METRICS):
            sections[f"{TITLES[metric]}, by depth"] = {
                f"depth {depth}": _chart(tag(metric, arm, depth) for arm in study.arms)
                for depth in study.depths
            }
    return sections


def _write(folder: Path, study: Study) -> None:
    from tensorboardX import SummaryWriter

    with SummaryWriter(logdir=str(folder)) as writer:
        writer.add_custom_scalars(layout(study))
    _write_means(folder, study)
    _write_gaps(folder, study)


def _write_means(folder: Path, study: Study) -> None:
    from tensorboardX import SummaryWriter

    for arm in study.arms:
        for depth in study.depths:
            runs = study.select(arm, depth)
            if not any(run.curve for run in runs):
                continue
            # TensorBoard colours by event directory: one for all curves would be one colour.
            with SummaryWriter(logdir=str(folder / f"{_part(arm)}-depth{depth}")) as writer:
                for metric in METRICS:
                    for point in mean_curve(runs, metric):
                        writer.add_scalar(tag(metric, arm, depth), point.mean, point.epoch)


def _write_gaps(folder: Path, study: Study) -> None:
    from tensorboardX import SummaryWriter

    reference = reference_arm(study)
    if reference is None:
        return
    for arm in (name for name in study.arms if name != reference):
        for depth in study.depths:
            curves = {m: gap_curve(study, depth, arm, reference, m) for m in METRICS}
            if not any(curves.values()):
                continue
            place = folder / f"gap-{_part(arm)}-{_part(reference)}-depth{depth}"
            with SummaryWriter(logdir=str(place)) as writer:
                for metric, points in curves.items():
                    name = gap_tag(metric, arm, reference, depth)
                    for point in points:
                        writer.add_scalar(name, point.mean, point.epoch)


def write_tensorboard(study: Study) -> Path:
    """Write `STUDY_DIR/tensorboard/` anew; the step axis counts epochs.

    Raises:
      RunError: it cannot be written.
    """
    final = study.path / "tensorboard"
    # Written beside and moved, so that TensorBoard never reads half of it.
    new = study.path / f".tensorboard.{os.getpid()}"
    try:
        shutil.rmtree(new, ignore_errors=True)
        _write(new, study)
        if final.exists():
            shutil.rmtree(final)
        new.rename(final)
    except OSError as error:
        raise RunError(f"{final} cannot be written: {error.strerror}") from None
    return final
