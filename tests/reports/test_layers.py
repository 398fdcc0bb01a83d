"""Charts by layer, from records written by hand."""

import json
from pathlib import Path

import pytest

from resnets.diagnostics.readings import QUANTITIES
from resnets.errors import UserError
from resnets.reports import charts, layers, write_report
from resnets.reports.results import read_study
from tests.reports.fake_study import diagnose, whole_study

RUNS = [(arm, depth, seed) for arm in ("plain", "residual") for depth in (8, 56) for seed in (0, 1)]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two seeds an arm and depth; residual networks respond half as strongly as plain ones."""
    path = whole_study(tmp_path / "study", lambda *_: 5.0, seeds=2, diagnosed=False)
    for arm, depth, seed in RUNS:
        run = path / "runs" / f"{arm}-d{depth}-s{seed}"
        size = (2.0 if arm == "plain" else 1.0) * (1 + seed)
        diagnose(run, depth // 4, epoch=1, size=100.0)
        diagnose(run, depth // 4, epoch=3, size=size)
    return path


def test_rows_hold_the_mean_and_the_range_of_the_last_diagnoses(study: Path) -> None:
    found = layers.rows(read_study(study), "plain", layers.RESPONSES)
    assert [row["layer"] for row in found] == [1, 2, *range(1, 15)]
    second = found[1]
    assert (second["name"], second["n"]) == ("stage1/block1/bn1", 2)
    assert (second["low"], second["mean"], second["high"]) == (1.0, 1.5, 2.0)
    assert second["shown"] == "1.5"


def test_a_number_that_is_not_finite_counts_for_nothing(study: Path) -> None:
    file = study / "runs" / "plain-d8-s0" / "metrics.jsonl"
    record = json.loads(file.read_text().splitlines()[-1])
    record["gradient_norm"]["stage1/block0/conv1"] = None
    with file.open("a") as lines:
        lines.write(json.dumps(record) + "\n")
    first, second, *_ = layers.rows(read_study(study), "plain", layers.GRADIENTS)
    assert (first["n"], first["mean"]) == (1, 0.1)
    assert second["n"] == 2


def test_the_charts_say_how_strongly_the_arms_respond(study: Path) -> None:
    drawn = {chart.name: chart for chart in charts.draw(read_study(study))}
    mean = sum(1 / n for n in range(1, 15)) / 14
    assert drawn["responses"].title == (
        f"At 56 layers responses have a mean standard deviation of {1.5 * mean:.2f} in residual "
        f"networks and {3 * mean:.2f} in plain ones"
    )
    assert "n\u00a0=\u00a02" in drawn["responses"].caption
    assert [panel.title for panel in drawn["gradients"].panels] == ["plain", "residual"]


def test_every_quantity_that_a_run_records_has_a_chart(study: Path) -> None:
    assert {quantity.key for quantity in layers.QUANTITIES} == set(QUANTITIES)
    drawn = dict(zip(layers.NAMES, layers.charts(read_study(study)), strict=True))
    assert {panel.title for panel in drawn["branches"][2]} == {"residual"}
    assert all(len(drawn[name][2]) == 2 for name in layers.NAMES if name != "branches")
    assert all(title and caption for title, caption, _ in drawn.values())


def test_dead_channels_are_in_percent(study: Path) -> None:
    *_, before, last = layers.rows(read_study(study), "plain", layers.DEAD)
    assert before["mean"] == 0.0
    assert (last["name"], last["mean"]) == ("stage1/block13/relu1", 10.0)


def test_responses_are_not_compared_with_those_of_a_network_that_did_not_learn(
    tmp_path: Path,
) -> None:
    def error(arm: str, depth: int, _: int) -> float:
        return 60.0 if (arm, depth) == ("plain", 56) else 1.0

    failed = read_study(whole_study(tmp_path / "one", error, seeds=1))
    title = layers.charts(failed)[0][0]
    assert title.startswith("At 8 layers responses have")
    assert title.endswith("; deeper, not all learnt")
    never = read_study(whole_study(tmp_path / "never", lambda *_: 60.0, seeds=1))
    assert layers.charts(never)[0][0] == "How strongly does each layer respond?"


@pytest.mark.slow
def test_the_report_has_them_as_files_and_without_diagnostics_none(
    study: Path, tmp_path: Path
) -> None:
    write_report(study)
    assert {f"{name}.{end}" for name in layers.NAMES for end in ("svg", "png")} <= {
        file.name for file in (study / "report").iterdir()
    }
    other = whole_study(tmp_path / "other", lambda *_: 5.0, seeds=1, diagnosed=False)
    assert {chart.name for chart in charts.draw(read_study(other))} == set(charts.NAMES) - set(
        layers.NAMES
    )


def test_a_malformed_diagnosis_is_named(study: Path) -> None:
    file = study / "runs" / "plain-d8-s0" / "metrics.jsonl"
    bad = {"kind": "diagnostics", "step": 1, "epoch": 1, "gradient_norm": {"conv": "much"}}
    with file.open("a") as lines:
        lines.write(json.dumps(bad) + "\n")
    with pytest.raises(UserError, match=r"conv='much' is not a number"):
        read_study(study)
