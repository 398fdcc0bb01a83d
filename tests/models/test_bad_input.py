"""Bad input gets a message of one line that names the layer or field and what would be valid."""

import jax
import jax.numpy as jnp
import pytest

from resnets import models
from resnets.models import alexnet, checks, layers

BARE = {"auxiliary": False}
TORCHVISION = {"bn": True, "five_by_five": False}
HEAD = "auxiliary's pooling"

# name, options, size that is too small, the layer where nothing is left, smallest size
TOO_SMALL = [
    ("lenet5", {}, 4, "conv1", 32),
    ("lenet5", {}, 5, "pool2", 32),
    ("lenet5", {}, 13, "conv3", 32),
    ("lenet5", {}, 15, "pool4", 32),
    ("lenet5", {}, 31, "conv5", 32),
    ("lenet5", {"padding": 2}, 27, "conv5", 28),
    ("alexnet", {}, 6, "conv1", 63),
    ("alexnet", {}, 14, "pool1", 63),
    ("alexnet", {}, 30, "pool2", 63),
    ("alexnet_lrn", {}, 62, "pool5", 63),
    ("vgg11", {}, 1, "pool1", 32),
    ("vgg16", {}, 15, "pool4", 32),
    ("vgg19_bn", {}, 31, "pool5", 32),
    ("nin", {}, 10, "mlpconv1", 39),
    ("nin", {}, 14, "pool1", 39),
    ("nin", {}, 22, "pool2", 39),
    ("nin", {}, 38, "pool3", 39),
    ("nin_cifar", {}, 1, "pool1", 4),
    ("nin_cifar", {}, 3, "pool2", 4),
    ("googlenet", {}, 30, "pool4", 31),
    ("googlenet", TORCHVISION, 14, "pool3", 15),
    ("inception_v3", BARE, 74, "mixed_7a", 75),
    ("inception_v3", {}, 298, "auxiliary's 5x5 convolution", 299),
    ("inception_v4", BARE, 74, "mixed_7a", 75),
    ("inception_v4", {}, 298, "auxiliary's 5x5 convolution", 299),
    ("inception_resnet_v1", BARE, 74, "mixed_7a", 75),
    ("inception_resnet_v1", {}, 298, "auxiliary's 5x5 convolution", 299),
    ("inception_resnet_v2", BARE, 74, "mixed_7a", 75),
    ("inception_resnet_v2", {}, 298, "auxiliary's 5x5 convolution", 299),
    ("densenet121", {}, 4, "transition1", 29),
    ("densenet161", {}, 28, "transition3", 29),
    ("densenet_cifar40_12", {}, 1, "transition1", 4),
    ("densenet_bc100_12", {}, 3, "transition2", 4),
    ("goodfellow_fixed", {}, 3, "pool1", 16),
    ("goodfellow_fixed", {}, 15, "pool2", 16),
    ("goodfellow_grid", {}, 3, "pool1", 4),
    ("goodfellow_conv", {}, 15, "pool2", 16),
]
"""Every family that has a smallest size; padding lets the others' windows fit in one pixel."""

ONE_PIXEL = (
    "cifar_plain20",
    "cifar_resnet20",
    "resnet18",
    "resnet50",
    "preact_resnet110",
    "preact_resnet50",
    "wide_resnet16_8",
    "wide_resnet50_2",
    "resnext29_8x64d",
    "resnext50_32x4d",
    "deepnet",
    "inception_naive",
)


def initial_shapes(model, size):
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)


def families(names):
    return {models.family(name) for name in names}


def test_every_family_is_here():
    assert families(row[0] for row in TOO_SMALL) | families(ONE_PIXEL) == families(models.names())
    assert not families(row[0] for row in TOO_SMALL) & families(ONE_PIXEL)


@pytest.mark.parametrize(("name", "options", "size", "layer", "smallest"), TOO_SMALL)
def test_too_small_an_image_names_the_layer_and_the_smallest_size(
    name, options, size, layer, smallest
):
    message = (
        rf"(?m)^images of {size}x{size} are too small for {layer}; "
        rf"the smallest valid size is {smallest}x{smallest}"
        rf"( \(any that auxiliary=False allows, without the head\))?$"
    )
    with pytest.raises(ValueError, match=message):
        initial_shapes(models.create(name, **options), size)


SMALLEST = {(name, *options.items()): smallest for name, options, _, _, smallest in TOO_SMALL}


LARGE = ("inception_v4", "inception_resnet_v2", "inception_resnet_v1", "densenet161")


@pytest.mark.parametrize(
    ("case", "smallest"),
    [
        pytest.param(*item, marks=pytest.mark.slow if item[0][0] in LARGE else ())
        for item in SMALLEST.items()
    ],
)
def test_the_smallest_valid_size_is_taken(case, smallest):
    name, *options = case
    assert initial_shapes(models.create(name, **dict(options)), smallest)


@pytest.mark.parametrize("name", ONE_PIXEL)
def test_one_pixel_is_enough_where_padding_makes_every_window_fit(name):
    model, image = models.create(name, 3), jax.ShapeDtypeStruct((1, 1, 1, 3), jnp.float32)
    jaxpr = jax.make_jaxpr(lambda x: model.init_with_output(jax.random.key(0), x, train=False))
    empty = [v.aval.shape for e in jaxpr(image).eqns for v in e.outvars if 0 in v.aval.shape]
    assert empty == []


def test_the_smaller_side_counts():
    with pytest.raises(ValueError, match=r"^images of 40x31 are too small for pool5; .* 32x32"):
        checks.check_image_size(
            jnp.zeros((1, 40, 31, 3)), [checks.Step(f"pool{n}", 2, 2) for n in range(1, 6)]
        )


def test_groups_that_do_not_divide_the_channels_name_the_layer():
    model = alexnet.AlexNet(5, (8, 11, 12, 12, 8), two_columns=True)
    message = r"(?m)^conv2: groups=2 must divide the channels in \(8\) and out \(11\)$"
    with pytest.raises(ValueError, match=message):
        initial_shapes(model, 63)


def one_of_each_family():
    found = {}
    for name in models.names():
        found.setdefault(models.family(name), name)
    return tuple(found.values())


@pytest.mark.parametrize("name", one_of_each_family())
@pytest.mark.parametrize(
    ("field", "value", "valid"),
    [("initializer", "he", layers.INITIALIZERS), ("dtype", "float16", layers.DTYPES)],
)
def test_an_unknown_initialiser_or_dtype_names_the_valid_ones(name, field, value, valid):
    expected = f"{field}={value!r} is not one of {', '.join(map(repr, valid))}"
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        models.create(name, **{field: value})
    assert str(caught.value) == expected


@pytest.mark.parametrize("name", one_of_each_family())
def test_an_unknown_option_names_the_nearest_and_all(name):
    message = rf"\A{name} has no field 'dtypes'; did you mean 'dtype'\? Its fields: .*initializer"
    with pytest.raises(ValueError, match=message):
        models.create(name, dtypes="float32")


@pytest.mark.parametrize("value", [1.0, -0.1, float("nan")])
@pytest.mark.parametrize("field", ["dropout", "dropout_rate", "auxiliary_dropout_rate"])
@pytest.mark.parametrize("name", one_of_each_family())
def test_a_share_that_is_none_names_the_field_and_the_range(name, field, value):
    options = {field: value}
    with pytest.raises(
        ValueError, match=rf"\A({field}={value} is not in \[0, 1\)|.* no field .*)\Z"
    ):
        models.create(name, **options)
