"""What lives on the device: the training state, the data set, and running sums."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

Variables = dict[str, Any]


@flax.struct.dataclass
class TrainState:
    """A point of the trajectory.

    Attributes:
      step: steps taken.
      params: float32 parameters.
      batch_stats: running statistics of the batch normalisations; empty where there are none.
      opt_state: what the optimiser remembers.
      average: exponential moving average of `params` and `batch_stats`; None if it is off.
    """

    step: Int[Array, ""]
    params: Any
    batch_stats: Any
    opt_state: Any
    average: Variables | None

    def variables(self) -> Variables:
        """The model's variables, as `module.apply` takes them."""
        return {"params": self.params, "batch_stats": self.batch_stats}


def moving_average(average: Variables, current: Variables, decay: float) -> Variables:
    """Move the average towards the current values: decay * average + (1 - decay) * current."""

    def blend(old: Array, new: Array) -> Array:
        return decay * old + (1.0 - decay) * new

    return jax.tree.map(blend, average, current)


def zero_step() -> Int[Array, ""]:
    """The step counter before the first step."""
    return jnp.zeros((), jnp.int32)


@flax.struct.dataclass
class DeviceData:
    """All splits of a data set, one after another, on every device.

    Attributes:
      images: uint8 `[examples, height, width, channels]`.
      labels: int32 `[examples]`.
    """

    images: UInt8[Array, "examples height width channels"]
    labels: Int[Array, " examples"]


@flax.struct.dataclass
class Sums:
    """Sums over the steps or examples seen.

    Attributes:
      loss: losses.
      errors: errors.
      count: how many.
      nonfinite: steps that are in none of these because they were not finite.
    """

    loss: Float[Array, ""]
    errors: Float[Array, ""]
    count: Int[Array, ""]
    nonfinite: Int[Array, ""]

    @classmethod
    def zero(cls) -> "Sums":
        """Nothing seen."""
        none = jnp.zeros((), jnp.int32)
        return cls(jnp.zeros(()), jnp.zeros(()), none, none)
