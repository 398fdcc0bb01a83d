"""What the Inception networks share: how branches are written, their heads, and their options.

A branch is written as its layers: `64:1x1 96:3x3/2` is a 1x1 convolution to 64 channels, then a 3x3
one to 96 at stride 2. Zero padding keeps the size, except at stride 2 and after a `v` (valid);
`384:1x3+384:3x1` are two convolutions of the same input, concatenated.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step, check_image_size, check_shares
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields

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
        return layers.relu(norm(x, train))


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


class InceptionNetwork(nn.Module):
    """The fields, the auxiliary head and the end of v3, v4 and the residual networks.

    Attributes:
      num_classes: number of logits.
      auxiliary: a classifier on the last module before mixed_7a, which exists in training only; its
        logits are sown as `head1` into the collection `auxiliary`.
      auxiliary_weight: of the head's loss in the training loss.
      dropout_rate: share of the features that training drops before the classifier.
      count_padding: averages count the zeros around, as in torchvision; tf-slim and Keras do not.
      bn_scale: normalisations have a scale, as in torchvision; tf-slim and Keras have none.
      bn_momentum: share of the running statistics that one step keeps.
      initializer: a name in `layers.INITIALIZERS`.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    num_classes: int
    auxiliary: bool = True
    auxiliary_weight: float = 0.3
    dropout_rate: float = 0.2
    count_padding: bool = False
    bn_scale: bool = False
    bn_momentum: float = 0.9
    initializer: str = "he_normal_fan_out"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layers.check_names(self)
        check_shares(self, "dropout_rate", "bn_momentum")
        super().__post_init__()

    def layer_options(self) -> dict[str, Any]:
        """The fields that the layers share."""
        fields = ("bn_scale", "bn_momentum", "count_padding", "initializer", "dtype")
        return {field: getattr(self, field) for field in fields}

    def _speaks(self, train: bool) -> bool:
        """Whether the auxiliary head runs."""
        return self.auxiliary and (train or self.is_initializing())

    def _check_size(self, images: Images, steps: tuple[Step, ...], train: bool) -> None:
        """Refuse images that one of the layers `steps`, or the head, shrinks to nothing."""
        check_image_size(images, steps)
        if self._speaks(train):
            before = next(i for i, step in enumerate(steps) if step.layer == "mixed_7a")
            hint = " (any that auxiliary=False allows, without the head)"
            check_image_size(images, (*steps[:before], *AUXILIARY_STEPS), hint)

    def _head(self, x: Images, train: bool) -> None:
        """Sow the logits of the auxiliary head on `x`."""
        if self._speaks(train):
            head = AuxiliaryHead(self.num_classes, self.layer_options(), name="auxiliary1")
            logits = head(x, train)
            if not self.is_initializing():
                self.sow("auxiliary", "head1", logits)

    def _logits(self, x: Images, train: bool) -> Float[Array, "batch classes"]:
        """Pool, drop and classify the last feature maps."""
        features = layers.dropout(layers.global_average_pool(x), self.dropout_rate, train)
        return layers.classifier(features, self.num_classes, self.dtype)


def build(
    name: str, network: type[nn.Module], num_classes: int, overrides: dict[str, Any], **fixed: Any
) -> nn.Module:
    """Make a network with fields that its name fixes, and others that a caller set.

    Raises:
      ValueError: not a field of the network, or a value out of range; names the valid ones.
    """
    internal = {"parent", "name", "num_classes", *fixed}
    fields = tuple(field.name for field in dataclasses.fields(network))
    check_fields(name, overrides, tuple(field for field in fields if field not in internal))
    return network(num_classes=num_classes, **fixed, **overrides)
