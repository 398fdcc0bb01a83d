"""The block of plain and residual networks: a residual function and the shortcut around it."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import check_choice, check_shares
from resnets.models.layers import FeatureMaps, Images

SHORTCUTS = ("A", "B", "C", "none")
SPANS = (1, 2, 3)
STRIDED = ("1x1", "3x3")
BLOCKS = ("basic", "bottleneck")
NORMS = ("batch", "none", "fixup")

Norm = Callable[[Array, bool], Array]


@dataclasses.dataclass(frozen=True)
class BlockDesign:
    """What every block of a network has in common.

    Attributes:
      shortcut: `A` identity, zero-padded where channels grow; `B` 1x1 projection where shapes
        change; `C` 1x1 projection always; `none` plain network (He et al. 2015, section 3.3).
      block: `basic` (3x3 layers) or `bottleneck` (1x1, 3x3, 1x1).
      span: how many 3x3 layers one shortcut of basic blocks skips.
      strided: the bottleneck layer that halves the size: first `1x1` (the paper) or `3x3`.
      preactivation: normalise and activate before each convolution (He et al. 2016).
      keras: the pre-activation form of Keras: a bias where no normalisation follows, zeros around
        the stem's pooling, and the last block of a stage halves the size, its shortcut by leaving
        positions out.
      residual_scale: factor on the branch before the addition.
      shortcut_scale: factor on the shortcut before the addition (He et al. 2016, section 3.1).
      norm: `batch` normalisation; `none`, with a bias in each convolution instead; or `fixup`
        (Zhang et al. 2019, arXiv 1901.09321): none, a scalar bias before each convolution and after
        each, a scalar factor on the branch, its last kernel and the classifier zero at the start,
        its other kernels divided by blocks^(1 / (2 layers - 2)).
      zero_last_scale: the branch's last normalisation begins with factors of zero, so that a block
        begins as its shortcut (Goyal et al. 2017, arXiv 1706.02677).
      drop_rate: how often training leaves out the branch of the last block; block l of L is left
        out l/L as often (Huang et al. 2016, arXiv 1603.09382).
      groups: channel groups of the bottleneck's 3x3 layer (Xie et al. 2017).
      base_width: channels of one group where the bottleneck has 64 (Zagoruyko and Komodakis 2016).
      dropout: share of the values zeroed before the last convolution of a branch.
      activation: a name in `layers.ACTIVATIONS`.
      initializer: a name in `layers.INITIALIZERS`.
      bn_momentum: share of the running statistics that one step keeps.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    shortcut: str = "B"
    block: str = "basic"
    span: int = 2
    strided: str = "3x3"
    preactivation: bool = False
    keras: bool = False
    residual_scale: float = 1.0
    shortcut_scale: float = 1.0
    norm: str = "batch"
    zero_last_scale: bool = False
    drop_rate: float = 0.0
    groups: int = 1
    base_width: int = 64
    dropout: float = 0.0
    activation: str = "relu"
    initializer: str = "he_normal_fan_out"
    bn_momentum: float = 0.9
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_choice("shortcut", self.shortcut, SHORTCUTS)
        check_choice("block", self.block, BLOCKS)
        if self.block == "bottleneck" and self.span != 2:
            raise ValueError(f"span={self.span} needs basic blocks; these are bottlenecks")
        check_choice("span", self.span, SPANS)
        check_choice("strided", self.strided, STRIDED)
        check_choice("norm", self.norm, NORMS)
        check_choice("zero_last_scale", self.zero_last_scale, (False, True))
        layers.check_names(self)
        check_shares(self, "bn_momentum", "dropout", "drop_rate")
        if self.keras and not self.preactivation:
            raise ValueError("keras=True is a pre-activation form; it needs preactivation=True")
        if self.dropout and self.span == 1:
            raise ValueError(f"dropout={self.dropout} sits between two layers; take span 2 or 3")
        self._check_shortcut()

    def _check_shortcut(self) -> None:
        """Refuse what makes no sense without shortcuts, or in the pre-activation form."""
        needs = {
            "zero_last_scale": self.zero_last_scale,
            "drop_rate": self.drop_rate > 0,
            "norm": self.norm == "fixup",
        }
        for field in (field for field, used in needs.items() if used):
            value = getattr(self, field)
            if self.shortcut == "none":
                raise ValueError(f"{field}={value!r} needs shortcuts; take shortcut A, B or C")
            if self.preactivation and field != "drop_rate":
                raise ValueError(f"{field}={value!r} is not defined for preactivation=True")
        if self.zero_last_scale and self.norm != "batch":
            raise ValueError(f"zero_last_scale=True needs norm='batch', not {self.norm!r}")

    def conv(
        self,
        name: str,
        features: int,
        size: int,
        strides: int,
        groups: int,
        normalised: bool,
        gain: float = 1.0,
    ) -> nn.Module:
        """A convolution; it has no bias where batch normalisation follows (`normalised`).

        `gain` is a factor on its initial kernel.
        """
        return layers.Conv(
            features,
            (size, size),
            strides,
            groups=groups,
            use_bias=self.norm == "none" or (self.keras and not normalised),
            initializer=self.initializer,
            dtype=self.dtype,
            gain=gain,
            name=name,
        )

    def normalisation(self, name: str, last: bool = False) -> Norm:
        """A batch normalisation, the branch's last or not; what it gets where there is none."""
        if self.norm != "batch":
            return lambda x, train: x
        zero = last and self.zero_last_scale
        return layers.BatchNorm(self.bn_momentum, self.dtype, zero_scale=zero, name=name)

    def activate(self, x: Array) -> Array:
        """The nonlinearity."""
        return layers.ACTIVATIONS[self.activation](x)


