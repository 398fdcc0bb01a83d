"""The documents' claims: verdicts, the right numbers beside the wrong ones, the committed table."""

import csv
import json
from pathlib import Path

import pytest

from experiments.claims import command, networks, parameters, registry, render, windows
from experiments.claims.claim import Claim, Finding, Number, Table
from resnets.cli.__main__ import main
from resnets.errors import UserError
from resnets.models.layers import Conv

ROOT = Path(__file__).parents[2]
LISTED = tuple(f"C{number:02d}" for number in range(1, 34))
SLOW = ("C20", "C25", "C27", "C32")
QUICK = tuple(name for name in registry.CLAIMS if name not in SLOW)


def committed():
    with (ROOT / "experiments/results/claims.csv").open(encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def ours(name):
    return {number.what: number for number in registry.CLAIMS[name].finding.numbers}


# --- the verdicts ------------------------------------------------------------------------------


def test_every_listed_claim_has_one_row():
    counted = [claim.id for group in registry.COUNTED for claim in group.CLAIMS]
    observed = [one.id for group in registry.OBSERVED for one in group.BEHAVIOURS]
    assert sorted([*counted, *observed]) == list(LISTED)
    assert tuple(committed()) == registry.IDS == LISTED


@pytest.mark.parametrize(
    ("name", "verdict", "says"),
    [
        ("C01", "confirmed", ["61.7 k", "5"]),
        ("C02", "confirmed", ["57.0 M", "0"]),
        ("C03", "confirmed", ["32; 0; 0"]),
        ("C08", "refuted", ["1.87 ms", "0.1377 ms", "2.14 ms"]),
        ("C09", "refuted", ["0; 0"]),
        ("C10", "inconsistent", ["1,057,962"]),
        ("C11", "refuted", ["5; 5; 72.0 %; 28.0 %"]),
        ("C16", "confirmed", ["25; 13"]),
        ("C17", "refuted", ["0.00; no; yes"]),
        ("C18", "confirmed", ["16,384; 576; 0"]),
        ("C21", "confirmed", ["48.0 k", "26.2 M", "102.8 M"]),
        ("C22", "inconsistent", ["7.46 MB", "124.1 k", "480.5 M"]),
        ("C23", "refuted", ["854.2 M", "672", "271.4 M"]),
        ("C24", "refuted", ["7.00 M", "8.73 times", "123.6 M", "1.02 M"]),
        ("C28", "confirmed", ["0; yes; 0"]),
    ],
)
def test_a_verdict_stands_beside_the_right_numbers(name, verdict, says):
    claim = registry.CLAIMS[name]
    assert claim.finding.verdict == verdict
    assert [text for text in says if text not in claim.ours] == []


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [("C11", ["5", "5", "72"], ["38"]), ("C23", ["854", "672", "271"], ["358"])],
)
def test_a_claim_that_is_half_right_says_which_half(name, right, wrong):
    numbers = registry.CLAIMS[name].finding.numbers
    assert [number.reported for number in numbers if number.agrees] == right
    assert [number.reported for number in numbers if not number.agrees] == wrong


@pytest.mark.parametrize(("name", "sums"), [("C22", ("481", "418")), ("C23", ("271", "358"))])
def test_what_contradicts_itself_shows_both_sums(name, sums):
    why = registry.CLAIMS[name].finding.why
    assert [text for text in sums if text not in why] == []


def test_the_bottlenecked_modules_sum_counts_one_layer_twice():
    ops = networks.operations("inception_naive:bottlenecks=true", "inception/", ("convolution",))
    by_layer = {
        op.name: networks.spent("inception_naive:bottlenecks=true", [op]).macs for op in ops
    }
    again = by_layer["inception/branch3x3/conv"]
    assert round((sum(by_layer.values()) + again) / 1e6) == 358


def test_deepnets_table_names_each_layer_once_and_sums_to_less_than_is_claimed():
    matched = list(parameters._matched())
    assert len({path for _, path, _ in matched}) == len(matched) == 139
    assert all(row.parameters == numbers for row, _, numbers in matched)
    assert 1_082_538 - sum(row.parameters for row, _, _ in matched) == 24_576


