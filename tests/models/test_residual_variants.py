"""Pre-activation, wide and aggregated residual networks: sizes, designs, and options."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from resnets import models
from resnets.models import residual_variants as residual_variants
from resnets.models.residual_block import Block, BlockDesign
from resnets.models.resnet import ResNet

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once


@functools.cache
def shapes(name, scan_blocks=True, **overrides):
    model = models.create(name, scan_blocks=scan_blocks, **overrides)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)


def parameters(name, **overrides):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(shapes(name, **overrides)["params"]))


def preactivated(depth, bottleneck):
    """Parameters of a pre-activation network for CIFAR, by the formula."""
    channels, total = 16, 27 * 16
    for width in (16, 32, 64):
        for _ in range((depth - 2) // (9 if bottleneck else 6)):
            out = 4 * width if bottleneck else width
            total += 2 * channels + 2 * width  # normalisations before the first two layers
            if bottleneck:
                total += channels * width + 9 * width * width + 2 * width + width * out
                total += channels * out if channels != out else 0
            else:
                total += 9 * channels * width + 9 * width * width
            channels = out
    return total + 2 * channels + 10 * channels + 10


def wide(depth, factor):
    """Parameters of a wide network for CIFAR, by the formula."""
    channels, total = 16, 27 * 16
    for width in (16 * factor, 32 * factor, 64 * factor):
        for _ in range((depth - 4) // 6):
            total += 2 * channels + 9 * channels * width + 2 * width + 9 * width * width
            total += channels * width if channels != width else 0
            channels = width
    return total + 2 * channels + 10 * channels + 10


def aggregated(depth, groups, width):
    """Parameters of an aggregated network for CIFAR, by the formula."""
    channels, total = 64, 27 * 64 + 2 * 64
    for stage in range(3):
        inner, out = groups * width * 2**stage, 256 * 2**stage
        for _ in range((depth - 2) // 9):
            total += channels * inner + 9 * inner * inner // groups + inner * out
            total += 4 * inner + 2 * out
            total += channels * out + 2 * out if channels != out else 0
            channels = out
    return total + 10 * channels + 10


def images(size=8, batch=4, channels=3):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, channels)), jnp.float32)


def tiny(stage_sizes=(1, 3), scan_blocks=False, **options):
    network = {k: options.pop(k) for k in ("width_factor", "early_activation") if k in options}
    return ResNet(3, stage_sizes, "cifar", 4, BlockDesign(**options), scan_blocks, **network)


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("depth", "bottleneck", "expected"),
    [(110, False, 1_727_962), (164, True, 1_703_258), (1001, True, 10_327_706)],
)
def test_preactivation_networks_have_the_papers_parameters(depth, bottleneck, expected):
    assert parameters(f"preact_resnet{depth}") == preactivated(depth, bottleneck) == expected


def test_a_depth_of_both_forms_has_the_papers_blocks_unless_told_otherwise():
    assert parameters("preact_resnet164", block="basic") == preactivated(164, False)
    assert parameters("preact_resnet110", block="bottleneck") == preactivated(110, True)
    assert parameters("preact_resnet29") == preactivated(29, True)


@pytest.mark.parametrize("depth", [50, 101, 152, 200])
def test_imagenet_preactivation_drops_the_projections_norms_and_keeps_the_others(depth):
    """Every block normalises its input rather than its output, and the last one is normalised."""
    sizes = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}[depth]
    outs = (256, 512, 1024, 2048)
    post = sum(2 * n * c for n, c in zip(sizes, outs, strict=True)) + 2 * sum(outs) + 2 * 64
    ins = [c for n, c in zip(sizes, outs, strict=True) for _ in range(n)]
    pre = 2 * sum([64, *ins[:-1]]) + 2 * outs[-1]
    expected = parameters(f"resnet{depth}") - post + pre
    assert parameters(f"preact_resnet{depth}") == expected


def test_the_residual_network_of_200_layers_has_the_published_parameters():
    assert parameters("resnet200") == 64_673_832


@pytest.mark.parametrize(
    ("depth", "factor", "expected"),
    [(16, 8, 10_961_370), (28, 10, 36_479_194), (40, 4, 8_949_210), (10, 1, None)],
)
def test_wide_networks_have_the_papers_parameters(depth, factor, expected):
    found = parameters(f"wide_resnet{depth}_{factor}")
    assert found == wide(depth, factor)
    assert expected in (None, found)


@pytest.mark.parametrize(
    ("groups", "width", "expected"), [(8, 64, 34_426_698), (16, 64, 68_155_210)]
)
def test_cifar_aggregated_networks_have_the_papers_parameters(groups, width, expected):
    found = parameters(f"resnext29_{groups}x{width}d")
    assert found == aggregated(29, groups, width) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wide_resnet50_2", 68_883_240),
        ("wide_resnet101_2", 126_886_696),
        ("resnext50_32x4d", 25_028_904),
        ("resnext101_32x8d", 88_791_336),
        ("resnext101_64x4d", 83_455_272),
    ],
)
def test_imagenet_networks_have_torchvisions_parameters(name, expected):
    assert parameters(name) == expected


def test_names_say_what_they_build():
    assert models.create("resnext50_1x64d") == models.create("resnet50")
    assert models.create("wide_resnet28_10", dropout=0.3).design.dropout == 0.3
    preact = models.create("preact_resnet164")
    design = preact.design
    assert (design.block, design.shortcut, design.strided) == ("bottleneck", "B", "1x1")
    assert preact.early_activation
    basic = models.create("preact_resnet110")
    assert (basic.design.block, basic.design.shortcut) == ("basic", "A")
    post = models.create("preact_resnet110", preactivation=False)
    assert post == models.create("cifar_resnet110", strided=post.design.strided)


def test_layers_have_the_documented_names():
    params = shapes("preact_resnet20", scan_blocks=False)["params"]
    assert set(params["stage1"]["block0"]) == {"conv1", "bn2", "conv2"}
    assert set(params["stage2"]["block0"]) == {"bn1", "conv1", "bn2", "conv2"}
    assert {"stem_conv", "stem_bn", "final_bn", "classifier"} < set(params)
    grouped = shapes("resnext29_8x64d")["params"]["stage2"]
    assert grouped["block0"]["conv2"]["kernel"].shape == (3, 3, 128, 1024)
    assert grouped["blocks"]["conv3"]["kernel"].shape == (2, 1, 1, 1024, 512)


# --- what they compute -------------------------------------------------------------------------


def test_the_first_block_adds_its_branch_to_the_activated_stem():
    """Its shortcut reads the activated input; the other blocks' reads the input as it is."""
    x = images(4, channels=4)
    for activated, shift in ((True, 0), (False, 1)):
        block = Block(4, 1, BlockDesign(shortcut="A", preactivation=True), activated)
        variables = block.init(KEY, x, train=False)
        assert ("bn1" in variables["params"]) != activated
        silent = {**variables, "params": jax.tree.map(jnp.zeros_like, variables["params"])}
        np.testing.assert_array_equal(block.apply(silent, x, train=False), x)
        assert len(variables["params"]) == 3 + shift


