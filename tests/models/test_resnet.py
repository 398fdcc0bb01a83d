"""Plain and residual networks: sizes, the fairness of the comparison, and what a block computes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from jax import lax

from resnets import models
from resnets.models import layers
from resnets.models.residual_block import Block, BlockDesign
from resnets.models.resnet import REMAT, ResNet, Stage

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once


@functools.cache
def shapes(name, size=32, **overrides):
    """Shapes of all variables, without computing any."""
    model = models.create(name, **overrides)
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)


def parameters(name, **overrides):
    """How many numbers training adjusts."""
    return sum(math.prod(p.shape) for p in jax.tree.leaves(shapes(name, **overrides)["params"]))


def kernels(name, **overrides):
    """Shapes of the weights by layer name, projections left out."""
    flat = traverse_util.flatten_dict(shapes(name, **overrides)["params"], sep="/")
    return {
        key.removesuffix("/kernel"): value.shape
        for key, value in flat.items()
        if key.endswith("/kernel") and "projection" not in key
    }


def tiny(stage_sizes=(1, 2), scan_blocks=False, **design):
    """A network that compiles in a second."""
    return ResNet(3, stage_sizes, "cifar", 4, BlockDesign(**design), scan_blocks)


def images(size=8, batch=4, channels=3):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, channels)), jnp.float32)


def random_variables(model, *args):
    """Variables of a module with every entry random, scales and variances positive."""
    rng = np.random.default_rng(1)
    tree = jax.eval_shape(lambda: model.init(KEY, *args, train=False))

    def draw(path, leaf):
        values = rng.standard_normal(leaf.shape).astype(np.float32)
        if path[-1].key in ("scale", "var"):
            return jnp.asarray(1 + 0.25 * np.tanh(values))
        return jnp.asarray(values / math.sqrt(math.prod(leaf.shape[:-1]) or 1))

    return jax.tree_util.tree_map_with_path(draw, tree)


def assert_equal(left, right, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), left, right)


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("depth", "expected"), [(20, 269_722), (56, 853_018), (110, 1_727_962), (1202, 19_421_274)]
)
@pytest.mark.parametrize("arm", ["resnet", "plain"])
def test_cifar_networks_have_the_papers_parameters(arm, depth, expected):
    assert parameters(f"cifar_{arm}{depth}", scan_blocks=True) == expected


def test_loops_over_blocks_do_not_change_the_number_of_parameters():
    assert parameters("cifar_resnet20") == 269_722


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032), (101, 44_549_160), (152, 60_192_808)],
)
def test_imagenet_networks_have_torchvisions_parameters(depth, expected):
    assert parameters(f"resnet{depth}", scan_blocks=True) == expected


@pytest.mark.parametrize("depth", [18, 34])
def test_plain_imagenet_networks_lack_the_projections_only(depth):
    projections = sum(a * b + 2 * b for a, b in ((64, 128), (128, 256), (256, 512)))
    residual = parameters(f"resnet{depth}", scan_blocks=True)
    assert parameters(f"plain{depth}", scan_blocks=True) == residual - projections


@pytest.mark.parametrize("preactivation", [False, True])
def test_option_b_adds_projections_where_shapes_change_and_c_everywhere(preactivation):
    n = 3  # blocks a stage, at depth 20
    norm = 0 if preactivation else 2
    changes = (16 * 32 + norm * 32) + (32 * 64 + norm * 64)
    others = (16 * 16 + norm * 16) + sum((n - 1) * (c * c + norm * c) for c in (16, 32, 64))
    a, b, c = (
        parameters("cifar_resnet20", shortcut=kind, preactivation=preactivation) for kind in "ABC"
    )
    assert (b - a, c - b) == (changes, others)


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_a_cifar_network_of_depth_6n_plus_2_has_that_many_weighted_layers(depth):
    assert len(kernels(f"cifar_resnet{depth}", shortcut="C")) == depth


@pytest.mark.parametrize("name", ["plain18", "resnet34", "resnet50", "resnet101"])
def test_an_imagenet_network_has_as_many_weighted_layers_as_its_name_says(name):
    loops = shapes(name, scan_blocks=True)["params"]
    found = kernels(name, scan_blocks=True)
    repeats = {s: len(loops[s]["blocks"]["conv1"]["kernel"]) for s in loops if "blocks" in loops[s]}
    depth = sum(repeats[k.split("/")[0]] if "/blocks/" in k else 1 for k in found)
    assert depth == int(name.removeprefix("plain").removeprefix("resnet"))


def test_spans_share_the_same_layers_among_more_or_fewer_blocks():
    by_span = {span: kernels("cifar_resnet20", span=span) for span in (1, 2, 3)}
    blocks = {s: len({k.split("/conv")[0] for k in ks if "/" in k}) for s, ks in by_span.items()}
    assert {len(layers) for layers in by_span.values()} == {20}
    assert blocks == {1: 18, 2: 9, 3: 6}
    assert len({tuple(sorted(ks.values())) for ks in by_span.values()}) == 1


def test_layers_have_the_documented_names():
    unrolled, scanned = kernels("cifar_resnet20"), kernels("cifar_resnet20", scan_blocks=True)
    assert {"stem_conv", "classifier", "stage2/block1/conv2", "stage3/block2/conv1"} < set(unrolled)
    assert scanned["stage1/blocks/conv1"] == (2, *unrolled["stage1/block1/conv1"])
    assert {k for k in scanned if k.startswith("stage1")} == {
        f"stage1/{block}/conv{i}" for block in ("block0", "blocks") for i in (1, 2)
    }
    assert "projection" in shapes("cifar_resnet20", shortcut="B")["params"]["stage2"]["block0"]


# --- the two arms ------------------------------------------------------------------------------


@pytest.mark.parametrize("scan_blocks", [False, True])
def test_plain_and_residual_start_from_the_same_values(scan_blocks):
    @jit
    def initial(key):
        return [
            tiny((1, 3), scan_blocks, shortcut=shortcut).init(key, images(), train=False)
            for shortcut in ("A", "none")
        ]

    residual, plain = initial(KEY)
    jax.tree.map(np.testing.assert_array_equal, residual, plain)
    stem = residual["params"]["stem_conv"]["kernel"]
    assert np.all(stem != initial(jax.random.key(1))[0]["params"]["stem_conv"]["kernel"])


@pytest.mark.parametrize("preactivation", [False, True])
def test_plain_is_the_residual_network_without_shortcuts(preactivation):
    plain = models.create("cifar_plain8", preactivation=preactivation)
    options = {"shortcut": "none", "preactivation": preactivation}
    assert plain == models.create("cifar_resnet8", **options)
    trees = [shapes(f"cifar_{arm}8", preactivation=preactivation) for arm in ("plain", "resnet")]
    assert trees[0] == trees[1]


def test_blocks_of_one_loop_start_from_different_values():
    init = jit(lambda: tiny((3,), True).init(KEY, images(), train=False))
    kernel = init()["params"]["stage1"]["blocks"]["conv1"]["kernel"]
    assert np.all(kernel[0] != kernel[1])


# --- what a block computes ---------------------------------------------------------------------


def normalise(x, params, stats):
    """Batch normalisation in evaluation, by the formula."""
    return (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-5) * params["scale"] + params["bias"]


def conv3x3(x, params, strides=1):
    pads = ((1, 1), (1, 1))
    return np.asarray(
        lax.conv_general_dilated(
            x, params["kernel"], (strides,) * 2, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    )


def relu(x):
    return np.maximum(x, 0)


def evaluated(block, variables, x):
    return jit(functools.partial(block.apply, train=False))(variables, x)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_a_post_activation_block_adds_its_scaled_branch_and_then_activates(scale):
    """relu(x + scale bn(conv(relu(bn(conv(x))))))."""
    x, block = images(4, channels=4), Block(4, 1, BlockDesign(residual_scale=scale))
    variables = random_variables(block, x)
    params, stats = variables["params"], variables["batch_stats"]
    y = relu(normalise(conv3x3(x, params["conv1"]), params["bn1"], stats["bn1"]))
    y = normalise(conv3x3(y, params["conv2"]), params["bn2"], stats["bn2"])
    np.testing.assert_allclose(evaluated(block, variables, x), relu(x + scale * y), atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_a_pre_activation_block_adds_its_scaled_branch_to_the_untouched_input(scale):
    """x + scale conv(relu(bn(conv(relu(bn(x))))))."""
    x, block = (
        images(4, channels=4),
        Block(4, 1, BlockDesign(residual_scale=scale, preactivation=True)),
    )
    variables = random_variables(block, x)
    params, stats = variables["params"], variables["batch_stats"]
    y = conv3x3(relu(normalise(x, params["bn1"], stats["bn1"])), params["conv1"])
    y = conv3x3(relu(normalise(y, params["bn2"], stats["bn2"])), params["conv2"])
    np.testing.assert_allclose(evaluated(block, variables, x), x + scale * y, atol=1e-5)


def silent(design, strides=1, features=4):
    """The output of a block whose branch is zero: its weights are, or its factor is."""
    x = images(4, channels=4)
    block = Block(features, strides, design)
    variables = jax.eval_shape(lambda: block.init(KEY, x, train=False))
    if design.residual_scale == 0:
        return x, evaluated(block, random_variables(block, x), x)
    return x, evaluated(block, jax.tree.map(lambda v: jnp.zeros(v.shape), variables), x)


@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_a_block_with_a_silent_branch_is_the_identity_before_its_activation(scale):
    x, y = silent(BlockDesign(shortcut="A", residual_scale=scale, preactivation=True))
    np.testing.assert_array_equal(y, x)
    x, y = silent(BlockDesign(shortcut="A", residual_scale=scale))
    np.testing.assert_array_equal(y, relu(x))


@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_a_plain_block_with_a_silent_branch_is_zero(preactivation, scale):
    design = BlockDesign(shortcut="none", residual_scale=scale, preactivation=preactivation)
    x, y = silent(design)
    np.testing.assert_array_equal(y, np.zeros(x.shape))


def test_option_a_takes_every_second_position_and_fills_new_channels_with_zeros():
    x, y = silent(BlockDesign(shortcut="A", preactivation=True), strides=2, features=7)
    np.testing.assert_array_equal(y[..., :4], x[:, ::2, ::2])
    np.testing.assert_array_equal(y[..., 4:], np.zeros((4, 2, 2, 3)))


@pytest.mark.parametrize("preactivation", [False, True])
def test_a_projection_reads_the_block_input_after_or_the_preactivated_one(preactivation):
    x = images(4, channels=4)
    block = Block(6, 2, BlockDesign(shortcut="B", residual_scale=0.0, preactivation=preactivation))
    variables = random_variables(block, x)
    params, stats = variables["params"], variables["batch_stats"]
    seen = relu(normalise(x, params["bn1"], stats["bn1"])) if preactivation else np.asarray(x)
    projected = seen[:, ::2, ::2] @ np.asarray(params["projection"]["kernel"])[0, 0]
    if not preactivation:
        projected = relu(normalise(projected, params["projection_bn"], stats["projection_bn"]))
    np.testing.assert_allclose(evaluated(block, variables, x), projected, atol=1e-5)


# --- shapes ------------------------------------------------------------------------------------


def output_shapes(model, size, of=Stage):
    """Output shapes of the modules of a class, by path; they run one by one, not in loops."""

    def run(x):
        _, state = model.init_with_output(
            KEY, x, train=False, mutable=True, capture_intermediates=lambda m, _: isinstance(m, of)
        )
        return state["intermediates"]

    tree = jax.eval_shape(run, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))
    flat = traverse_util.flatten_dict(tree, sep="/")
    return {key.removesuffix("/__call__"): value[0].shape[1:] for key, value in flat.items()}


def test_cifar_stages_halve_the_size_and_double_the_channels():
    found = output_shapes(models.create("cifar_resnet8"), 32)
    assert list(found.values()) == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]


@pytest.mark.parametrize(("name", "expansion"), [("resnet18", 1), ("resnet50", 4)])
def test_imagenet_stages_halve_the_size_and_double_the_channels(name, expansion):
    found = output_shapes(models.create(name), 224)
    expected = [(s, s, c * expansion) for s, c in ((56, 64), (28, 128), (14, 256), (7, 512))]
    assert list(found.values()) == expected


@pytest.mark.parametrize(("strided", "after_conv1"), [("1x1", 4), ("3x3", 8)])
def test_the_bottleneck_halves_the_size_where_it_is_told_to(strided, after_conv1):
    model = tiny(block="bottleneck", strided=strided)
    found = output_shapes(model, 8, of=layers.Conv)
    branch = [size for name, (size, *_) in found.items() if name.startswith("stage2/block0/conv")]
    assert branch == [after_conv1, 4, 4]


# --- training ----------------------------------------------------------------------------------

FORMS = [
    {"shortcut": shortcut, "preactivation": preactivation}
    for preactivation in (False, True)
    for shortcut in ("A", "C", "none")
]
FORMS += [{"block": "bottleneck", "shortcut": "B", "strided": "1x1"}]


def training_outcome(model, variables, x):
    """Loss, logits, moved statistics and gradients of one training pass."""

    def loss(params):
        logits, updates = model.apply(
            {**variables, "params": params}, x, train=True, mutable="batch_stats"
        )
        return jnp.sum(logits * jnp.arange(3.0)) + jnp.sum(logits**2), (logits, updates)

    (_, outcome), gradients = jax.value_and_grad(loss, has_aux=True)(variables["params"])
    return *outcome, gradients


@pytest.mark.parametrize("design", FORMS, ids=lambda d: "-".join(map(str, d.values())))
def test_every_parameter_gets_a_gradient(design):
    x, model = images(), tiny((1, 1), **design)
    _, _, gradients = jit(functools.partial(training_outcome, model))(random_variables(model, x), x)
    norms = {
        name: np.linalg.norm(gradient)
        for name, gradient in traverse_util.flatten_dict(gradients, sep="/").items()
    }
    assert [name for name, norm in norms.items() if not norm > 1e-4] == []


def test_a_loop_over_blocks_computes_what_the_blocks_in_a_row_do():
    x, row, loop = images(), tiny((1, 3)), tiny((1, 3), scan_blocks=True)
    variables = random_variables(row, x)

    def stacked(tree):
        stage = dict(tree["stage2"])
        blocks = [stage.pop(f"block{i}") for i in (1, 2)]
        return {
            **tree,
            "stage2": {**stage, "blocks": jax.tree.map(lambda *b: jnp.stack(b), *blocks)},
        }

    @jit
    def both(variables, x):
        looped = {kind: stacked(tree) for kind, tree in variables.items()}
        logits, updates, gradients = training_outcome(row, variables, x)
        expected = logits, {"batch_stats": stacked(updates["batch_stats"])}, stacked(gradients)
        return training_outcome(loop, looped, x), expected

    assert_equal(*both(variables, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scan_blocks", [False, True])
def test_computing_again_changes_the_memory_and_nothing_else(scan_blocks):
    x = images(16, 8)
    networks = [tiny((1, 5), scan_blocks).clone(remat=choice) for choice in REMAT]
    variables = random_variables(networks[0], x)
    programs = [
        jit(functools.partial(training_outcome, network)).lower(variables, x).compile()
        for network in networks
    ]
    kept, by_block, by_stage = (program(variables, x) for program in programs)
    assert_equal(by_block, kept, rtol=1e-3, atol=2e-3)  # gradients up to 9
    assert_equal(by_stage, kept, rtol=1e-3, atol=2e-3)  # gradients up to 9
    if scan_blocks:  # elsewhere XLA's CPU backend shares what is computed twice
        memory = [program.memory_analysis().temp_size_in_bytes for program in programs]
        assert memory[1] < 0.8 * memory[0]


def test_training_and_evaluation_differ_through_batch_norm_only():
    """With the batch's own statistics as the running ones, both give the same logits."""
    model = tiny(shortcut="B", bn_momentum=0.0)

    @jit
    def logits(variables, x):
        trained, updates = model.apply(variables, x, train=True, mutable="batch_stats")
        evaluated = model.apply({**variables, **updates}, x, train=False)
        return trained, evaluated, model.apply(variables, x, train=False)

    trained, evaluated, before = logits(random_variables(model, images()), images())
    np.testing.assert_allclose(trained, evaluated, atol=1e-5)
    assert np.max(np.abs(trained - before)) > 0.01


