"""A run that has been trained: its network, its weights, its data."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int

from resnets import data
from resnets.data.augmentation import Preprocessing, evaluation_view
from resnets.errors import UserError
from resnets.models.stacking import unstack
from resnets.training import checkpoints
from resnets.training.pretrained import Pretrained
from resnets.training.setup import Plan, prepare
from resnets.training.state import Variables

Images = Float[Array, "batch height width channels"]
Labels = Int[Array, " batch"]
KINDS = ("params", "batch_stats")


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A run's network with its newest weights, blocks side by side.

    Attributes:
      directory: the run's.
      model: evaluates one block after the other, without a loop, so that each has its own name.
      variables: `params` and `batch_stats` for it.
      plan: of the run; its recipe's model has the loop that the run was trained with.
      pretrained: the file that the run's first values came from, if any; it may be gone.
      step: training steps that the weights have seen.
    """

    directory: Path
    model: nn.Module
    variables: Variables
    plan: Plan
    pretrained: Pretrained | None
    step: int

    @property
    def dataset(self) -> data.Dataset:
        """The run's data.

        Raises:
          UserError: they are not in memory.
        """
        if not isinstance(self.plan.dataset, data.Dataset):
            raise UserError(
                f"{self.directory}: probes take data sets in memory "
                f"({', '.join(data.names())}); its data are streamed"
            )
        return self.plan.dataset

    def pixels(self, split: str, examples: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The first examples of a split as they lie there: uint8 images and their labels.

        Raises:
          UserError: the split has no examples, or there is no such split.
        """
        images, labels = self.dataset.split(split)
        if not len(labels):
            raise UserError(f"{self.directory}: the run has no examples of split {split!r}")
        return images[:examples], labels[:examples]

    def examples(self, split: str, examples: int | None = None) -> tuple[Images, Labels]:
        """The first examples of a split as the network sees them in evaluation, and their labels.

        Raises:
          UserError: as `pixels`.
        """
        images, labels = self.pixels(split, examples)
        return seen(images, self.plan.recipe.preprocessing), jnp.asarray(labels)

    def initial_variables(self) -> Variables:
        """The variables before the first step, in the form of `variables`.

        Raises:
          UserError: they came from a file that is not there any more.
        """
        state = self.plan.initial_state()
        if self.pretrained:
            state, _ = self.pretrained.apply(self.plan.recipe.model, state)
        return unstack(state.variables())


def seen(images: np.ndarray, preprocessing: Preprocessing) -> Images:
    """Bytes `[batch, height, width, channels]` as a network sees them in evaluation."""
    return evaluation_view(jnp.asarray(images), preprocessing)


def unrolled(model: nn.Module) -> nn.Module:
    """The network without loops over its blocks; its variables go through `stacking.unstack`."""
    fields: dict[str, Any] = {"scan_blocks": False, "remat": "none"}
    own = {name: value for name, value in fields.items() if hasattr(model, name)}
    return model.clone(**own)


def _config(directory: Path) -> Mapping[str, Any]:
    try:
        return dict(json.loads((directory / "config.json").read_text())["config"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{directory} holds no run (no config.json that can be read)") from None


def restore(directory: Path) -> Trained:
    """Read a run's newest intact checkpoint, and its data.

    Raises:
      UserError: there is no run or no checkpoint, or its data cannot be read.
      RunError: the checkpoint is of another version of the code.
    """
    config = _config(directory)
    state = checkpoints.read(directory / "checkpoints")
    if state is None:
        raise UserError(f"{directory} holds no checkpoint yet")
    first = config.get("init_from", "")
    plan = prepare({**config, "init_from": "", "init_new_head": False})
    variables = {kind: unstack(state[kind] or {}) for kind in KINDS}
    return Trained(
        directory,
        unrolled(plan.recipe.model),
        jax.tree.map(jnp.asarray, variables),
        plan,
        Pretrained(Path(first), config["init_new_head"]) if first else None,
        int(state["step"]),
    )
