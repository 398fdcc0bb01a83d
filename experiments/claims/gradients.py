"""Gradients at initial values through a stack of layers: C19."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims import seeds
from experiments.claims.behaviour import Behaviour
from experiments.claims.claim import Finding, Number, Picture, Table
from experiments.claims.effects import Effect
from experiments.claims.workplace import Workplace
from resnets import data
from resnets.models.layers import ACTIVATIONS, BatchNorm, Conv, classifier, global_average_pool
from resnets.training.step import cross_entropy

_WIDTH, _CLASSES, _BATCH = 16, 10, 128
DEPTHS = (4, 12, 20)
SEEDS = 5


@dataclasses.dataclass(frozen=True)
class Form:
    """How a stack is built.

    Attributes:
      activation: a name in `layers.ACTIVATIONS`.
      normalised: batch normalisation before each activation.
      shortcuts: every second layer adds what went into the first of the two.
      activated: the activation stands after the addition, as in the networks of the study
        `vanishing`, and not before it.
      heads: every fourth layer has a classifier of its own, whose loss is added.
    """

    activation: str
    normalised: bool = False
    shortcuts: bool = False
    activated: bool = False
    heads: bool = False


FORMS = {
    "sigmoid": Form("sigmoid"),
    "sigmoid, auxiliary heads": Form("sigmoid", heads=True),
    "sigmoid, shortcuts": Form("sigmoid", shortcuts=True),
    "sigmoid, shortcuts, sigmoid after the addition": Form(
        "sigmoid", shortcuts=True, activated=True
    ),
    "sigmoid, batch normalisation": Form("sigmoid", normalised=True),
    "ReLU": Form("relu"),
    "ReLU, batch normalisation": Form("relu", normalised=True),
}


class Stack(nn.Module):
    """3x3 convolutions of equal width, one after another, and a classifier.

    Attributes:
      depth: convolutions.
      form: how they are built.
    """

    depth: int
    form: Form

    @nn.compact
    def __call__(self, x: jax.Array) -> list[jax.Array]:
        """Map `[batch, height, width, channels]` to logits `[batch, classes]`, the heads' first."""
        kept, logits = x, []
        for index in range(1, self.depth + 1):
            initializer = "he_normal_fan_in" if self.form.activation == "relu" else "glorot_uniform"
            x = Conv(_WIDTH, (3, 3), initializer=initializer, name=f"conv{index}")(x)
            if self.form.normalised:
                x = BatchNorm(name=f"bn{index}")(x, True)
            activate = ACTIVATIONS[self.form.activation]
            if index % 2 == 0 and self.form.shortcuts:
                added = kept if kept.shape == x.shape else 0.0
                x = activate(x + added) if self.form.activated else activate(x) + added
                kept = x
            else:
                x = activate(x)
            if index % 4 == 0 and self.form.heads and index < self.depth:
                head = Head(name=f"head{index}")
                logits.append(head(x))
        return [*logits, Head(name="head")(x)]


class Head(nn.Module):
    """Global average pooling and a dense layer."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[batch, height, width, channels]` to logits `[batch, classes]`."""
        return classifier(global_average_pool(x), _CLASSES, "float32")


def decades(form: Form, depth: int, seeds: int = SEEDS) -> list[float]:
    """Powers of ten from the last convolution's gradient norm to the first's, one a seed.

    Norms of the mean loss by the kernel, at initial values, of one batch of digits: minus three
    says that the first layer's is a thousand times smaller. What underflows to zero counts as the
    smallest positive number.
    """
    stack = Stack(depth, form)
    images, labels = data.load("digits", test="").split("train")
    x = jnp.asarray(images[:_BATCH], jnp.float32) / 255.0
    y = jnp.asarray(labels[:_BATCH])

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        variables = stack.init(key, x)

        def loss(params: Any) -> jax.Array:
            outputs, _ = stack.apply({**variables, "params": params}, x, mutable=["batch_stats"])
            return jnp.sum(jnp.stack([jnp.mean(cross_entropy(o, y, 0.0)) for o in outputs]))

        gradients = jax.grad(loss)(variables["params"])
        first, last = (gradients[f"conv{index}"]["kernel"] for index in (1, depth))
        return _norm(first), _norm(last)

    tiny = np.finfo(np.float32).tiny
    # one seed after the other: over several at once XLA's convolutions are grouped, and slow
    compiled = jax.jit(one)
    norms = np.asarray([compiled(jax.random.key(seed)) for seed in range(seeds)])
    first, last = np.maximum(norms, tiny).T
    return [float(value) for value in np.log10(first / last)]


