"""Calibration on hand-made probabilities; confusion against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, log_loss

from resnets.probes import calibration


def shares(confidences, right):
    """Two classes; the label is 0 where the prediction is right."""
    rows = [[c, 1 - c] if ok else [1 - c, c] for c, ok in zip(confidences, right, strict=True)]
    return np.array(rows), np.zeros(len(rows), np.int32)


def test_the_error_by_hand():
    # a bin at 0.6 with 1 of 2 right, a bin at 0.9 with 2 of 2: (2 x 0.1 + 2 x 0.1) / 4
    found = calibration.calibration(*shares([0.6, 0.6, 0.9, 0.9], [1, 0, 1, 1]), bins=10)
    assert found.expected_error == pytest.approx(0.1)
    assert found.largest_error == pytest.approx(0.1)
    assert found.accuracy == 0.75
    assert found.confidence == pytest.approx(0.75)


def test_who_is_sure_and_right_is_calibrated_and_who_is_sure_and_wrong_is_not():
    sure = [1.0] * 5
    assert calibration.calibration(*shares(sure, [1] * 5)).expected_error == 0
    assert calibration.calibration(*shares(sure, [0] * 5)).expected_error == 1


def test_a_bin_has_its_upper_end_and_not_its_lower():
    found = calibration.calibration(*shares([0.6, 0.7], [1, 1]), bins=10)
    assert [b.count for b in found.bins] == [0] * 5 + [1, 1] + [0] * 3
    assert np.isnan(found.bins[0].accuracy)


@given(st.lists(st.tuples(st.floats(0.5, 1.0), st.booleans()), min_size=1, max_size=40))
def test_bins_hold_every_example_and_the_error_is_between_its_bounds(pairs):
    found = calibration.calibration(*shares(*zip(*pairs, strict=True)))
    assert sum(b.count for b in found.bins) == len(pairs)
    gap = abs(found.accuracy - found.confidence)
    assert gap - 1e-9 <= found.expected_error <= found.largest_error + 1e-9


def test_the_loss_is_scikit_learns():
    random = np.random.default_rng(0)
    z, labels = random.normal(size=(30, 4)), random.integers(0, 4, 30)
    p = calibration.probabilities(z)
    assert calibration.calibration(p, labels).loss == pytest.approx(
        log_loss(labels, p, labels=range(4))
    )
    np.testing.assert_allclose(p.sum(axis=-1), 1)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=50))
def test_confusion_is_scikit_learns(pairs):
    labels, predicted = map(np.array, zip(*pairs, strict=True))
    np.testing.assert_array_equal(
        calibration.confusion(predicted, labels, 5),
        confusion_matrix(labels, predicted, labels=range(5)),
    )


def test_the_surest_mistake_comes_first():
    p, labels = shares([0.6, 0.9, 0.7, 0.99], [0, 0, 1, 1])
    found = calibration.most_confused(p, labels, 5)
    assert [(c.example, c.label, c.predicted) for c in found] == [(1, 0, 1), (0, 0, 1)]
    assert found[0].confidence == pytest.approx(0.9)
    assert len(calibration.most_confused(p, labels, 1)) == 1
