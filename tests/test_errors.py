"""What a user reads when a command ends badly."""

import doctest

import pytest

from resnets import errors
from resnets.errors import Preempted, RunError, UserError, suggest


def test_the_examples_in_the_docstrings_hold():
    outcome = doctest.testmod(errors)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_exit_status_tells_bad_arguments_from_a_failed_run():
    assert (UserError.exit_code, RunError.exit_code) == (2, 1)
    assert Preempted.exit_code == 75  # EX_TEMPFAIL: a scheduler may start it again
    assert not issubclass(Preempted, Exception)


def test_a_user_error_is_a_value_error_and_a_run_error_is_not():
    assert issubclass(UserError, ValueError)
    assert issubclass(RunError, RuntimeError)
    assert not issubclass(RunError, ValueError)


@pytest.mark.parametrize(
    ("value", "valid", "expected"),
    [
        ("dept", ["depth", "width"], "did you mean 'depth'? (valid: depth, width)"),
        ("xyz", ["depth", "width"], "valid: depth, width"),
        ("xyz", [], "valid: none"),
        ("dept", (name for name in ["depth"]), "did you mean 'depth'? (valid: depth)"),
    ],
)
def test_the_nearest_name_comes_first_then_all(value, valid, expected):
    assert suggest(value, valid) == expected


def test_a_long_list_is_left_out_when_there_is_a_near_name():
    names = [f"name{letter}" for letter in "abcdefghijklm"]
    assert suggest("namea_", names) == "did you mean 'namea'?"
    assert suggest("zzz", names) == f"valid: {', '.join(names)}"
