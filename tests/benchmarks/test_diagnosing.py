"""The table of what diagnostics cost: medians, pair by pair."""

from benchmarks import diagnosing


def test_what_diagnoses_add_is_the_median_of_the_pairs() -> None:
    times: diagnosing.Times = {
        ("off", "new"): [10.0, 20.0, 10.0],
        ("doubling", "new"): [11.0, 21.0, 10.0],
        ("off", "kept"): [4.0, 4.0, 4.0],
        ("doubling", "kept"): [4.0, 4.0, 5.0],
    }
    new, kept = diagnosing.table(20, times)
    assert (new["off_s"], new["on_s"], new["n"]) == (10.0, 11.0, 3)
    assert [round(new[f"more_{name}pct"], 6) for name in ("", "low_", "high_")] == [5.0, 0.0, 10.0]
    assert (kept["more_pct"], kept["more_high_pct"]) == (0.0, 25.0)
