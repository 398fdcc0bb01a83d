"""Numbers by layer, against NumPy and closed forms."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.diagnostics import activations, parameters
from resnets.diagnostics.readings import Readings, by_layer, evenly, numbers
from resnets.models import layers
from resnets.models.observation import COLLECTION
from resnets.models.residual_block import Block, BlockDesign
from resnets.models.resnet import ResNet

RNG = np.random.default_rng(0)


def heard(model, variables, images):
    """Quantities, samples, maps and order of a network on a batch."""
    listener = activations.Listener()

    @jax.jit
    def run(variables, images):
        with listener.listening():
            return model.apply(variables, images, train=True, mutable=["batch_stats", COLLECTION])

    _, kept = run(variables, images)
    return *activations.sort_out(kept.get(COLLECTION, {})), tuple(listener.order)


# --- a residual block, computed again in NumPy ------------------------------------------------


def convolved(x, kernel):
    """3x3, stride 1, zeros around: the sum over taps."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    return sum(
        padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3)
    )


def normalised(x, scale, bias):
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) / np.sqrt(var + 1e-5) * scale + bias


@pytest.fixture(scope="module")
def block():
    """A basic block of four channels with arbitrary scales, one dead ReLU, and a batch."""
    model = Block(4, 1, BlockDesign(shortcut="A"))
    images = jnp.asarray(RNG.normal(size=(3, 5, 5, 4)) ** 3, jnp.float32)
    variables = model.init(jax.random.key(0), images, train=False)
    params = jax.tree.map(np.array, variables["params"])
    for name in ("bn1", "bn2"):
        params[name] = {k: RNG.normal(size=4).astype(np.float32) for k in ("scale", "bias")}
    params["bn1"]["scale"][2], params["bn1"]["bias"][2] = 0.0, -1.0
    return model, {**variables, "params": jax.tree.map(jnp.asarray, params)}, images


def test_a_block_agrees_with_numpy(block):
    model, variables, images = block
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), variables["params"])
    x = np.asarray(images, np.float64)
    first = normalised(convolved(x, params["conv1"]["kernel"]), **params["bn1"])
    hidden = np.maximum(first, 0)
    branch = normalised(convolved(hidden, params["conv2"]["kernel"]), **params["bn2"])
    out = np.maximum(branch + x, 0)

    def rms(values):
        return np.sqrt((values**2).mean())

    def dead(values):
        return (values.reshape(-1, 4) == 0).all(0).mean()

    quantities, samples, _, _ = heard(model, variables, images)
    close = {"rel": 1e-4}
    assert quantities["response_std"] == {
        "bn1": pytest.approx(first.std(), **close),
        "bn2": pytest.approx(branch.std(), **close),
    }
    assert quantities["branch_to_shortcut"] == {"": pytest.approx(rms(branch) / rms(x), **close)}
    assert quantities["dead_relu_share"] == {"relu1": dead(hidden), "relu2": dead(out)}
    assert dead(hidden) == 0.25
    np.testing.assert_allclose(samples["bn1"], first.reshape(-1), rtol=1e-3, atol=1e-4)


def test_gradients_of_a_linear_layer_have_their_closed_form():
    """Of loss sum((x w + b) c): x^T c for w and the sum of c for b."""
    x, c = (jnp.asarray(RNG.normal(size=size), jnp.float32) for size in ((6, 3), (6, 2)))

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            return layers.Dense(2, name="dense")(x)

    params = Net().init(jax.random.key(0), x)["params"]
    gradients = jax.grad(lambda p: jnp.sum(Net().apply({"params": p}, x) * c))(params)
    x, c = np.asarray(x, np.float64), np.asarray(c, np.float64)
    expected = np.sqrt(((x.T @ c) ** 2).sum() + (c.sum(0) ** 2).sum())
    assert parameters.norms(gradients) == {"dense": pytest.approx(expected, rel=1e-5)}
    assert parameters.global_norm(gradients) == pytest.approx(expected, rel=1e-5)
    half = jax.tree.map(lambda p: 0.5 * p, params)
    assert parameters.update_to_weight(params, half) == {"dense": pytest.approx(0.5)}


def test_a_gradient_norm_is_what_finite_differences_give(block):
    """The slope of the loss along the gradient is its norm."""
    model, variables, images = block

    def loss(params):
        y, _ = model.apply(
            {**variables, "params": params}, images, train=True, mutable=["batch_stats"]
        )
        return jnp.mean(jnp.square(y))

    params = variables["params"]
    gradient = jax.grad(loss)(params)["conv1"]["kernel"]
    norm = float(parameters.norms({"conv1": {"kernel": gradient}})["conv1"])

    def moved(distance):
        kernel = params["conv1"]["kernel"] + distance / norm * gradient
        return float(loss({**params, "conv1": {"kernel": kernel}}))

    assert (moved(0.01) - moved(-0.01)) / 0.02 == pytest.approx(norm, rel=0.02)