Rate = float | Float[Array, ""]


class Block(nn.Module):
    """A residual function and the shortcut around it.

    Attributes:
      features: output channels.
      strides: step of the layer that changes the size.
      design: what all blocks share.
      activated: the pre-activation form gets its input activated already, and has no bn1.
      blocks: of the whole network, which the initial values of `fixup` depend on.
    """

    features: int
    strides: int
    design: BlockDesign
    activated: bool = False
    blocks: int = 1

    @nn.compact
    def __call__(self, x: Images, train: bool, drop_rate: Rate = 0.0) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the same with `features` channels.

        Args:
          x: the input.
          train: normalise by the batch, drop out.
          drop_rate: how often training leaves the branch out; unused where the design's is zero.
        """
        design = self.design
        if not design.preactivation:
            y = self._scaled(self._branch(x, train), train, drop_rate)
            if design.shortcut != "none":
                y += self._shortcut(x, x, train)
            return design.activate(y)
        first = x if self.activated else design.activate(design.normalisation("bn1")(x, train))
        y = self._scaled(self._branch(first, train), train, drop_rate)
        return y if design.shortcut == "none" else y + self._shortcut(x, first, train)

    def _scaled(self, y: Array, train: bool, drop_rate: Rate) -> Array:
        """The branch times its scale, which costs nothing where it is one, or left out.

        A branch is left out for a whole batch; evaluation multiplies it by the share of batches
        that had it (Huang et al. 2016, equation 5).
        """
        design = self.design
        if design.residual_scale != 1.0:
            y *= design.residual_scale
        if design.drop_rate:
            kept: Array | float = 1.0 - drop_rate
            if train:
                kept = jax.random.bernoulli(self.make_rng("dropout"), kept)
            y *= jnp.asarray(kept, y.dtype)
        return y

    def _shifted(self, x: Array, name: str) -> Array:
        """Plus a learnt scalar in the form of `fixup`."""
        if self.design.norm != "fixup":
            return x
        return x + self.param(name, jax.nn.initializers.zeros, ()).astype(x.dtype)

    def _gain(self, index: int, count: int) -> float:
        """Factor on the initial kernel of convolution `index` of `count` of the branch."""
        if self.design.norm != "fixup":
            return 1.0
        return 0.0 if index == count else float(self.blocks ** (-1 / (2 * count - 2)))

    def _layers(self) -> tuple[tuple[int, int, int, int], ...]:
        """Features, kernel size, strides and groups of each convolution of the branch."""
        design = self.design
        if design.block == "bottleneck":
            inner = self.features // 4 * design.base_width // 64 * design.groups
            first, second = (self.strides, 1) if design.strided == "1x1" else (1, self.strides)
            return (
                (inner, 1, first, 1),
                (inner, 3, second, design.groups),
                (self.features, 1, 1, 1),
            )
        strided = (self.features, 3, self.strides, 1)
        return (strided, *((self.features, 3, 1, 1),) * (design.span - 1))

    def _branch(self, x: Images, train: bool) -> FeatureMaps:
        """The residual function; in the pre-activation form `x` has been through bn1."""
        design, count = self.design, len(self._layers())
        for index, arguments in enumerate(self._layers(), 1):
            if design.preactivation and index > 1:
                x = design.activate(design.normalisation(f"bn{index}")(x, train))
            if design.dropout and index == count:
                x = layers.dropout(x, design.dropout, train)
            x = self._shifted(x, f"bias{index}a")
            normalised = not design.preactivation or index < count
            gain = self._gain(index, count)
            x = design.conv(f"conv{index}", *arguments, normalised, gain)(x)
            if design.norm == "fixup" and index == count:
                x *= self.param("multiplier", jax.nn.initializers.ones, ()).astype(x.dtype)
            x = self._shifted(x, f"bias{index}b")
            if not design.preactivation:
                x = design.normalisation(f"bn{index}", index == count)(x, train)
                if index < count:
                    x = design.activate(x)
        return x

    def _shortcut(self, x: Images, preactivated: Images, train: bool) -> FeatureMaps:
        """Identity, zero-padding or projection, times its scale."""
        y = self._mapped(x, preactivated, train)
        scale = self.design.shortcut_scale
        return y if scale == 1.0 else y * scale

    def _mapped(self, x: Images, preactivated: Images, train: bool) -> FeatureMaps:
        """The shortcut without its scale; a projection reads the pre-activated input."""
        design = self.design
        widens = x.shape[-1] != self.features
        changes = widens or self.strides != 1
        projects = widens if design.keras else changes
        if design.shortcut == "C" or (design.shortcut == "B" and projects):
            normalised = not design.preactivation
            conv = design.conv("projection", self.features, 1, self.strides, 1, normalised)
            y = conv(preactivated)
            return y if design.preactivation else design.normalisation("projection_bn")(y, train)
        if changes:
            x = x[:, :: self.strides, :: self.strides]
            x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, self.features - x.shape[-1])))
        return x
