"""Receptive fields against closed forms, published sizes, and where gradients are not zero."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnets import models
from resnets.diagnostics.receptive_field import Span, effective_extent, theoretical
from resnets.models import layers


class Stack(nn.Module):
    """Layers of `(kind, kernel, stride, padding)`, all weights positive."""

    steps: tuple[tuple[str, int, int, int], ...]

    @nn.compact
    def __call__(self, x, train):
        for number, (kind, size, stride, padding) in enumerate(self.steps):
            name = f"layer{number}"
            if kind == "conv":
                conv = nn.Conv(
                    1, (size, size), stride, padding, kernel_init=nn.initializers.ones, name=name
                )
                x = conv(x)
            else:
                x = layers.average_pool(x, size, stride, padding, name=name)
        return x


def shapes_of(model, image_shape):
    zeros = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    return jax.eval_shape(functools.partial(model.init, train=False), jax.random.key(0), zeros)


def field_of(name, module, **fields):
    model = models.create(name, **fields)
    shape = models.family(name).image_shape
    return theoretical(model, shapes_of(model, shape), shape)[module]


@pytest.mark.parametrize(
    ("name", "fields", "module", "size"),
    [
        ("resnet50", {"strided": "1x1", "scan_blocks": True}, "stage4", 483),
        ("resnet101", {"strided": "1x1", "scan_blocks": True}, "stage4", 1027),
        ("vgg16", {}, "pool5", 212),
        ("alexnet", {}, "pool5", 195),
    ],
)
def test_sizes_are_those_that_araujo_et_al_publish(name, fields, module, size):
    field = field_of(name, module, **fields)
    assert [span.size for span in field.spans] == [size, size]
    assert field.rows.step == 32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "module", "size"),
    [
        ("inception_v3", "mixed_7c", 1311),
        ("inception_v4", "mixed_7d", 2071),
        ("inception_resnet_v2", "last", 3039),
    ],
)
def test_branches_of_many_sizes_agree_with_the_published_ones(name, module, size):
    assert field_of(name, module).rows.size == size


def test_a_stride_in_the_3x3_layer_sees_less_than_in_the_1x1_before_it():
    # by hand: 7 + 4, then 3 x 8; 8 + 3 x 16; 16 + 5 x 32; 32 + 2 x 64
    assert field_of("resnet50", "stage4", scan_blocks=True).rows.size == 427


@pytest.mark.parametrize("scan_blocks", [True, False])
def test_a_loop_over_blocks_sees_as_much_as_its_blocks(scan_blocks):
    # by hand: the stem 3; six layers of 2; 2 and five of 4; 4 and five of 8
    model = models.create("cifar_resnet20", scan_blocks=scan_blocks)
    fields = theoretical(model, shapes_of(model, (32, 32, 3)), (32, 32, 3))
    sizes = {name: fields[name].rows.size for name in ("stem_conv", "stage1", "stage2", "stage3")}
    assert sizes == {"stem_conv": 3, "stage1": 15, "stage2": 37, "stage3": 81}
    assert "classifier" not in fields  # it sees the whole image, through the global mean


@given(depth=st.integers(1, 6))
@settings(max_examples=6, deadline=None)
def test_stacked_3x3_layers_see_two_pixels_more_each(depth):
    model = Stack((("conv", 3, 1, 1),) * depth)
    fields = theoretical(model, shapes_of(model, (16, 16, 1)), (16, 16, 1))
    assert fields[f"layer{depth - 1}"].rows == Span(2 * depth + 1, 1, -depth)


steps = st.tuples(
    st.sampled_from(["conv", "pool"]), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1)
)


@given(steps=st.lists(steps, min_size=1, max_size=3).map(tuple), unit=st.integers(0, 3))
@settings(max_examples=5, deadline=None)
def test_the_gradient_is_zero_outside_and_not_zero_inside(steps, unit):
    """With positive weights and no nonlinearity every pixel of the field has influence, if there
    are no gaps between windows."""
    steps = tuple(
        (kind, size, min(stride, size), min(pad, size - 1)) for kind, size, stride, pad in steps
    )
    model, shape = Stack(steps), (48, 48, 1)
    variables = model.init(jax.random.key(0), jnp.zeros((1, *shape)), train=False)
    rows = model.apply(variables, jnp.zeros((1, *shape)), train=False).shape[1]
    unit = min(unit, rows - 1)
    gradient = jax.grad(lambda x: model.apply(variables, x, train=False)[0, unit, unit, 0])(
        jnp.ones((1, *shape))
    )
    low, high = theoretical(model, variables, shape)[f"layer{len(steps) - 1}"].rows.interval(unit)
    seen = np.flatnonzero(np.asarray(gradient)[0, :, :, 0].any(axis=1))
    assert (seen.min(), seen.max()) == (max(low, 0), min(high, 47))


def test_a_gaussian_has_the_extent_of_the_circle_of_its_threshold():
    # exp(-r^2 / 2 s^2) >= t inside r = s sqrt(-2 log t), a circle of pi r^2 pixels
    sigma, axis = 12.0, np.arange(-60, 61)
    gaussian = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * sigma**2))
    radius = sigma * np.sqrt(-2 * np.log(1 - 0.9545))
    assert effective_extent(gaussian) == pytest.approx(np.sqrt(np.pi) * radius, rel=0.01)


def test_nothing_seen_is_said():
    with pytest.raises(ValueError, match="no pixel has any influence"):
        effective_extent(np.zeros((4, 4)))
