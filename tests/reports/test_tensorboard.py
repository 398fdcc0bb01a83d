"""Event files as TensorBoard's own reader sees them."""

import math
import re
from pathlib import Path

import pytest

from resnets.reports.comparison import gap_curve
from resnets.reports.results import Study, read_study
from resnets.reports.tensorboard import beside_tag, gap_tag, layout, tag, write_tensorboard
from tests.reports.fake_study import row, whole_study, write_run, write_study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Depths of which one is the start of another, and an arm with a space."""
    return read_study(whole_study(tmp_path, lambda *_: 5.0, ("plain", "pre act"), (5, 56), 2))


def scalars(folder: Path) -> dict[str, list[int]]:
    """Tags and steps below a folder, read with TensorBoard's Python reader."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found: dict[str, list[int]] = {}
    for path in {file.parent for file in folder.rglob("events*")}:
        events = accumulator.EventAccumulator(str(path)).Reload()
        for name in events.Tags()["scalars"]:
            assert name not in found, "one directory a curve"
            found[name] = [event.step for event in events.Scalars(name)]
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_curves(study: Study) -> None:
    """A scalar for each arm, depth and error, by epoch; twice written is not twice there."""
    for _ in range(2):
        folder = write_tensorboard(study)
    found = scalars(folder)
    assert len(found) == 2 * 8 + 4
    assert found["train_error_pct/plain/depth56"] == [1, 2, 3]
    assert found["test_error_pct/pre_act/depth5"] == [2, 3]
    assert found["gap_test_error_pct/plain-pre_act/depth56"] == [2, 3]
    assert [e.name for e in study.path.glob(".tensorboard*")] == []


def test_layout_matches_exactly(study: Study) -> None:
    """Each chart's expressions match its own tags, and depth 5 not depth 56."""
    metrics = ("train_error_pct", "test_error_pct")
    tags = [tag(m, arm, depth) for m in metrics for arm in study.arms for depth in study.depths]
    gaps = [gap_tag(m, "plain", "pre act", depth) for m in metrics for depth in study.depths]
    beside = [
        beside_tag(m, arm, depth) for m in metrics for arm in study.arms for depth in study.depths
    ]
    shown: list[str] = []
    for charts in layout(study).values():
        for _, (kind, patterns) in charts.items():
            assert kind == "Multiline"
            matches = [[t for t in tags + beside + gaps if re.match(p, t)] for p in patterns]
            assert all(len(match) == 1 for match in matches)
            shown += [match[0] for match in matches]
    assert sorted(shown) == sorted(tags + beside + gaps), "by arm, by depth, gaps"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_depth_has_one_colour_in_all_charts_of_depths_and_an_arm_in_those_of_arms(
    study: Study,
) -> None:
    """TensorBoard colours by event directory."""
    folder = write_tensorboard(study)
    places = {d.name: set(scalars(d)) for d in folder.iterdir() if d.is_dir()}
    assert set(places) == {"depth5", "depth56", "plain", "pre_act"}
    assert {name.rpartition("/")[2] for name in places["depth5"]} == {"depth5"}
    assert {name.rpartition("/")[2] for name in places["plain"]} == {"plain"}


def test_a_gap_is_of_the_seeds_that_both_arms_have(tmp_path: Path) -> None:
    """Two of three seeds of one arm: the third of the other does not count."""
    path = tmp_path / "study"
    rows = [row(arm, 8, seed) for arm in ("plain", "residual") for seed in range(3)]
    write_study(path, rows)
    for seed in range(3):
        write_run(path, f"plain-d8-s{seed}", 20.0 + 10 * seed, 50.0, epochs=1)
    for seed in range(2):
        write_run(path, f"residual-d8-s{seed}", 5.0, 50.0, epochs=1)
    (point,) = gap_curve(read_study(path), 8, "plain", "residual", "train_error_pct")
    share = 1 - math.exp(-5)
    assert (point.epoch, point.n) == (1, 2)
    assert (point.low, point.mean, point.high) == pytest.approx(
        (15 * share, 20 * share, 25 * share)
    )


def test_nothing_yet(tmp_path: Path) -> None:
    """A queued study has a layout and no curve; an empty one does not fail."""
    for rows in ([row("plain", 8, 0)], []):
        folder = write_tensorboard(read_study(write_study(tmp_path, rows)))
        assert len(list(folder.rglob("events*"))) == 1