def test_the_sheets_milliseconds_come_from_twenty_layers_and_its_slips():
    _, sheet = registry.CLAIMS["C08"].finding.tables
    columns = {
        heading: [row[place] for row in sheet.rows] for place, heading in enumerate(sheet.headings)
    }
    assert columns["20 layers with slips"] == ["5.513", "0.324", "16.220", "22.06"]
    assert columns["reported"] == ["5.5", "0.324", "16", "22"]
    assert columns["32 layers"] == ["1.869", "0.138", "0.136", "2.14"]


def test_the_right_milliseconds_are_the_weights_over_the_bus_and_the_operations_over_the_peaks():
    numbers = ours("C08")
    image, logits = 32 * 32 * 3, 10
    moved = 4 * (networks.parameters("cifar_resnet32") + image + logits)
    assert numbers["data movement"].ours == pytest.approx(moved / 1e9 * 1e3, rel=1e-3)
    assert numbers["convolution"].ours == pytest.approx(2 * 68_862_592 / 1e12 * 1e3)


def test_deepnets_table_takes_eight_bytes_and_two_operations_a_parameter():
    rows = parameters.deepnet_rows()
    assert all(row.bytes == 8 * row.parameters for row in rows)
    total = sum(row.movement_s + row.compute_s for row in rows)
    assert total == pytest.approx(10 * sum(row.parameters for row in rows) / 1e9, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "shape", "seen"),
    [
        (Conv(1, (3, 3)), (9, 9, 1), (3, 3)),
        (windows.stack(3, (1, 3)), (1, 17, 1), (1, 7)),
        (windows.stack(2, (3, 3), strides=2), (21, 21, 1), (7, 7)),
    ],
)
def test_a_receptive_field_is_where_the_gradient_is_not_zero(model, shape, seen):
    assert windows.field(model, shape) == seen


# --- when a number is right --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "agrees", "shown"),
    [
        (Number("", "3.6", 3.664), True, "3.66"),  # cut
        (Number("", "3.7", 3.664), True, "3.66"),  # rounded
        (Number("", "3.8", 3.664), False, "3.66"),
        (Number("", "102", 102.76), True, "102.8"),
        (Number("", "60", 61.7, step=10), True, "61.7"),
        (Number("", "60", 71.7, step=10), False, "71.7"),
        (Number("", "1,082,538", 1_057_962), False, "1,057,962"),
        (Number("", "1,057,962", 1_057_962), True, "1,057,962"),
        (Number("", "16", 0.1362), False, "0.136"),
        (Number("", "0", 0.0), True, "0.00"),
        (Number("", "0", 0.9), False, "0.900"),  # nobody cuts to nothing
        (Number("", "yes", True), True, "yes"),
        (Number("", "yes", False), False, "no"),
    ],
)
def test_a_number_agrees_if_it_rounds_or_is_cut_to_the_reported_digits(number, agrees, shown):
    assert (number.agrees, number.shown) == (agrees, shown)


def test_a_verdict_follows_from_the_numbers():
    right, wrong = Number("layers", "5", 5), Number("layers", "5", 6)
    assert Finding((right,), "").verdict == "confirmed"
    assert Finding((right, wrong), "").verdict == "refuted"
    assert Finding((right, wrong), "", contradiction=True).verdict == "inconsistent"
    assert Finding((), "").verdict == "not shown"
    assert Finding((), "", testable=False).verdict == "not testable here"


# --- what is printed ---------------------------------------------------------------------------


def claim():
    table = Table("Sizes", ("layer", "weights", "note"), (("a", "1,000", ""), ("b", "20", "new")))
    finding = Finding((Number("layers", "5", 6, "in all"),), "Because.", (table,))
    return Claim("C99", "Five layers", lambda: finding, "./launch.sh models")


def test_a_claim_is_printed_with_its_numbers_its_reason_its_command_and_its_tables():
    assert render.as_text([claim()], detailed=True).splitlines() == [
        "id   verdict  claim        reported      ours  seconds",
        "C99  refuted  Five layers                          0.0",
        "     differs    layers     5 in all  6 in all",
        "",
        "C99  Because.",
        "     ./launch.sh models",
        "",
        "Sizes",
        "layer  weights  note",
        "a        1,000",
        "b           20  new",
    ]


