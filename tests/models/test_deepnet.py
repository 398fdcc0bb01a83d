"""Deepnet against the table of its layers, and what its blocks compute."""

import collections
import csv
import functools
import math
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from resnets import models
from resnets.models import deepnet

KEY = jax.random.key(0)
TABLE = pathlib.Path(__file__).with_name("deepnet_layers.csv")
"""Row number, Keras's layer name and number of parameters, statistics counted, by depth."""

BRANCHES = {  # layers of each branch, in the order that Keras numbers them
    "inception1": (1, 2, 3),
    "residual1": (1, 2, 3),
    "residual2": (1, 2, 3),
    "inception2": (1, 3),
    "residual3": (1, 2, 3),
    "residual4": (1, 2, 3),
    "inception3": (2, 2, 3),
    "residual5": (1, 2, 3),
    "residual6": (1, 2, 3),
    "residual7": (1, 2, 3),
}


def keras_names():
    """The name in the table of every convolution of the network, by path."""
    paths = ["stem"]
    for block, lengths in BRANCHES.items():
        for branch, length in enumerate(lengths, 1):
            paths += [f"{block}/branch{branch}_conv{i}" for i in range(1, length + 1)]
        paths += ["inception1/pool_conv"] * (block == "inception1")
    numbered = {path: f"conv2d_{n}" if n else "conv2d" for n, path in enumerate(paths)}
    merges = {f"residual{n}/merge": f"block35_{n - 1}_conv" for n in range(1, 8)}
    return {**numbered, **merges, "head": "conv_7b"}


def table():
    with TABLE.open() as file:
        return [(row["keras_layer"], int(row["parameters"])) for row in csv.DictReader(file)]


@functools.cache
def variables(classes=None, size=28):
    model = models.create("deepnet", classes)
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)


def by_layer():
    """Numbers in each layer, moving statistics counted, as Keras counts them."""
    found = collections.Counter()
    for tree in variables().values():
        for path, leaf in traverse_util.flatten_dict(tree).items():
            found["/".join(path[:-1])] += math.prod(leaf.shape)
    return found


def expected():
    """The table's numbers by path.

    A convolution has its own name there. The normalisations' names are cut short, but those of
    one depth stand below the convolutions of that depth, in their order.
    """
    paths = {name: path for path, name in keras_names().items()}
    numbers, waiting = {}, collections.deque()
    for name, number in table():
        if name == "predictions":
            numbers["classifier"] = number
        elif "batch_norm" in name or name.endswith("_bn"):
            numbers[f"{waiting.popleft()}/bn"] = number
        else:
            waiting.append(paths[name])
            numbers[f"{paths[name]}/conv"] = number
    assert not waiting
    return numbers


def count(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def output_shapes(model, image):
    """Shapes of what the modules return, by path."""

    def run(x):
        _, state = model.init_with_output(
            KEY, x, train=False, mutable=True, capture_intermediates=True
        )
        return state["intermediates"]

    tree = jax.eval_shape(run, jax.ShapeDtypeStruct(image, jnp.float32))
    flat = traverse_util.flatten_dict(tree, sep="/")
    return {key.removesuffix("__call__").rstrip("/"): v[0].shape[1:] for key, v in flat.items()}


def images(size=28, batch=2, channels=3):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, channels)), jnp.float32)


# --- sizes -------------------------------------------------------------------------------------


def test_every_layer_has_the_tables_parameters():
    assert by_layer() == expected()
    assert len(table()) == len(expected()) == 2 * len(keras_names()) + 1


def test_the_totals_are_those_of_keras():
    assert count(variables()) == sum(number for _, number in table()) == 1_057_962
    assert count(variables()["params"]) == 1_048_586


def test_every_branch_has_the_described_width_and_every_block_the_described_size():
    found = output_shapes(models.create("deepnet"), (1, 28, 28, 3))
    blocks = {name: found[name] for name in ("stem", *BRANCHES, "head", "")}
    assert blocks == {
        "stem": (28, 28, 32),
        "inception1": (28, 28, 176),
        "residual1": (28, 28, 176),
        "residual2": (28, 28, 176),
        "inception2": (14, 14, 256),
        "residual3": (14, 14, 256),
        "residual4": (14, 14, 256),
        "inception3": (7, 7, 384),
        **{f"residual{n}": (7, 7, 384) for n in (5, 6, 7)},
        "head": (7, 7, 512),
        "": (10,),
    }
    ends = {
        f"{block}/branch{branch}": found[f"{block}/branch{branch}_conv{length}"][-1]
        for block, lengths in BRANCHES.items()
        for branch, length in enumerate(lengths, 1)
    }
    residual = {
        f"residual{n}/branch{b}": w for n in range(1, 8) for b, w in enumerate((32, 32, 48), 1)
    }
    inception = {"inception1": (32, 48, 48), "inception2": (32, 48), "inception3": (32, 48, 48)}
    assert ends == residual | {
        f"{block}/branch{b}": w for block, ws in inception.items() for b, w in enumerate(ws, 1)
    }
    assert found["inception1/pool_conv"] == (28, 28, 48)


