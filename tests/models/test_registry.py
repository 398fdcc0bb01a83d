"""Networks are created by name; every listed name works; mistakes are answered with valid names."""

import re

import flax.linen as nn
import pytest

from resnets import models
from resnets.models import registry


class Constant(nn.Module):
    """A network of no use but to be registered."""

    name_asked: str
    num_classes: int | None
    options: tuple[tuple[str, object], ...] = ()


ABOUT = {"paper": "Nobody 2000", "image_shape": (8, 8, 3)}


def constant(name, num_classes, **overrides):
    return Constant(name, num_classes, tuple(overrides.items()))


@pytest.fixture
def register(monkeypatch):
    """`registry.register` whose additions are gone after the test."""
    monkeypatch.setattr(registry, "_families", dict(registry._families))
    monkeypatch.setattr(registry, "_names", list(registry._names))
    return registry.register


def test_names_are_listed_once():
    assert len(set(models.names())) == len(models.names()) > 0


@pytest.mark.parametrize(
    ("name", "classes"), [("cifar_resnet20", 10), ("cifar_plain20", 10), ("resnet18", 1000)]
)
def test_the_number_of_classes_is_that_of_the_data_set_unless_given(name, classes):
    assert models.create(name).num_classes == classes
    assert models.create(name, 3).num_classes == 3


@pytest.mark.parametrize("classes", [0, -1])
def test_a_network_has_at_least_one_class(classes):
    with pytest.raises(ValueError, match=rf"^num_classes={classes} must be at least 1$"):
        models.create("resnet18", classes)


def test_overrides_reach_the_network():
    design = models.create("resnet18", shortcut="A", bn_momentum=0.5, dtype="bfloat16").design
    assert (design.shortcut, design.bn_momentum, design.dtype) == ("A", 0.5, "bfloat16")
    assert models.create("resnet18", scan_blocks=True).scan_blocks


def test_a_family_takes_members_that_are_not_listed():
    assert "cifar_resnet26" not in models.names()
    assert models.create("cifar_resnet26").stage_sizes == (4, 4, 4)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("resnet51", "resnet50"), ("cifar_resnets20", "cifar_resnet20"), ("ResNet18", "resnet18")],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_all_others(name, nearest):
    with pytest.raises(ValueError, match=rf"\Aunknown network '{name}'; .*\Z") as caught:
        models.create(name)
    assert f"did you mean '{nearest}'?" in str(caught.value)
    assert all(known in str(caught.value) for known in models.names())


def test_a_name_like_no_other_is_answered_with_the_list_alone():
    with pytest.raises(ValueError, match=r"^unknown network '@@'; Known: "):
        models.create("@@")


@pytest.mark.parametrize("name", ["xresnet50", "resnet50x", "resnet50\n", "", "cifar_resnet-20"])
def test_a_pattern_covers_the_whole_name(name):
    with pytest.raises(ValueError, match=re.escape(f"unknown network {name!r}")):
        models.create(name)


def test_a_builder_gets_the_name_the_classes_and_the_overrides(register):
    assert register(r"constant\d", ("constant1", "constant2"), **ABOUT)(constant) is constant
    assert models.names()[-2:] == ("constant1", "constant2")
    family = models.family("constant2")
    assert {"paper": family.paper, "image_shape": family.image_shape} == ABOUT
    expected = Constant("constant3", 5, (("depth", 7),))
    assert models.create("constant3", 5, depth=7) == expected


def test_a_pattern_is_registered_once(register):
    register("constant", ("constant",), **ABOUT)(constant)
    with pytest.raises(ValueError, match=r"^pattern 'constant' is registered already$"):
        register("constant", (), **ABOUT)(constant)


def test_a_name_is_registered_once(register):
    with pytest.raises(ValueError, match=r"^'resnet50' is registered already$"):
        register("resnet50|other", ("other", "resnet50"), **ABOUT)(constant)
    assert "other" not in models.names()


def test_a_listed_name_must_match_its_pattern(register):
    with pytest.raises(ValueError, match=r"^'other' does not match its pattern 'constant'$"):
        register("constant", ("other",), **ABOUT)(constant)
    assert "other" not in models.names()


def test_a_field_that_the_family_lacks_is_answered_with_the_nearest():
    fields = ("depth", "width")
    registry.check_fields("net", {"depth": 1}, fields)
    message = r"^net has no field 'dept'; did you mean 'depth'\? Its fields: depth, width$"
    with pytest.raises(ValueError, match=message):
        registry.check_fields("net", {"dept": 1}, fields)
    with pytest.raises(ValueError, match=r"^net has no field 'x'; Its fields: depth, width$"):
        registry.check_fields("net", {"x": 1}, fields)
