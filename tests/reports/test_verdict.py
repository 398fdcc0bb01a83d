"""The verdict says what the numbers say, either way, and how complete they are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnets.reports.comparison import differences
from resnets.reports.results import read_study
from resnets.reports.tables import (
    duration,
    evidence,
    final_errors,
    fixed,
    paired_differences,
)
from resnets.reports.verdict import continue_command, number, verdict
from tests.reports.fake_study import row, whole_study, write_run, write_study


def degraded(arm: str, depth: int, seed: int) -> float:
    """Plain-56 fails: differences at depth 56 are 48, 49, 50 points."""
    return {("plain", 56): 49.0 + seed, ("residual", 56): 1.0}.get((arm, depth), 2.0 + seed)


def test_plain_is_worse(tmp_path: Path) -> None:
    """49 ± t(2) 4.302653 / sqrt(3) = 46.52 to 51.48."""
    answer = verdict(read_study(whole_study(tmp_path, degraded)))
    assert answer == (
        "At depth 56 plain networks end at 50.0 % training error, residual ones at 1.00 %: "
        "49.0 points more (95 % interval 46.5 to 51.5, 3 pairs).",
        "Test error is 51.0 % for plain and 2.00 % for residual networks: "
        "49.0 points more (95 % interval 46.5 to 51.5, 3 pairs).",
        "From depth 8 to 56 training error rises by 47.0 points for plain networks and "
        "falls by 2.00 points for residual networks.",
        "All 12 runs are done.",
    )


def test_the_opposite(tmp_path: Path) -> None:
    """With the arms exchanged it says less, and rises and falls change places."""
    other = {"plain": "residual", "residual": "plain"}
    study = whole_study(tmp_path, lambda arm, *rest: degraded(other[arm], *rest))
    answer = verdict(read_study(study))
    assert "49.0 points less (95 % interval -51.5 to -46.5, 3 pairs)" in answer[0]
    assert "falls by 2.00 points for plain networks and rises by 47.0 points" in answer[2]


def test_undecided(tmp_path: Path) -> None:
    """An interval that includes zero is said to decide nothing."""
    study = whole_study(tmp_path, lambda arm, _, seed: 5.0 + seed * (arm == "plain") - 0.9)
    assert (
        "The training and test intervals include zero: these runs do not tell the two arms apart."
        in verdict(read_study(study))
    )


def test_equal(tmp_path: Path) -> None:
    """No difference is neither more nor less."""
    answer = verdict(read_study(whole_study(tmp_path, lambda *_: 5.0)))
    assert "no difference (95 % interval 0.00 to 0.00, 3 pairs)" in answer[0]
    assert "does not change for plain networks" in answer[-2]


def test_one_seed(tmp_path: Path) -> None:
    """The interval of one pair is unknown."""
    study = read_study(whole_study(tmp_path, degraded, seeds=1))
    assert "(95 % interval unknown, 1 pair)" in verdict(study)[0]
    assert paired_differences(study).rows[-1][2:] == ("48.00 [unknown]", "48.00 [unknown]", "1")
    assert final_errors(study).rows[-1][2:] == ("1.00 (1)", "2.00 (1)")


def test_incomplete(tmp_path: Path) -> None:
    """Deepest depth without a pair: the next one answers, and the gap is said."""
    rows = [row(arm, depth, 0) for depth in (8, 56) for arm in ("plain", "residual")]
    write_study(tmp_path, rows)
    for r in rows[:3]:
        write_run(tmp_path, r["id"], 2.0, 3.0)
    answer = verdict(read_study(tmp_path))
    assert answer[0].startswith("At depth 8 ")
    assert "Deeper plain networks have no pair with residual ones yet." in answer
    assert answer[-1] == "Incomplete: 3 of 4 runs are done (1 queued)."


def test_nothing_done(tmp_path: Path) -> None:
    """No answer, and it says so; an empty manifest too."""
    write_study(tmp_path, [row("plain", 8, 0)])
    answer = verdict(read_study(tmp_path))
    assert answer[0] == "No run is done yet: there is no answer to read."
    write_study(tmp_path, [])
    assert verdict(read_study(tmp_path))[-1] == "The manifest lists no run."


def test_pairs_share_seeds(tmp_path: Path) -> None:
    """Only the seeds that both arms have are compared: 30 - 1, not the mean of 10 and 30."""
    write_study(tmp_path, [row(arm, 8, s) for arm in ("plain", "residual") for s in (0, 1)])
    for run_id, error in (("plain-d8-s0", 10.0), ("plain-d8-s1", 30.0), ("residual-d8-s1", 1.0)):
        write_run(tmp_path, run_id, error, error)
    (difference,) = differences(read_study(tmp_path))
    assert difference.train
    assert (difference.train.n, difference.train.mean) == (1, 29.0)


@pytest.mark.parametrize(
    ("arms", "pairs"),
    [
        (("residual", "plain", "dense"), ["plain - residual", "dense - residual"]),
        (("relu", "gelu", "swish"), ["relu - swish", "gelu - swish"]),
        (("plain",), []),
    ],
)
def test_reference_arm(tmp_path: Path, arms: tuple[str, ...], pairs: list[str]) -> None:
    """The arm called residual, else the last; one arm has nothing to be compared with."""
    study = read_study(whole_study(tmp_path, lambda *_: 5.0, arms=arms, depths=(8,), seeds=2))
    assert [line[1] for line in paired_differences(study).rows] == pairs
    assert verdict(study)[-1] == f"All {2 * len(arms)} runs are done."


def errors_by_seed(arm: str, depth: int, seed: int) -> float:
    """Plain networks err 1, 2 and 3 points more than residual ones at 8 layers, 10 to 30 at 56."""
    unit = 10 if depth == 56 else 1
    return 5.0 + unit * {"plain": seed + 1, "wide": seed, "residual": 0}[arm]


def test_evidence(tmp_path: Path) -> None:
    """Differences 1, 2, 3 have the effect 2 / sqrt(pi) and t = 2 sqrt(3), whatever their scale.

    P(|T| > t) with two degrees of freedom is 1 - t / sqrt(2 + t^2) = 0.0742. That is the smallest
    of four p-values twice, so Holm's factor is four; wide networks differ by 0, 1 and 2 units:
    1 / sqrt(pi) and 1 - sqrt(3 / 5) = 0.2254, times two.
    """
    arms = ("plain", "wide", "residual")
    table = evidence(read_study(whole_study(tmp_path, errors_by_seed, arms)))
    assert table.headings == (
        *("depth", "difference", "train effect, std", "train p, Holm"),
        *("test effect, std", "test p, Holm"),
    )
    plain, wide = ("1.13", "0.297", "1.13", "0.297"), ("0.56", "0.451", "0.56", "0.451")
    assert table.rows == (
        ("8", "plain - residual", *plain),
        ("8", "wide - residual", *wide),
        ("56", "plain - residual", *plain),
        ("56", "wide - residual", *wide),
    )


def test_evidence_is_of_the_errors_that_the_study_asks_about(tmp_path: Path) -> None:
    """And unknown where there is one pair."""
    rows = [row(arm, 8, 0) for arm in ("plain", "residual")]
    write_study(tmp_path, rows, metrics=["test_error_pct"])
    for r in rows:
        write_run(tmp_path, r["id"], 1.0, 2.0)
    table = evidence(read_study(tmp_path))
    assert table.headings[2:] == ("test effect, std", "test p, Holm")
    assert table.rows == (("8", "plain - residual", "-", "-"),)


def test_continue_command(tmp_path: Path) -> None:
    """It asks for the depths, seeds and overrides of what is left, quoted for a shell."""
    path = tmp_path / "my study"
    write_study(path, [row("plain", d, s) for d in (8, 20, 56) for s in range(2)])
    write_run(path, "plain-d8-s0", 1.0, 1.0)
    write_run(path, "plain-d8-s1", 1.0, 1.0)
    assert continue_command(read_study(path)) == (
        f"./launch.sh study degradation '--workdir={path}' "
        "--depths=20,56 --seeds=2 --config.epochs=30"
    )
    write_study(path, [row("plain", 8, 2)], config="configs/cifar.py:classes=100")
    assert continue_command(read_study(path)) == (
        f"./launch.sh study degradation '--workdir={path}' --config=configs/cifar.py:classes=100 "
        "--depths=8 --seeds=3 --config.epochs=30"
    )
    complete = whole_study(tmp_path / "complete", degraded)
    assert continue_command(read_study(complete)) is None


@given(st.floats(-100, 100))
def test_numbers_read_back(value: float) -> None:
    """Rounded to the decimals they show, and never a negative zero."""
    assert abs(float(number(value)) - value) <= 0.05 + 1e-9
    assert abs(float(fixed(value)) - value) <= 0.005 + 1e-9
    assert not number(value).startswith("-0.00")
    assert fixed(value) != "-0.00"


def test_durations() -> None:
    """Seconds, minutes and hours."""
    assert [duration(s) for s in (0, 59.9, 61, 7384.6)] == [
        "0.0 s",
        "59.9 s",
        "1 min 1 s",
        "2 h 3 min 5 s",
    ]