def _norm(x: jax.Array) -> jax.Array:
    """Of all values; the squares of very small ones would underflow."""
    largest = jnp.maximum(jnp.max(jnp.abs(x)), np.finfo(np.float32).tiny)
    return largest * jnp.linalg.norm((x / largest).ravel())


def steepest_sigmoid() -> float:
    """The largest derivative of the sigmoid."""
    sigmoid = jax.grad(lambda x: ACTIVATIONS["sigmoid"](x))
    return float(jax.vmap(sigmoid)(jnp.linspace(-8.0, 8.0, 1601)).max())


def measure() -> dict[str, dict[str, list[float]]]:
    """Decades by form, depth and seed."""
    return {
        name: {str(depth): decades(form, depth) for depth in DEPTHS} for name, form in FORMS.items()
    }


_LAST = "sigmoid, shortcuts, sigmoid after the addition"
_HELPED = ("sigmoid-heads", "sigmoid-shortcuts", "sigmoid-normalised")


def _trained(errors: Mapping[seeds.Group, float]) -> str:
    """What became of networks of sigmoids in training, each beside one without help."""
    said = [
        f"{arm} of {depth} layers {errors[arm, depth]:.1f} % (without: {alone:.1f} %)"
        for (name, depth), alone in errors.items()
        if name == "sigmoid"
        for arm in _HELPED
    ]
    return (
        f"Alive is not trained: in the study `vanishing`, where a sigmoid stands after the "
        f"addition, training ends at errors of {'; '.join(said)}."
    )


def _picture(found: Mapping[str, Mapping[str, list[float]]]) -> Picture:
    return Picture(
        "gradients",
        "What of the gradient reaches the first layer, at initial values",
        "Layers",
        "First layer's gradient norm over the last's, powers of ten",
        [
            (name, depth, float(np.mean(by_depth[str(depth)])))
            for name, by_depth in found.items()
            for depth in DEPTHS
        ],
    )


def _vanish(workplace: Workplace) -> Finding:
    forms = {name: dataclasses.asdict(form) for name, form in FORMS.items()}
    how = {"forms": forms, "depths": DEPTHS, "width": _WIDTH, "batch": _BATCH, "seeds": SEEDS}
    found = workplace.measured("gradients", measure, how)
    deepest = {name: by_depth[str(DEPTHS[-1])] for name, by_depth in found.items()}
    sigmoid = deepest["sigmoid"]
    errors = seeds.committed("vanishing")

    def kept(name: str) -> Effect:
        gain = tuple(a - b for a, b in zip(deepest[name], sigmoid, strict=True))
        return Effect(f"decades that {name.removeprefix('sigmoid, ')} keep", gain, "decades")

    rows = [
        (name, *(f"{np.mean(by_depth[str(depth)]):.1f}" for depth in DEPTHS))
        for name, by_depth in found.items()
    ]
    return Finding(
        (Number("largest derivative of the sigmoid", "0.25", steepest_sigmoid()),),
        f"Norms of the loss's gradient by the first and the last of {DEPTHS[-1]} convolutions at "
        "initial values, no training: through sigmoids the first is "
        f"10^{-np.mean(sigmoid):.1f} times smaller, through ReLU "
        f"10^{-np.mean(deepest['ReLU']):.1f} times. With shortcuts it is 10^"
        f"{-np.mean(deepest['sigmoid, shortcuts']):.1f} where the addition comes last, 10^"
        f"{-np.mean(deepest[_LAST]):.1f} where a sigmoid stands after it. "
        f"{_trained(errors)} The verdict is on gradients alone.",
        (
            Table(
                "Trained: study `vanishing` (experiments/results), mean of its seeds",
                ("arm", "layers", "training error, %"),
                [(arm, str(depth), f"{error:.2f}") for (arm, depth), error in errors.items()],
            ),
            Table(
                f"First layer's gradient norm over the last's, powers of ten, mean of {SEEDS} "
                "seeds, by layers",
                ("stack", *map(str, DEPTHS)),
                rows,
            ),
        ),
        effects=(
            Effect(
                "decades lost through sigmoids",
                tuple(-value for value in sigmoid),
                "decades",
            ),
            kept("sigmoid, auxiliary heads"),
            kept("sigmoid, shortcuts"),
            kept(_LAST),
        ),
        charts=(_picture(found),),
    )


BEHAVIOURS = (
    Behaviour(
        "C19",
        "Gradients vanish through stacked sigmoids; auxiliary heads and shortcuts keep them alive",
        _vanish,
        "./launch.sh study claims --only=C19",
    ),
)
