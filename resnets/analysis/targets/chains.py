"""Networks of no paper, whose layers have many shapes: to learn what a compiler gives each."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models.layers import (
    BatchNorm,
    Conv,
    Dense,
    Images,
    classifier,
    global_average_pool,
    max_pool,
    relu,
)

IMAGE = (200, 200, 3)
WIDTHS = (32, 64, 96)
BATCHES = (1, 128)
_SCALES = 4


class Chain(nn.Module):
    """A stem, four scales of convolutions of every kind, and dense layers.

    At each scale the channels double and the sides halve. Every convolution has its normalisation
    and activation, as in the networks; some are followed by an addition.

    Attributes:
      width: channels of the first scale.
      dtype: a name in `DTYPES`.
    """

    width: int
    dtype: str = "bfloat16"

    @nn.compact
    def __call__(self, x: Images, train: bool = False) -> Float[Array, "batch classes"]:
        """Logits of `[batch, 200, 200, 3]`."""
        x = self._unit(x, "stem", self.width, 7, 2)
        x = max_pool(x, 3, 2, 1, name="pool0")
        for scale in range(_SCALES):
            x = self._scale(x, f"scale{scale}", self.width * 2**scale, 2 if scale else 1)
        x = global_average_pool(x)
        for place, features in enumerate((2048, 3072)):
            x = relu(Dense(features, dtype=self.dtype, name=f"dense{place}")(x))
        return classifier(x, 500, self.dtype)

    def _scale(self, x: Images, name: str, width: int, stride: int) -> Images:
        """Kernels of one, three and five positions a side, from few and many channels to both."""
        x = self._unit(x, f"{name}_enter", width, 3, stride)
        x = self._unit(x, f"{name}_same", width, 3, added=x)
        wide = self._unit(x, f"{name}_expand", 4 * width, 1)
        x = self._unit(wide, f"{name}_reduce", width, 1)
        wide = self._unit(x, f"{name}_again", 4 * width, 1, added=wide)
        x = self._unit(wide, f"{name}_narrow", width // 4, 1)
        five = self._unit(x, f"{name}_five", width, 5)
        x = self._unit(wide, f"{name}_half", width // 2, 1)
        x = self._unit(x, f"{name}_widen", width, 3)
        with jax.named_scope(f"{name}_both"):
            x = jnp.concatenate([five, x], axis=-1)
        x = max_pool(x, 3, 1, 1, name=f"{name}_pool")
        x = self._unit(x, f"{name}_squeeze", width, 1)
        return self._unit(x, f"{name}_grouped", width, 3, groups=width // 16)

    def _unit(
        self,
        x: Images,
        name: str,
        features: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        added: Images | None = None,
    ) -> Images:
        window, dtype = (kernel, kernel), self.dtype
        x = Conv(features, window, strides=stride, groups=groups, dtype=dtype, name=name)(x)
        x = BatchNorm(dtype=self.dtype, name=f"{name}_bn")(x, train=False)
        return relu(x if added is None else x + added)
