"""GoogLeNet: Szegedy et al. 2014 (arXiv 1409.4842), and the inception module without bottlenecks.

Options turn the paper's network into torchvision's: `bn=True, five_by_five=False`.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step, check_image_size, check_shares
from resnets.models.inception import build
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import register


class Unit(nn.Module):
    """A convolution and ReLU; with `bn`, batch normalisation (epsilon 0.001) replaces the bias."""

    features: int
    size: int = 1
    strides: int = 1
    bn: bool = False
    bn_momentum: float = 0.9
    initializer: str = "glorot_uniform"
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the same with `features` channels."""
        x = layers.Conv(
            self.features,
            (self.size, self.size),
            self.strides,
            use_bias=not self.bn,
            initializer=self.initializer,
            dtype=self.dtype,
            name="conv",
        )(x)
        if self.bn:
            x = layers.BatchNorm(self.bn_momentum, self.dtype, 1e-3, name="bn")(x, train)
        return layers.relu(x)


class Widths(NamedTuple):
    """Channels of an inception module's layers, in the order of the paper's table 1.

    A bottleneck (`reduce`) or a layer after the pooling with 0 channels is left out.
    """

    one: int
    three_reduce: int
    three: int
    five_reduce: int
    five: int
    pool: int


class Inception(nn.Module):
    """Parallel 1x1, 3x3 and 5x5 (`last_size`) convolutions and a pooling, concatenated."""

    widths: Widths
    unit: dict[str, Any]
    last_size: int = 5

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the same with the branches' channels."""
        widths = self.widths
        pooled = layers.max_pool(x, 3, 1, 1)
        branches = (
            Unit(widths.one, name="branch1x1", **self.unit)(x, train),
            self._branch("branch3x3", widths.three_reduce, widths.three, 3, x, train),
            self._branch("branch5x5", widths.five_reduce, widths.five, self.last_size, x, train),
            Unit(widths.pool, name="branch_pool", **self.unit)(pooled, train)
            if widths.pool
            else pooled,
        )
        return jnp.concatenate(branches, -1)

    def _branch(
        self, name: str, reduce: int, features: int, size: int, x: Array, train: bool
    ) -> Array:
        if reduce:
            x = Unit(reduce, name=f"{name}_reduce", **self.unit)(x, train)
        return Unit(features, size, name=name, **self.unit)(x, train)


