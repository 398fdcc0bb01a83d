"""Nothing is typed in: what a claim rests on is changed, and the verdict follows.

Seeds and errors of runs are changed in test_behaviours.
"""

import dataclasses

import pytest

from experiments.claims import (
    complexity,
    inception,
    networks,
    operations,
    parameters,
    shift,
    windows,
)
from experiments.claims.claim import Number, told
from resnets.models.lenet import LeNet
from resnets.models.residual_block import Block


@pytest.fixture
def fresh():
    """Networks are lowered anew, before and after."""
    caches = (networks.lowered, networks.account, networks.scheduled, networks.projected)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def found(group, name):
    (claim,) = (claim for claim in group.CLAIMS if claim.id == name)
    return claim.find()


def test_a_wider_layer_changes_the_count_of_parameters(fresh, monkeypatch):
    original = LeNet._conv

    def wider(self, name, features, padding, x):
        return original(self, name, 2 * features if name == "conv5" else features, padding, x)

    monkeypatch.setattr(LeNet, "_conv", wider)
    finding = found(parameters, "C01")
    assert finding.verdict == "refuted"
    added = 5 * 5 * 16 * 120 + 120 + 120 * 84
    assert finding.numbers[0].ours == pytest.approx((61_706 + added) / 1e3)


@pytest.mark.slow
def test_another_row_of_deepnets_table_is_named_and_changes_the_verdict(monkeypatch):
    rows = parameters.deepnet_rows()
    rows[5] = dataclasses.replace(rows[5], parameters=rows[5].parameters + 1)
    monkeypatch.setattr(parameters, "deepnet_rows", lambda: rows)
    finding = found(parameters, "C10")
    assert finding.verdict == "refuted"
    assert "is right but" in finding.why
    assert "24,575 more" in finding.why


def test_another_row_of_the_stems_table_leaves_no_contradiction_but_an_error(monkeypatch):
    monkeypatch.setattr(inception, "_STEM_MFLOP", ("118", "2", "13", "284", "1"))
    finding = found(inception, "C22")
    assert finding.verdict == "refuted"
    assert "sum to 418, and 418 is printed. " in finding.why
    assert "Wrong: conv2, 346.8 and not 284." in finding.why


def test_a_module_without_bottlenecks_is_told_apart(monkeypatch):
    monkeypatch.setattr(inception, "_SLIM", "inception_naive")
    finding = found(inception, "C23")
    assert finding.verdict == "refuted"
    assert "Right: naive; channels." in finding.why
    assert "Wrong: with bottlenecks, 854.2 M and not 358 M; sum of its rows, 854" in finding.why


def test_who_is_efficient_follows_accuracies_operations_and_weights():
    accuracy, work = {"a": 70.0, "b": 60.0}, {"a": 20, "b": 30}
    assert complexity.efficient(accuracy, work, {"a": 9, "b": 9}) == ("a", {"a"})
    assert complexity.efficient(accuracy, work, {"a": 9, "b": 1}) == ("b", {"a"})
    assert complexity.efficient(accuracy, {"a": 40, "b": 30}, {"a": 9, "b": 9})[1] == {"a", "b"}


def test_a_ratio_of_the_right_size_is_not_called_wrong():
    right, wrong = Number("a", "72", 72.0, "%"), Number("b", "38", 28.0, "%")
    assert told([right]) == "Right: a."
    assert told([right, wrong]) == "Right: a. Wrong: b, 28.0 % and not 38 %."


@pytest.mark.parametrize(
    ("share", "wanted"), [(50, "refuted"), (94, "refuted"), (104, "confirmed"), (106, "refuted")]
)
def test_a_budget_is_neither_exceeded_nor_left_unused(monkeypatch, share, wanted):
    sizes = {"resnext50_32x4d": share, "resnet50": 100}
    monkeypatch.setattr(networks, "parameters", sizes.__getitem__)
    monkeypatch.setattr(networks, "macs", lambda spec: 100)
    assert found(operations, "C27").verdict == wanted


def test_a_larger_kernel_sees_more(monkeypatch):
    original = windows.stack
    monkeypatch.setattr(
        windows,
        "stack",
        lambda count, size, *rest, **more: original(count + 1, size, *rest, **more),
    )
    finding = found(windows, "C11")
    assert [number.ours for number in finding.numbers[:2]] == [7, 7]
    assert finding.verdict == "refuted"
    assert "Right" not in finding.why
    assert "field, rows, 7 and not 5" in finding.why


@pytest.mark.slow
def test_a_pooling_that_does_nothing_is_not_invariant(monkeypatch):
    monkeypatch.setattr(shift, "max_pool", lambda x, *_: x)
    assert found(shift, "C17").verdict == "refuted"


def test_a_block_whose_relu_passes_everything_is_no_obstacle(monkeypatch):
    from experiments.claims import identity
    from resnets.models.residual_block import BlockDesign

    monkeypatch.setattr(BlockDesign, "activate", lambda self, x: x)
    finding = found(identity, "C28")
    assert finding.verdict == "refuted"
    assert finding.numbers[0].ours > 0


@pytest.mark.slow
def test_a_branch_that_adds_something_without_weights_is_no_identity(monkeypatch):
    from experiments.claims import identity

    monkeypatch.setattr(Block, "_scaled", lambda self, y, *rest: y + 1.0)
    finding = found(identity, "C28")
    assert finding.verdict == "refuted"
    assert finding.numbers[2].ours > 0
