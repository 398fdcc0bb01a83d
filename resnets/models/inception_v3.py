"""Inception v3: Szegedy et al. 2015 (arXiv 1512.00567); also the parts that its successors share.

A branch is written as its layers: `64:1x1 96:3x3/2` is a 1x1 convolution to 64 channels, then a 3x3
one to 96 at stride 2. Zero padding keeps the size, except at stride 2 and after a `v` (valid);
`384:1x3+384:3x1` are two convolutions of the same input, concatenated.
"""

import re
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.googlenet import Step, build, check_size
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import register

_LAYER = re.compile(r"(\d+):(\d)x(\d)(/2|v)?")


class Unit(nn.Module):
    """One convolution of a branch, batch normalisation (epsilon 0.001) and ReLU.

    Attributes:
      layer: such as `64:1x1`.
      options: `bn_scale`, `bn_momentum`, `initializer` and `dtype` of the network.
    """

    layer: str
    options: Mapping[str, Any]

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the layer's size and channels."""
        match = _LAYER.fullmatch(self.layer)
        if match is None:
            raise ValueError(f"{self.layer!r} is not a layer such as '64:3x3/2'")
        features, height, width = (int(group) for group in match.groups()[:3])
        x = layers.Conv(
            features,
            (height, width),
            2 if match[4] == "/2" else 1,
            (0, 0) if match[4] else None,
            initializer=self.options["initializer"],
            dtype=self.options["dtype"],
            name="conv",
        )(x)
        momentum, dtype = self.options["bn_momentum"], self.options["dtype"]
        norm = layers.BatchNorm(momentum, dtype, 1e-3, self.options["bn_scale"], name="bn")
        return jax.nn.relu(norm(x, train))


class Branch(nn.Module):
    """Convolutions one after another: `conv1`, `conv2`, ...; of a pair, `conv2a` and `conv2b`."""

    layers: str
    options: Mapping[str, Any]

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the branch's size and channels."""
        for index, layer in enumerate(self.layers.split(), 1):
            if "+" in layer:
                pair = [
                    Unit(part, self.options, name=f"conv{index}{letter}")(x, train)
                    for part, letter in zip(layer.split("+"), "ab", strict=True)
                ]
                x = jnp.concatenate(pair, -1)
            else:
                x = Unit(layer, self.options, name=f"conv{index}")(x, train)
        return x


class Mixed(nn.Module):
    """Branches on the same input, concatenated in their order.

    A branch named `pool` begins with a pooling: 3x3 at stride 1 averages before its layers, or, if
    it has no layers, the largest of 3x3 at stride 2.

    Attributes:
      branches: layers by the branch's name.
      options: of the network; `count_padding` says whether averages count the zeros around.
    """

    branches: Mapping[str, str]
    options: Mapping[str, Any]

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the module's size and channels."""
        outputs = []
        for name, spec in self.branches.items():
            y = x
            if name == "pool":
                count = self.options["count_padding"]
                y = layers.average_pool(x, 3, 1, 1, count) if spec else layers.max_pool(x, 3, 2)
            outputs.append(Branch(spec, self.options, name=f"branch_{name}")(y, train))
        return jnp.concatenate(outputs, -1)