def test_the_stem_is_activated_before_the_first_block_only_if_asked():
    x = images()
    early, late = (tiny((1,), preactivation=True, early_activation=e) for e in (True, False))
    found = early.init(KEY, x, train=False)["params"]
    assert "stem_bn" in found
    assert "bn1" not in found["stage1"]["block0"]
    found = late.init(KEY, x, train=False)["params"]
    assert "stem_bn" not in found
    assert "bn1" in found["stage1"]["block0"]


def test_grouped_layers_see_their_own_group_only():
    x = images(4, 1, 8)
    design = BlockDesign(block="bottleneck", groups=2, base_width=128, shortcut="none")
    block = Block(8, 1, design)
    params = block.init(KEY, x, train=False)["params"]
    assert params["conv1"]["kernel"].shape == (1, 1, 8, 8)  # 8 / 4 * 128 / 64 channels, twice
    assert params["conv2"]["kernel"].shape == (3, 3, 4, 8)


@pytest.mark.parametrize("preactivation", [False, True])
def test_dropout_acts_between_the_convolutions_in_training_only(preactivation):
    x = images(4, 2, 4)
    with_dropout, without = (
        Block(4, 1, BlockDesign(dropout=rate, preactivation=preactivation)) for rate in (0.5, 0.0)
    )
    variables = without.init(KEY, x, train=False)
    assert jax.tree.structure(with_dropout.init(KEY, x, train=False)) == jax.tree.structure(
        variables
    )
    evaluated = [b.apply(variables, x, train=False) for b in (with_dropout, without)]
    np.testing.assert_array_equal(*evaluated)
    apply = functools.partial(with_dropout.apply, variables, x, train=True, mutable="batch_stats")
    first, _ = apply(rngs={"dropout": KEY})
    second, _ = apply(rngs={"dropout": jax.random.key(1)})
    assert np.any(np.asarray(first) != np.asarray(second))