class AuxiliaryHead(nn.Module):
    """A classifier on an inner layer: pooling to 4x4, 1x1 convolution, two dense layers.

    The paper pools its 14x14 maps by windows of 5x5 at stride 3; other sizes, and torchvision's
    network (`windows=False`), take nearly equal cells.
    """

    num_classes: int
    unit: dict[str, Any]
    windows: bool = True
    dropout_rate: float = 0.7

    @nn.compact
    def __call__(self, x: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of `[batch, height, width, channels]`."""
        windows = self.windows and x.shape[1:3] == (14, 14)
        x = layers.average_pool(x, 5, 3) if windows else layers.adaptive_average_pool(x, 4)
        x = Unit(128, name="projection", **self.unit)(x, train)
        dtype = self.unit["dtype"]
        hidden = layers.Dense(1024, dtype=dtype, name="dense")(x.reshape(x.shape[0], -1))
        hidden = layers.dropout(layers.relu(hidden), self.dropout_rate, train)
        return layers.classifier(hidden, self.num_classes, dtype)


_MODULES = {
    "3a": Widths(64, 96, 128, 16, 32, 32),
    "3b": Widths(128, 128, 192, 32, 96, 64),
    "4a": Widths(192, 96, 208, 16, 48, 64),
    "4b": Widths(160, 112, 224, 24, 64, 64),
    "4c": Widths(128, 128, 256, 24, 64, 64),
    "4d": Widths(112, 144, 288, 32, 64, 64),
    "4e": Widths(256, 160, 320, 32, 128, 128),
    "5a": Widths(256, 160, 320, 32, 128, 128),
    "5b": Widths(384, 192, 384, 48, 128, 128),
}
_HEADS = {"4a": 1, "4d": 2}  # a head reads the output of the module


class GoogLeNet(nn.Module):
    """Stem, nine inception modules at 1/8, 1/16 and 1/32 of the size, pooling, and a classifier.

    Pooling and the constants of local response normalisation are as in Caffe's public model.

    Attributes:
      num_classes: number of logits.
      bn: batch normalisation after every convolution, in place of biases and of local response
        normalisation.
      five_by_five: the paper's 5x5 branches; torchvision has 3x3 there and a last pooling of 2x2.
      auxiliary: two classifiers on inner layers, which exist in training only; their logits are
        sown as `head1` and `head2` into the collection `auxiliary`.
      auxiliary_weight: of each head's loss in the training loss.
      dropout_rate, auxiliary_dropout_rate: shares dropped before the classifier, and in the heads.
      initializer: a name in `layers.INITIALIZERS`.
      bn_momentum: share of the running statistics that one step keeps.
      dtype: compute dtype, a name in `layers.DTYPES`.
    """

    num_classes: int
    bn: bool = False
    five_by_five: bool = True
    auxiliary: bool = True
    auxiliary_weight: float = 0.3
    dropout_rate: float = 0.4
    auxiliary_dropout_rate: float = 0.7
    initializer: str = "glorot_uniform"
    bn_momentum: float = 0.9
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layers.check_names(self)
        check_shares(self, "dropout_rate", "auxiliary_dropout_rate", "bn_momentum")
        super().__post_init__()

    def _unit(self) -> dict[str, Any]:
        fields = ("bn", "bn_momentum", "initializer", "dtype")
        return {field: getattr(self, field) for field in fields}

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`."""
        last_pool = 3 if self.five_by_five else 2
        steps = [Step(f"pool{n}", 3, 2, ceil=True) for n in (1, 2, 3)]
        steps.append(Step("pool4", last_pool, 2, ceil=True))
        check_image_size(images, [Step("conv1", 7, 2, 3), *steps])
        x = self._stem(images.astype(self.dtype), train)
        for module, widths in _MODULES.items():
            if module in ("4a", "5a"):
                window, name = (3, "pool3") if module == "4a" else (last_pool, "pool4")
                x = layers.max_pool(x, window, 2, ceil=True, name=name)
            size = 5 if self.five_by_five else 3
            x = Inception(widths, self._unit(), size, name=f"inception_{module}")(x, train)
            if module in _HEADS and self.auxiliary and (train or self.is_initializing()):
                self._head(_HEADS[module], x, train)
        features = layers.dropout(layers.global_average_pool(x), self.dropout_rate, train)
        return layers.classifier(features, self.num_classes, self.dtype)

    def _stem(self, x: Images, train: bool) -> FeatureMaps:
        def normalise(x: Array) -> Array:
            return x if self.bn else layers.local_response_normalise(x, 5, 1e-4 / 5, 0.75, 1.0)

        x = Unit(64, 7, 2, name="conv1", **self._unit())(x, train)
        x = normalise(layers.max_pool(x, 3, 2, ceil=True, name="pool1"))
        x = Unit(64, 1, name="conv2_reduce", **self._unit())(x, train)
        x = normalise(Unit(192, 3, name="conv2", **self._unit())(x, train))
        return layers.max_pool(x, 3, 2, ceil=True, name="pool2")

    def _head(self, number: int, x: Images, train: bool) -> None:
        head = AuxiliaryHead(
            self.num_classes,
            self._unit(),
            windows=self.five_by_five,
            dropout_rate=self.auxiliary_dropout_rate,
            name=f"auxiliary{number}",
        )
        logits = head(x, train)
        if not self.is_initializing():
            self.sow("auxiliary", f"head{number}", logits)


class InceptionNaive(nn.Module):
    """One inception module on 256 channels, between a 3x3 convolution and a classifier.

    On 28x28 images the module has 854M multiply-adds and 672 output channels; with `bottlenecks` of
    64 channels, before the 3x3 and 5x5 layers and after the pooling, 271M and 480.
    """

    num_classes: int
    bottlenecks: bool = False
    dropout_rate: float = 0.0
    initializer: str = "glorot_uniform"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layers.check_names(self)
        check_shares(self, "dropout_rate")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`."""
        unit: dict[str, Any] = {"initializer": self.initializer, "dtype": self.dtype}
        reduce = 64 if self.bottlenecks else 0
        x = Unit(256, 3, name="stem", **unit)(images.astype(self.dtype), train)
        widths = Widths(128, reduce, 192, reduce, 96, reduce)
        x = Inception(widths, unit, name="inception")(x, train)
        features = layers.dropout(layers.global_average_pool(x), self.dropout_rate, train)
        return layers.classifier(features, self.num_classes, self.dtype)


@register("googlenet", ("googlenet",), paper="Szegedy et al. 2014", image_shape=(224, 224, 3))
def googlenet(name: str, num_classes: int | None, **overrides: Any) -> nn.Module:
    """Szegedy et al. 2014, table 1, on ImageNet."""
    return build(name, GoogLeNet, num_classes or 1000, overrides)


@register(
    "inception_naive", ("inception_naive",), paper="Szegedy et al. 2014", image_shape=(28, 28, 3)
)
def inception_naive(name: str, num_classes: int | None, **overrides: Any) -> nn.Module:
    """One module without bottlenecks (Szegedy et al. 2014, figure 2a), ten classes."""
    return build(name, InceptionNaive, num_classes or 10, overrides)