def test_all_claims_are_printed_without_tables_and_counted():
    text = render.as_text([claim(), claim()], detailed=False)
    assert "Sizes" not in text
    assert text.endswith("2 claims: 2 refuted; 0 s")


def test_what_claims_share_is_counted_once():
    spent = [{"trial": 100.0, "C98": 1.0}, {"trial": 100.0, "C99": 20.4}]
    found = [Finding((Number("", "5", 5),), "", spent=one) for one in spent]
    claims = [Claim(f"C9{n}", "", lambda one=one: one) for n, one in enumerate(found)]
    assert [render.row(one)["seconds"] for one in claims] == ["101", "120"]
    assert render.summary(claims).endswith("; 121 s")


def test_csv_and_json_hold_the_same_row():
    (row,) = csv.DictReader(render.as_csv([claim()]).splitlines())
    (content,) = json.loads(render.as_data([claim()]))
    assert row == {name: content[name] for name in row}
    assert row["reported"] == "layers 5 in all"
    assert content["numbers"][0]["agrees"] is False
    assert content["tables"][0]["rows"][1] == {"layer": "b", "weights": "20", "note": "new"}


def test_the_page_leaves_long_tables_to_the_command(monkeypatch):
    assert "b           20  new" in render.as_page([claim()])
    monkeypatch.setattr(render, "LONGEST_ON_PAGE", 1)
    page = render.as_page([claim()])
    assert "b           20  new" not in page
    assert "Sizes: 2 rows, which `./launch.sh study claims --only=C99` prints." in page


# --- the command -------------------------------------------------------------------------------


def test_the_verb_prints_the_chosen_claims_and_writes_files(capsys, tmp_path):
    target = tmp_path / "claims.csv"
    argv = ["study", "claims", "--only=c01,C16", "--format=json", f"--out={target}"]
    argv.append(f"--workdir={tmp_path}")
    assert main(argv) == 0
    found = [content["id"] for content in json.loads(capsys.readouterr().out)]
    assert found == ["C01", "C16"]
    assert target.read_text().splitlines()[0] == (
        "id,verdict,claim,reported,ours,p_holm,seconds,why,command"
    )


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--only=C99"], ["'C99'", *LISTED]),
        (["--out=claims.txt"], ["claims.txt", ".csv, .json, .md"]),
        (["--config.seed=1"], ["--config.seed=1", "no config"]),
        (["--onyl=C01"], ["did you mean '--only'"]),
        (["--format=page"], ["choose from"]),
    ],
)
def test_mistakes_name_the_valid_values(argv, says):
    with pytest.raises(UserError, match=r"\A[^\n]+\Z") as caught:
        command.main(argv)
    assert [text for text in says if text not in str(caught.value)] == []


def test_the_name_of_the_study_comes_first(capsys):
    assert main(["study", "--seeds=1", "claims"]) == 2
    assert "study claims" in capsys.readouterr().err


# --- the committed files -----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(QUICK) - {"C03", "C08", "C10", "C22", "C24"}))
def test_a_committed_row_is_what_the_code_gives(name):
    timed = {"seconds": committed()[name]["seconds"]}
    assert render.row(registry.CLAIMS[name]) | timed == committed()[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_a_committed_row_of_many_networks_is_what_the_code_gives(name):
    timed = {"seconds": committed()[name]["seconds"]}
    assert render.row(registry.CLAIMS[name]) | timed == committed()[name]


def test_the_committed_page_has_the_committed_rows():
    page = (ROOT / "docs/claims.md").read_text(encoding="utf-8")
    names = ("id", "verdict", "claim", "reported", "ours", "p_holm", "seconds", "why")
    lines = [f"| {' | '.join(row[name] for name in names)} |" for row in committed().values()]
    assert [line for line in lines if line not in page] == []


@pytest.mark.slow
def test_every_committed_row_has_a_verdict():
    verdicts = {row["verdict"] for row in committed().values()}
    times = [float(row["seconds"]) for row in committed().values()]
    assert max(times) < 6 * 60
    assert sum(times) < 2 * 60 * 60  # trials that claims share are counted with each
    assert verdicts <= {"confirmed", "refuted", "not shown", "inconsistent", "not testable here"}
