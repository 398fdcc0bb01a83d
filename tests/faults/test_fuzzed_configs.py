"""Whatever a config holds: a plan, or one line that says what is wrong with it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnets.errors import UserError
from resnets.training.config import flatten
from resnets.training.config_file import load_config
from resnets.training.setup import prepare

pytestmark = pytest.mark.faults

SPEC = "configs/digits.py:depth=8"
FIELDS = sorted(flatten(load_config(SPEC).to_dict()).keys() - {"data.directory"})  # it is made
WORDS = ["", "none", "digits", "train[:64]", "train[", "sgd:momentum=", "adam:b1=2", "skip:limit=2"]
WORDS += ["rewind:factor=nan", "plateau", "cosine:warmup_steps=-1", "step:every_epochs=1,factor=0"]
WORDS += [
    "piecewise:boundaries=(1,2),factors=(1)",
    "synthetic:train=64",
    "synthetic:train=-1",
    "a:b=c",
]
NUMBERS = st.integers(-3, 300) | st.sampled_from([10**6, 2**31, 2**63, 10**30])
REALS = st.floats(width=32) | st.sampled_from([0.0, -1.0, 1e-300, 1e300])
VALUES = NUMBERS.map(str) | REALS.map(repr) | st.sampled_from(WORDS) | st.text(max_size=8)


# A constant out of float32's range becomes infinite: then the run says where it diverged.
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=2))
def test_overrides(changes):
    flags = [f"--config.{name}={value}" for name, value in changes.items()]
    _either(lambda: load_config(SPEC, flags).to_dict())


JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | REALS | st.sampled_from(WORDS) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=3,
)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(field=st.sampled_from(FIELDS), value=JSON)
def test_stored_configs(field, value):
    """Such as a manifest's or another program's: no flag parser has looked at the types."""
    config = load_config(SPEC).to_dict()
    *sections, name = field.split(".")
    place = config
    for section in sections:
        place = place[section]
    place[name] = value
    _either(lambda: config)


def _either(make):
    said = ["a plan"]
    try:
        config = make()
        if flatten(config).get("model.name") == "cifar_resnet8":  # larger ones take a while
            prepare(config)
    except UserError as error:
        said = str(error).splitlines()
    assert len(said) == 1
