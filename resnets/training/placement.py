"""Arrays on the devices of all processes of a run, from values that the host has."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Sharding, SingleDeviceSharding

from resnets.training.processes import Team
from resnets.training.state import TrainState

Restored = tuple[TrainState, dict[str, Any]]


def put(tree: Any, sharding: Sharding) -> Any:
    """Place a tree of values, equal at all processes, on the devices of all of them."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def place(value: Any) -> jax.Array:
        array = np.asarray(value)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(place, tree)


def share_restored(
    team: Team, restore: Callable[[TrainState], Restored | None], like: TrainState
) -> Restored | None:
    """What `restore` reads at the first process, at all: only that one needs to see the files.

    Args:
      team: the processes.
      restore: reads a state, with the shapes and shardings of its argument, and what lies beside.
      like: a state on the devices of all processes.
    """
    if team.count == 1:
        return restore(like)
    here = SingleDeviceSharding(jax.local_devices()[0])
    local = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here), like)
    found = restore(local) if team.first else None
    memory = team.share(lambda: found and found[1])
    if memory is None:
        return None
    values = jax.device_get(found[0]) if found else jax.tree.map(_nothing_like, like)
    # As bytes: they are summed with the others' zeros, and -0.0 + 0.0 is 0.0.
    bits = jax.tree.map(_as_bytes, values)
    sent = multihost_utils.broadcast_one_to_all(bits, is_source=team.first)
    state = jax.tree.map(
        lambda x, raw: put(raw.view(x.dtype).reshape(x.shape), x.sharding), like, sent
    )
    return state, memory


def _nothing_like(x: jax.Array) -> np.ndarray:
    return np.zeros(x.shape, x.dtype)


def _as_bytes(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x).reshape(-1).view(np.uint8)