# --- what it computes --------------------------------------------------------------------------


def test_the_residual_blocks_have_the_described_scales_and_the_last_no_activation():
    scales = [scale for stage in deepnet._SCALES for scale in stage]
    assert scales == [0.17, 0.17, 0.1, 0.1, 0.2, 0.2, 1.0]
    seen = []

    def record(next_call, args, kwargs, context):
        if isinstance(context.module, deepnet.InceptionResidual):
            seen.append((context.module.scale, context.module.activate))
        return next_call(*args, **kwargs)

    with nn.intercept_methods(record):
        model = models.create("deepnet")
        jax.eval_shape(lambda: model.init(KEY, jnp.zeros((1, 28, 28, 3)), train=False))
    assert seen == [(scale, scale != 1.0) for scale in scales]


@pytest.mark.parametrize("activate", [True, False])
def test_a_residual_block_adds_its_scaled_merged_branches(activate):
    x = images(3, 1, 4)
    block = deepnet.InceptionResidual(0.25, deepnet.DeepnetDesign(), activate)
    state = block.init(KEY, x, train=False)
    bias = jnp.arange(4.0)
    silent = jax.tree.map(jnp.zeros_like, state["params"])
    silent["merge"]["bn"]["bias"] = bias
    found = block.apply({**state, "params": silent}, x, train=False)
    added = np.asarray(x) + 0.25 * np.arange(4.0)
    np.testing.assert_allclose(found, np.maximum(added, 0) if activate else added, rtol=1e-6)


@pytest.mark.parametrize(("size", "first"), [(6, 0), (7, 1)])
def test_stride_two_pads_an_even_side_at_the_end_only(size, first):
    """A kernel that picks the top left of its window shows where the windows start."""
    unit = deepnet.ConvUnit(1, 3, 2, deepnet.DeepnetDesign())
    x = jnp.abs(images(size, 1, 1)) + 0.1
    state = jax.tree.map(jnp.zeros_like, unit.init(KEY, x, train=False))
    state["params"]["conv"]["kernel"] = jnp.zeros((3, 3, 1, 1)).at[0, 0].set(1.0)
    state["batch_stats"]["bn"]["var"] = jnp.ones(1) - 1e-3
    expected = np.pad(x, ((0, 0), (first, 0), (first, 0), (0, 0)))[:, ::2, ::2]
    found = unit.apply(state, x, train=False)
    np.testing.assert_allclose(found, expected[:, : -(-size // 2), : -(-size // 2)], rtol=1e-5)


def test_dropout_acts_in_training_only():
    """The source has networks without and with 0.3; the rest of the program is the same."""
    assert models.create("deepnet") == models.create("deepnet", 10, dropout=0.0)
    model = models.create("deepnet", dropout=0.3)
    image = jax.ShapeDtypeStruct((1, 28, 28, 3), jnp.float32)
    evaluate, train = (functools.partial(model.apply, train=t) for t in (False, True))
    jax.eval_shape(evaluate, variables(), image)
    with pytest.raises(Exception, match="dropout"):
        jax.eval_shape(functools.partial(train, mutable="batch_stats"), variables(), image)


@pytest.mark.parametrize("train", [False, True])
def test_logits_are_float32_and_finite_in_bfloat16(train):
    model = models.create("deepnet", 7, dtype="bfloat16", dropout=0.3)
    state = jax.eval_shape(lambda x: model.init(KEY, x, train=False), images(9))
    apply = functools.partial(model.apply, train=train, mutable="batch_stats")
    logits, _ = jax.eval_shape(apply, state, images(9), rngs={"dropout": KEY})
    assert (logits.shape, logits.dtype) == ((2, 7), jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {jnp.dtype("float32")}


@pytest.mark.slow
def test_a_batch_of_images_gives_finite_logits_that_differ():
    model = models.create("deepnet")
    options = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}

    @functools.partial(jax.jit, compiler_options=options)
    def logits(x):
        return model.init_with_output(KEY, x, train=True)[0]

    found = logits(images(8))
    assert np.all(np.isfinite(found))
    assert np.all(found[0] != found[1])


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"dropout": 1.0}, ["dropout=1.0", "[0, 1)"]),
        ({"dropout": math.nan}, ["dropout=nan", "[0, 1)"]),
        ({"bn_momentum": -0.1}, ["bn_momentum=-0.1", "[0, 1)"]),
        ({"dtype": "float16"}, ["dtype='float16'", "'float32', 'bfloat16'"]),
        ({"initializer": "he"}, ["initializer='he'", "'glorot_uniform'"]),
        ({"drop": 0.3}, ["'drop'", "did you mean 'dropout'?"]),
    ],
)
def test_mistakes_name_the_field_and_the_valid_values_in_one_line(options, parts):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        models.create("deepnet", **options)
    assert [part for part in parts if part not in str(caught.value)] == []