EARLY = {"preactivation": True, "early_activation": True}
FORMS = [  # the slow ones have a like in test_every_network.py
    pytest.param(EARLY | {"shortcut": "A", "dropout": 0.3}, id="preact", marks=pytest.mark.slow),
    pytest.param(EARLY | {"block": "bottleneck", "strided": "1x1"}, id="preact_bottleneck"),
    pytest.param({"preactivation": True, "width_factor": 2, "dropout": 0.3}, id="wide"),
    pytest.param(
        {"block": "bottleneck", "groups": 2, "base_width": 128, "dropout": 0.1},
        id="resnext",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_parameter_gets_a_gradient_in_loops_over_blocks(form):
    x, model = images(), tiny(scan_blocks=True, **form)

    @jit
    def gradients(key):
        variables = model.init(key, x, train=False)

        def loss(params):
            state = {**variables, "params": params}
            logits, _ = model.apply(
                state, x, train=True, mutable="batch_stats", rngs={"dropout": key}
            )
            return jnp.sum(logits * jnp.arange(3.0)) + jnp.sum(logits**2)

        return jax.grad(loss)(variables["params"])

    flat = traverse_util.flatten_dict(gradients(KEY), sep="/")
    assert [name for name, g in flat.items() if not np.linalg.norm(g) > 1e-5] == []


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
    "name", ["preact_resnet11", "preact_resnet50", "wide_resnet10_2", "resnext11_2x8d"]
)
def test_logits_are_float32_one_row_an_image_one_column_a_class(name, train):
    model = models.create(name, 7, dtype="bfloat16", dropout=0.2, scan_blocks=True)
    x = jax.ShapeDtypeStruct((5, 33, 33, 1), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(KEY, x, train=False), x)
    apply = functools.partial(model.apply, train=train, mutable="batch_stats")
    logits, _ = jax.eval_shape(apply, variables, x, rngs={"dropout": KEY})
    assert (logits.shape, logits.dtype) == ((5, 7), jnp.float32)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "parts"),
    [
        ("preact_resnet111", {}, ["6n+2", "9n+2", "50, 101, 152 or 200"]),
        ("preact_resnet2", {}, ["6n+2", "9n+2"]),
        ("preact_resnet1001", {"block": "basic"}, ["6n+2", "block='bottleneck'"]),
        ("preact_resnet110", {"block": "wide"}, ["block='wide'", "'basic', 'bottleneck'"]),
        ("preact_resnet110", {"span": 3}, ["span=3", "span 2"]),
        ("preact_resnet50", {"block": "basic"}, ["no field 'block'"]),
        ("wide_resnet29_10", {}, ["6n+4", "28"]),
        ("wide_resnet28_0", {}, ["width", "at least 1"]),
        ("wide_resnet28_10", {"dropout": 1.0}, ["dropout=1.0", "[0, 1)"]),
        ("wide_resnet28_10", {"span": 1}, ["span=1", "span 2"]),
        ("resnext30_8x64d", {}, ["9n+2", "29", "50, 101, 152 or 200"]),
        ("resnext29_0x64d", {}, ["groups", "at least 1"]),
        ("resnext50_32x4d", {"groups": 2}, ["no field 'groups'"]),
        ("cifar_resnet20", {"dropout": 0.3, "span": 1}, ["dropout=0.3", "span 2 or 3"]),
    ],
)
def test_mistakes_name_the_field_and_the_valid_values_in_one_line(name, options, parts):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        models.create(name, **options)
    assert [part for part in parts if part not in str(caught.value)] == []
