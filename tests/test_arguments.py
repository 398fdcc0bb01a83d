"""The grammar `NAME:key=value,key=value`."""

import doctest
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnets import arguments
from resnets.arguments import call, parse_arguments, parse_value, split_arguments, split_call
from resnets.errors import UserError

WORDS = st.text("abcxyz_019", min_size=1, max_size=6)
VALUES = st.text("abc 019.-=:/'\"", max_size=6)
LIKE_CALLS = st.text("ab1=,:() ", max_size=24) | st.text(max_size=24)
quick = settings(deadline=None, max_examples=200)


def outcome(function, *args, **kwargs):
    """What a function returns, or else how it refuses; any other exception passes through."""
    try:
        return function(*args, **kwargs), None
    except UserError as error:
        return None, str(error)


def test_the_examples_in_the_docstrings_hold():
    outcome = doctest.testmod(arguments)
    assert outcome.attempted > 0
    assert outcome.failed == 0


# --- splitting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("cosine", "cosine", {}),
        ("cosine:", "cosine", {}),
        ("step:factor=0.5", "step", {"factor": "0.5"}),
        (" step : factor=0.5 , every=3", "step", {"factor": "0.5", "every": "3"}),
        ("files:path=a:b=c", "files", {"path": "a:b=c"}),
        ("piecewise:at=(1,2),by=3", "piecewise", {"at": "(1,2)", "by": "3"}),
        ("empty:text=", "empty", {"text": ""}),
    ],
)
def test_a_call_is_a_name_and_its_values(text, name, values):
    assert split_call(text) == (name, values)


@quick
@given(st.dictionaries(WORDS, VALUES))
def test_what_is_joined_with_commas_splits_into_the_same(values):
    text = ",".join(f"{key}={value}" for key, value in values.items())
    assert split_arguments(text) == {key: value.rstrip() for key, value in values.items()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depth=1,depth=2", "argument 'depth' is given twice"),
        ("depth", "argument 'depth' must read key=value"),
        ("a=1,depth", "argument 'depth' must read key=value"),
        ("=1", "argument '=1' must read key=value"),
        ("a=1, ", "argument '' must read key=value"),
    ],
)
def test_what_is_not_key_and_value_once_is_refused(text, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        split_arguments(text)


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("56", int, 56),
        ("-1", int, -1),
        ("1e-3", float, 0.001),
        ("5", float, 5.0),
        ("56", str, "56"),
        ("", str, ""),
        ("true", bool, True),
        ("False", bool, False),
        ("(1,2)", tuple[int, ...], (1, 2)),
        ("( 1 , 2 )", tuple[int, ...], (1, 2)),
        ("(1,)", tuple[int, ...], (1,)),
        ("7", tuple[int, ...], (7,)),
        ("()", tuple[int, ...], ()),
        ("(a,b)", tuple[str, ...], ("a", "b")),
        ("(0.5,1)", tuple[float, ...], (0.5, 1.0)),
    ],
)
def test_a_value_is_read_as_its_type(text, kind, value):
    parsed = parse_value(text, kind)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1.5", int),
        ("", int),
        ("one", int),
        ("x", float),
        ("yes", bool),
        ("1", bool),
        ("", bool),
        ("(1,x)", tuple[int, ...]),
        ("9" * 5000, int),
    ],
)
def test_a_value_of_another_type_is_refused(text, kind):
    with pytest.raises(ValueError):  # noqa: PT011 - the callers write the message
        parse_value(text, kind)


# --- arguments of a config file ----------------------------------------------------------------

DEFAULTS = {"depth": 20, "rate": 0.1, "shortcut": "A", "scan": False, "stages": (1, 2)}


@pytest.mark.parametrize("text", [None, ""])
def test_defaults_stand_where_nothing_is_said(text):
    assert parse_arguments(text, "file.py", **DEFAULTS) == DEFAULTS


