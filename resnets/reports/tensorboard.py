"""The study in TensorBoard: mean curves over seeds, and a layout that overlays them.

`tensorboard --logdir STUDY_DIR` then has a Custom Scalars tab: a chart per arm with every depth,
one of the gap between the arms, and a chart per depth with every arm. The runs' own event files
below `runs/` show beside it.
"""

import itertools
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


def beside_tag(metric: Metric, arm: str, depth: int) -> str:
    """The same curve again, for charts in which arms have the colours, not depths."""
    return f"{metric}/depth{depth}/{_part(arm)}"


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
                f"depth {depth}": _chart(beside_tag(metric, arm, depth) for arm in study.arms)
                for depth in study.depths
            }
    return sections


Curves = dict[str, dict[str, list[tuple[float, int]]]]
"""By event directory and tag: values and epochs."""


def _curves(study: Study) -> Curves:
    """All curves, in the directory whose colour they are to have.

    TensorBoard gives each event directory one colour wherever it shows. So a depth has one, for all
    charts of depths, and an arm has one, for the charts of arms.
    """
    found: Curves = {}
    reference = reference_arm(study)
    for depth, arm, metric in itertools.product(study.depths, study.arms, METRICS):
        by_depth = found.setdefault(f"depth{depth}", {})
        points = [(p.mean, p.epoch) for p in mean_curve(study.select(arm, depth), metric)]
        by_depth[tag(metric, arm, depth)] = points
        found.setdefault(_part(arm), {})[beside_tag(metric, arm, depth)] = points
        if reference and arm != reference:
            gaps = gap_curve(study, depth, arm, reference, metric)
            name = gap_tag(metric, arm, reference, depth)
            by_depth[name] = [(p.mean, p.epoch) for p in gaps]
    return found


def _write(folder: Path, study: Study) -> None:
    from tensorboardX import SummaryWriter

    with SummaryWriter(logdir=str(folder)) as writer:
        writer.add_custom_scalars(layout(study))
    for name, curves in _curves(study).items():
        if not any(curves.values()):
            continue
        with SummaryWriter(logdir=str(folder / name)) as writer:
            for label, points in curves.items():
                for value, epoch in points:
                    writer.add_scalar(label, value, epoch)


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
