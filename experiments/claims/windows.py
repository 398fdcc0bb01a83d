"""Claims about connections and receptive fields: C11, C16."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims.claim import Claim, Finding, Number, Table, told
from resnets import analysis, models
from resnets.diagnostics import receptive_field
from resnets.models.layers import Conv, Dense

_DEPTHS = (1, 2, 3, 4)


class Flat(nn.Module):
    """A dense layer on all positions."""

    features: int

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Map `[batch, height, width, channels]` to `[batch, features]`."""
        return Dense(self.features, name="dense")(images.reshape(images.shape[0], -1))


def field(model: nn.Module, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Rows and columns of the image that the middle position of the result depends on."""
    images = jnp.ones((1, *shape))
    shapes = jax.eval_shape(model.init, jax.random.key(0), images)
    # positive weights: no two paths from a position cancel each other
    variables = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes)

    def middle(images: jax.Array) -> jax.Array:
        maps = model.apply(variables, images)
        assert isinstance(maps, jax.Array)
        return maps[0, maps.shape[1] // 2, maps.shape[2] // 2].sum()

    seen = np.asarray(jax.jit(jax.grad(middle))(images))[0].any(-1)
    return int(seen.any(1).sum()), int(seen.any(0).sum())


def stage_fields(network: str) -> dict[str, int]:
    """Rows of the image that a unit at the end of each stage can see, as the program says."""
    model = models.create(network)
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    shapes = jax.eval_shape(functools.partial(model.init, train=False), jax.random.key(0), images)
    fields = receptive_field.theoretical(model, shapes, images.shape[1:])
    return {
        name: fields[name].rows.size
        for name in fields
        if name.startswith("stage") and "/" not in name
    }


def stack(count: int, size: tuple[int, int], strides: int = 1, features: int = 1) -> nn.Module:
    """Convolutions one after another."""
    return nn.Sequential([Conv(features, size, strides) for _ in range(count)])


def _two_for_one() -> Finding:
    shape = (15, 15, 8)
    models = {
        "two 3x3": stack(2, (3, 3), features=8),
        "one 5x5": stack(1, (5, 5), features=8),
    }
    weights = {name: analysis.cost(model, shape).parameters for name, model in models.items()}
    fields = {name: field(model, shape) for name, model in models.items()}
    share = 100 * weights["two 3x3"] / weights["one 5x5"]
    rows = [
        (name, "x".join(map(str, fields[name])), f"{weights[name]:,}", f"{macs / 1e6:.3f}")
        for name, model in models.items()
        for macs in [analysis.cost(model, shape).total.macs]
    ]
    numbers = (
        Number("field, rows", "5", fields["two 3x3"][0]),
        Number("columns", "5", fields["two 3x3"][1]),
        Number("share of the weights", "72", share, "%"),
        Number("reduction in a caption", "38", 100 - share, "%"),
    )
    return Finding(
        numbers,
        f"{told(numbers)} {share:.0f} % of the weights are left, so {100 - share:.0f} % are saved. "
        "Where share and reduction do not add up to 100 % the caption contradicts the text; it is "
        "refuted, as the text's half is the one that can be counted.",
        (
            Table(
                "Convolutions of 8 channels on 15x15",
                ("layers", "field", "weights", "M multiply-adds"),
                rows,
            ),
        ),
    )


def _connections() -> Finding:
    image = (1, 5, 1)
    dense = analysis.cost(Flat(5), image).total.macs_valid
    sparse = analysis.cost(Conv(1, (1, 3)), image).total.macs_valid
    wide = (1, 65, 1)
    near = [field(stack(depth, (1, 3)), wide)[1] for depth in _DEPTHS]
    far = [field(stack(depth, (1, 3), strides=2), wide)[1] for depth in _DEPTHS]
    rows = [
        (str(depth), str(one), str(two)) for depth, one, two in zip(_DEPTHS, near, far, strict=True)
    ]
    faster = all(two > one for one, two in zip(near[1:], far[1:], strict=True))
    seen = stage_fields("plain34")
    return Finding(
        (
            Number("fully connected", "25", dense),
            Number("width 3", "13", sparse),
            Number("depth widens the field", "yes", near == sorted(set(near))),
            Number("stride widens it faster", "yes", faster),
            Number(
                "each stage of plain-34 sees more",
                "yes",
                [*seen.values()] == sorted({*seen.values()}),
            ),
        ),
        "Multiply-adds without the padded taps; a field is where the gradient of the middle unit "
        "is not zero.",
        (
            Table(
                "Positions that one unit sees through layers of width 3",
                ("layers", "stride 1", "stride 2"),
                rows,
            ),
            Table(
                "Rows of the image that one unit of plain-34 can see, the border counted",
                ("module", "pixels"),
                [(name, str(size)) for name, size in seen.items()],
            ),
        ),
    )


CLAIMS = (
    Claim(
        "C11",
        "Two 3x3 convolutions see 5x5 with 18/25 = 72 % of the weights, a reduction by 38 %",
        _two_for_one,
        "./launch.sh study claims --only=C11",
    ),
    Claim(
        "C16",
        "5 to 5 units fully connected take 25 weights, a width-3 convolution 13 connections",
        _connections,
        "./launch.sh study claims --only=C16",
    ),
)