def test_each_argument_takes_the_type_of_its_default():
    text = "stages=(3,4),scan=true,shortcut=B,rate=1,depth=56"
    expected = {"depth": 56, "rate": 1.0, "shortcut": "B", "scan": True, "stages": (3, 4)}
    parsed = parse_arguments(text, "file.py", **DEFAULTS)
    assert parsed == expected
    assert [type(v) for v in parsed.values()] == [type(v) for v in expected.values()]
    assert list(parsed) == list(DEFAULTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depht=56", "file.py: unknown argument 'depht'; did you mean 'depth'?"),
        ("depth=x", "file.py: argument depth='x' is not of type int"),
        ("depth=1.5", "file.py: argument depth='1.5' is not of type int"),
        ("scan=1", "file.py: argument scan='1' is not of type bool"),
        ("stages=(1,x)", "file.py: argument stages='(1,x)' is not of type tuple[int, ...]"),
        ("depth", "file.py: argument 'depth' must read key=value"),
        ("depth=1,depth=1", "file.py: argument 'depth' is given twice"),
    ],
)
def test_a_mistake_names_the_file_and_the_argument(text, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        parse_arguments(text, "file.py", **DEFAULTS)


@quick
@given(LIKE_CALLS)
def test_any_text_is_parsed_or_refused_as_the_users_mistake(text):
    parsed, refusal = outcome(parse_arguments, text, "file.py", **DEFAULTS)
    assert refusal.startswith("file.py: ") if parsed is None else parsed.keys() == DEFAULTS.keys()


# --- calls -------------------------------------------------------------------------------------


def step(total: int, every: int, factor: float = 0.5) -> tuple:
    return ("step", total, every, factor)


def constant() -> tuple:
    return ("constant",)


def at(points: tuple[int, ...], smooth: bool = False, label: str = "") -> tuple:
    return ("at", points, smooth, label)


FUNCTIONS = {"step": step, "constant": constant, "at": at}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("constant", ("constant",)),
        ("step:every=3", ("step", 100, 3, 0.5)),
        ("step:factor=0.1,every=3", ("step", 100, 3, 0.1)),
        ("at:points=(3,4),smooth=true,label=x", ("at", (3, 4), True, "x")),
    ],
)
def test_a_call_supplies_its_arguments_and_the_caller_the_context(text, result):
    assert call(text, FUNCTIONS, "schedule", total=100) == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepp", "unknown name 'stepp'; did you mean 'step'? (valid: step, constant, at)"),
        ("", "unknown name ''; valid: step, constant, at"),
        ("step", "step needs every"),
        ("step:every=3,total=5", "unknown argument 'total'; valid: every, factor"),
        ("step:evry=3", "unknown argument 'evry'; did you mean 'every'?"),
        ("step:every=x", "argument every='x' is not of type int"),
        ("constant:every=3", "unknown argument 'every'; valid: none"),
        ("at:points=(1,b)", "argument points='(1,b)' is not of type tuple[int, ...]"),
        ("step:every", "argument 'every' must read key=value"),
        ("step:every=1,every=1", "argument 'every' is given twice"),
        ("step:return=1", "unknown argument 'return'; valid: every, factor"),
    ],
)
def test_a_mistake_in_a_call_names_the_field_and_its_text(text, message):
    expected = f"^schedule={re.escape(repr(text))}: {re.escape(message)}"
    with pytest.raises(UserError, match=expected):
        call(text, FUNCTIONS, "schedule", total=100)


@quick
@given(st.builds("{}:{}".format, st.sampled_from([*FUNCTIONS, "x"]), LIKE_CALLS) | LIKE_CALLS)
def test_any_call_succeeds_or_is_refused_as_the_users_mistake(text):
    result, refusal = outcome(call, text, FUNCTIONS, "schedule", total=100)
    assert refusal.startswith(f"schedule={text!r}: ") if result is None else result[0] in FUNCTIONS
