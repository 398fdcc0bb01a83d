"""A state's numbers: loss and error over whole splits, sizes and hashes."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from resnets.training.feed import Feed, Pause
from resnets.training.run_directory import parameters_sha256
from resnets.training.state import Sums, TrainState

Numbers = dict[str, float]


def means(sums: Sums, prefix: str) -> Numbers:
    """Mean loss and error in percent; nothing where nothing was counted."""
    if not sums.count:
        return {}
    return {
        f"{prefix}_loss": float(sums.loss / sums.count),
        f"{prefix}_error_pct": float(100.0 * sums.errors / sums.count),
    }


def errors_said(numbers: Mapping[str, Any], *splits: str) -> str:
    """The errors of those splits that are known, in a few words; empty without any."""
    known = [(split, numbers.get(f"{split}_error_pct")) for split in splits]
    shown = [f"{split} {error:.1f} %" for split, error in known if error is not None]
    return f"{', '.join(shown)} error" if shown else ""


def evaluate(feed: Feed, state: TrainState, splits: Sequence[str], pause: Pause) -> Numbers:
    """Loss and error over whole splits, of the parameters and of their moving average.

    Args:
      feed: has the splits.
      state: a point of the trajectory.
      splits: their names; those without examples are left out.
      pause: called between two calls of the device.
    """
    prefixes, variables = [""], [state.variables()]
    if state.average is not None:
        prefixes.append("average_")
        variables.append(state.average)
    evaluated = {split: feed.evaluate(split, variables, pause) for split in splits}
    numbers: Numbers = {}
    for place, prefix in enumerate(prefixes):
        for split, sums in evaluated.items():
            if sums:
                numbers |= means(sums[place], f"{prefix}{split}")
    return numbers


def final_numbers(state: TrainState) -> dict[str, Any]:
    """How many parameters there are, and the hashes of them and of the whole state."""
    host = jax.device_get(state)
    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(host.params)),
        "parameters_sha256": parameters_sha256(host.params),
        "state_sha256": parameters_sha256(host),
    }