# --- names and order ---------------------------------------------------------------------------


def network(shortcut, scan_blocks):
    """A stem, a stage of three blocks, a classifier."""
    design = BlockDesign(shortcut=shortcut)
    return ResNet(4, (3,), stem="cifar", width=4, design=design, scan_blocks=scan_blocks)


@pytest.fixture(scope="module")
def looped_and_unrolled():
    """The same network of three blocks in a loop and one by one, on one batch."""
    from resnets.models.stacking import unstack

    images = jnp.asarray(RNG.normal(size=(2, 8, 8, 3)), jnp.float32)
    loop, flat = (network("A", scan_blocks) for scan_blocks in (True, False))
    variables = jax.jit(lambda: loop.init(jax.random.key(0), images, train=False))()
    return (loop, variables), (flat, unstack(variables)), images


def test_loops_give_the_names_and_values_of_the_unrolled_network(looped_and_unrolled):
    loop, flat, images = looped_and_unrolled
    found = []
    for model, variables in (loop, flat):
        quantities, samples, maps, order = heard(model, variables, images)
        quantities["gradient_norm"] = parameters.norms(variables["params"])
        found.append(numbers(Readings(quantities, samples, maps, {}, order)))
    assert {q: list(v) for q, v in found[0].items()} == {q: list(v) for q, v in found[1].items()}
    for quantity, values in found[0].items():
        for layer, value in values.items():
            assert value == pytest.approx(found[1][quantity][layer], rel=1e-3), (quantity, layer)
    blocks = [f"stage1/block{n}" for n in range(3)]
    convolutions = [f"{block}/conv{n}" for block in blocks for n in (1, 2)]
    assert list(found[0]["gradient_norm"]) == ["stem_conv", *convolutions, "classifier"]
    assert list(found[0]["branch_to_shortcut"]) == blocks
    assert len(found[0]["response_std"]) == 7
    assert len(found[0]["dead_relu_share"]) == 7


def test_the_plain_network_has_no_additions_and_says_nothing_about_them(looped_and_unrolled):
    _, (_, variables), images = looped_and_unrolled
    quantities, *_ = heard(network("none", False), variables, images)
    assert sorted(quantities) == ["dead_relu_share", "response_std"]


def test_listening_changes_neither_the_logits_nor_what_a_network_initialises(looped_and_unrolled):
    (model, variables), _, images = looped_and_unrolled
    plain = jax.jit(lambda: model.apply(variables, images, train=False))()
    with activations.Listener().listening():
        again = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
        heard_too = jax.jit(lambda: model.apply(variables, images, train=False))()
    assert sorted(again) == ["batch_stats", "params"]
    np.testing.assert_array_equal(heard_too, plain)


def test_a_value_that_is_not_finite_is_null():
    readings = Readings(
        {"gradient_norm": {"a": jnp.float32(np.nan), "b": jnp.float32(1 / 3)}},
        {},
        {},
        {},
        ("b", "a"),
    )
    assert numbers(readings) == {"gradient_norm": {"b": 0.333333, "a": None}}


def test_a_module_that_is_called_twice_has_both_values():
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            norm = layers.BatchNorm(name="norm")
            return norm(2.0 * layers.relu(layers.relu(norm(x, train))), train)

    images = jnp.asarray(RNG.normal(size=(4, 2, 2, 3)), jnp.float32)
    variables = Twice().init(jax.random.key(0), images, train=False)
    quantities, samples, _, order = heard(Twice(), variables, images)
    assert list(by_layer(quantities["response_std"], order)) == ["norm", "norm@2"]
    assert list(quantities["dead_relu_share"]) == ["relu1", "relu2"]
    assert len(samples) == 2


@pytest.mark.parametrize(("size", "channels"), [(2**21, 16), (2**16, 96), (100, 64), (3000, 1)])
def test_sampled_responses_come_from_all_channels(size, channels):
    step = activations.spread_step(size, channels, 1024)
    seen = {n % channels for n in range(0, size, step)}
    assert len(seen) == min(channels, size)
    assert size / step >= min(size, 1024)


def test_names_are_thinned_out_evenly():
    assert evenly(map(str, range(10)), 4) == ["0", "3", "6", "9"]
    assert evenly(["a"], 4) == ["a"]