def test_bfloat16_compute_keeps_float32_variables_and_logits():
    exact, rounded = tiny(), tiny(dtype="bfloat16")
    x = images()
    variables = random_variables(exact, x)
    outcome = jit(lambda v: [training_outcome(m, v, x) for m in (exact, rounded)])(variables)
    (expected, _, _), (logits, updates, gradients) = outcome
    tree = jax.eval_shape(lambda: rounded.init(KEY, x, train=False))
    dtypes = {leaf.dtype for leaf in jax.tree.leaves((tree, logits, updates, gradients))}
    assert dtypes == {jnp.dtype("float32")}
    assert 0 < np.linalg.norm(logits - expected) < 3e-2 * np.linalg.norm(expected)


@pytest.mark.parametrize("train", [False, True])
def test_logits_are_float32_one_row_an_image_one_column_a_class(train):
    model = models.create("cifar_resnet8", 7, dtype="bfloat16")
    variables = jax.eval_shape(lambda x: model.init(KEY, x, train=False), images(9, 5, 1))
    apply = functools.partial(model.apply, train=train, mutable="batch_stats")
    logits, _ = jax.eval_shape(apply, variables, images(9, 5, 1))
    assert (logits.shape, logits.dtype) == ((5, 7), jnp.float32)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "parts"),
    [
        ("cifar_resnet21", {}, ["6n+2", "20 and 26"]),
        ("cifar_plain2", {}, ["6n+2", "8 and 14"]),
        ("cifar_resnet20", {"shortcut": "D"}, ["shortcut='D'", "'A', 'B', 'C', 'none'"]),
        ("cifar_resnet20", {"activation": "relo"}, ["activation='relo'", "'relu'", "'swish'"]),
        ("cifar_resnet20", {"initializer": "he"}, ["initializer='he'", "'he_normal_fan_out'"]),
        ("cifar_resnet20", {"dtype": "float16"}, ["dtype='float16'", "'float32', 'bfloat16'"]),
        ("cifar_resnet20", {"span": 4}, ["span=4", "1, 2, 3"]),
        ("cifar_resnet14", {"span": 3}, ["span=3", "4 layers", "18n+2"]),
        ("resnet50", {"strided": "7x7"}, ["strided='7x7'", "'1x1', '3x3'"]),
        ("resnet50", {"span": 3}, ["span=3", "bottleneck"]),
        ("resnet18", {"bn_momentum": 1.0}, ["bn_momentum=1.0", "[0, 1)"]),
        ("resnet18", {"bn_momentum": -0.1}, ["bn_momentum=-0.1", "[0, 1)"]),
        ("resnet18", {"bn_momentum": math.nan}, ["bn_momentum=nan", "[0, 1)"]),
        ("resnet18", {"shortcuts": "A"}, ["'shortcuts'", "did you mean 'shortcut'?", "span"]),
        ("resnet18", {"block": "bottleneck"}, ["no field 'block'"]),
        ("cifar_plain20", {"shortcut": "A"}, ["cifar_plain20", "shortcut='A'", "cifar_resnet20"]),
    ],
)
def test_mistakes_name_the_field_and_the_valid_values_in_one_line(name, options, parts):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        models.create(name, **options)
    assert [part for part in parts if part not in str(caught.value)] == []