class AuxiliaryHead(nn.Module):
    """A classifier on an inner layer: pooling 5x5 at stride 3, 1x1 and 5x5 convolutions, dense."""

    num_classes: int
    options: Mapping[str, Any]

    @nn.compact
    def __call__(self, x: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of `[batch, height, width, channels]`."""
        x = layers.average_pool(x, 5, 3)
        x = Branch("128:1x1 768:5x5v", self.options, name="branch")(x, train)
        features = layers.global_average_pool(x)
        return layers.classifier(features, self.num_classes, self.options["dtype"])


AUXILIARY_STEPS = (Step("auxiliary's pooling", 5, 3), Step("auxiliary's 5x5 convolution", 5, 1))
"""What the head shrinks: its input must have 17x17 positions, which images of 299x299 give."""


def check_image_size(images: Array, steps: tuple[Step, ...], before: str, heads: bool) -> None:
    """Refuse images that a layer would shrink to nothing.

    Args:
      images: `[batch, height, width, channels]`.
      steps: the layers of the network that shrink the image.
      before: the first of them that does not come before the auxiliary head.
      heads: whether the head runs.

    Raises:
      ValueError: naming the layer and the smallest valid size.
    """
    check_size(images, steps)
    if heads:
        index = next(i for i, step in enumerate(steps) if step.layer == before)
        hint = " (any that auxiliary=False allows, without the head)"
        check_size(images, (*steps[:index], *AUXILIARY_STEPS), hint)


def run_head(network: nn.Module, x: Images, train: bool) -> None:
    """Sow the logits of the auxiliary head on `x`; called in a network's compact method."""
    if not (network.auxiliary and (train or network.is_initializing())):
        return
    logits = AuxiliaryHead(network.num_classes, options_of(network), name="auxiliary1")(x, train)
    if not network.is_initializing():
        network.sow("auxiliary", "head1", logits)


def options_of(network: nn.Module) -> dict[str, Any]:
    """The fields of a network that its layers share."""
    fields = ("bn_scale", "bn_momentum", "count_padding", "initializer", "dtype")
    return {field: getattr(network, field) for field in fields}


def _early(pool: int) -> dict[str, str]:
    """Figure 5 of the paper, its 5x5 kept."""
    double = "64:1x1 96:3x3 96:3x3"
    return {"1x1": "64:1x1", "5x5": "48:1x1 64:5x5", "double3x3": double, "pool": f"{pool}:1x1"}


def _middle(n: int) -> dict[str, str]:
    """Figure 6: 7x7 windows as 1x7 and 7x1."""
    twice = f"{n}:1x1 {n}:7x1 {n}:1x7 {n}:7x1 192:1x7"
    once = f"{n}:1x1 {n}:1x7 192:7x1"
    return {"1x1": "192:1x1", "7x7": once, "double7x7": twice, "pool": "192:1x1"}


_LATE = {  # figure 7
    "1x1": "320:1x1",
    "3x3": "384:1x1 384:1x3+384:3x1",
    "double3x3": "448:1x1 384:3x3 384:1x3+384:3x1",
    "pool": "192:1x1",
}
_MODULES = {
    "5b": _early(32),
    "5c": _early(64),
    "5d": _early(64),
    "6a": {"3x3": "384:3x3/2", "double3x3": "64:1x1 96:3x3 96:3x3/2", "pool": ""},
    "6b": _middle(128),
    "6c": _middle(160),
    "6d": _middle(160),
    "6e": _middle(192),
    "7a": {
        "3x3": "192:1x1 320:3x3/2",
        "7x7x3": "192:1x1 192:1x7 192:7x1 192:3x3/2",
        "pool": "",
    },
    "7b": _LATE,
    "7c": _LATE,
}
_STEPS = (
    Step("stem1/conv1", 3, 2),
    Step("stem1/conv2", 3, 1),
    Step("pool1", 3, 2),
    Step("stem2/conv2", 3, 1),
    Step("pool2", 3, 2),
    Step("mixed_6a", 3, 2),
    Step("mixed_7a", 3, 2),
)


class InceptionV3(nn.Module):
    """Stem, eleven modules at about 1/8, 1/16 and 1/32 of the size, pooling, and a classifier.

    Attributes:
      num_classes: number of logits.
      auxiliary: a classifier on mixed_6e, which exists in training only; its logits are sown as
        `head1` into the collection `auxiliary`.
      auxiliary_weight: of the head's loss in the training loss.
      dropout_rate: share of the features that training drops before the classifier.
      count_padding: averages count the zeros around, as in torchvision; tf-slim and Keras do not.
      bn_scale: normalisations have a scale, as in torchvision; tf-slim and Keras have none.
      bn_momentum: share of the running statistics that one step keeps.
      initializer: a name in `layers.INITIALIZERS`.
      dtype: compute dtype, a name in `layers.DTYPES`.
    """

    num_classes: int
    auxiliary: bool = True
    auxiliary_weight: float = 0.3
    dropout_rate: float = 0.5
    count_padding: bool = True
    bn_scale: bool = True
    bn_momentum: float = 0.9
    initializer: str = "he_normal_fan_out"
    dtype: str = "float32"

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`."""
        heads = self.auxiliary and (train or self.is_initializing())
        check_image_size(images, _STEPS, "mixed_7a", heads)
        options = options_of(self)
        x = images.astype(self.dtype)
        x = Branch("32:3x3/2 32:3x3v 64:3x3", options, name="stem1")(x, train)
        x = layers.max_pool(x, 3, 2)
        x = Branch("80:1x1 192:3x3v", options, name="stem2")(x, train)
        x = layers.max_pool(x, 3, 2)
        for module, branches in _MODULES.items():
            x = Mixed(branches, options, name=f"mixed_{module}")(x, train)
            if module == "6e":
                run_head(self, x, train)
        features = layers.dropout(layers.global_average_pool(x), self.dropout_rate, train)
        return layers.classifier(features, self.num_classes, self.dtype)


@register("inception_v3", ("inception_v3",), "Szegedy et al. 2015", (299, 299, 3))
def inception_v3(name: str, num_classes: int | None, **overrides: Any) -> nn.Module:
    """Szegedy et al. 2015, table 1, on ImageNet at 299x299."""
    return build(name, InceptionV3, num_classes or 1000, overrides)
