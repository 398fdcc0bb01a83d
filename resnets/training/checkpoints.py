"""Checkpoints: the state, and what the host remembers beside it."""

import logging
import threading
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

from resnets.training.state import TrainState

# Orbax numbers its operations per process: two saves at once wait for each other's signals.
_ONE_AT_A_TIME = threading.Lock()


class Checkpoints:
    """Orbax checkpoints of one run; a context manager."""

    def __init__(self, directory: Path, keep: int):
        """Open the directory, keeping the newest `keep` checkpoints."""
        logging.getLogger("absl").setLevel(logging.WARNING)
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)

    def __enter__(self) -> "Checkpoints":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the directory."""
        self._manager.close()

    def save(self, state: TrainState, step: int, host: dict[str, Any]) -> None:
        """Write a checkpoint of step `step`.

        Args:
          state: the training state.
          step: its step.
          host: JSON-able memory of the loop (validation losses, seconds so far).
        """
        if step in self._manager.all_steps():
            return
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), host=ocp.args.JsonSave(host))
        with _ONE_AT_A_TIME:
            self._manager.save(step, args=items)

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """Read the newest checkpoint into the shapes and shardings of `like`; None without one."""
        step = self._manager.latest_step()
        if step is None:
            return None
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(like), host=ocp.args.JsonRestore()
        )
        restored = self._manager.restore(step, args=items)
        return restored["state"], dict(restored["host"])

    def read(self) -> dict[str, Any] | None:
        """Read the newest checkpoint's state as it lies there, fields by name; None without one.

        Nothing of the run is needed for it: neither its data nor its optimiser.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        items = ocp.args.Composite(state=ocp.args.StandardRestore())
        return dict(self._manager.restore(step, args=items)["state"])
