"""What Orbax writes and reads: the files of one checkpoint.

It is imported with the first checkpoint: it takes half a second, and a new run has begun by then.
"""

import functools
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnets.errors import RunError, reason
from resnets.training.state import TrainState

if TYPE_CHECKING:
    import orbax.checkpoint as ocp

_ONE_AT_A_TIME = threading.Lock()
"""Over all runs of the process, as Orbax numbers its operations per process."""


class OrbaxFiles:
    """Writer and reader of checkpoints' files; close it."""

    def save(self, folder: Path, state: TrainState, host: dict[str, Any]) -> None:
        """Write a state on the host and JSON-able memory.

        Raises:
          Exception: whatever Orbax says of a disk.
        """
        import orbax.checkpoint as ocp

        items = ocp.args.Composite(state=ocp.args.StandardSave(state), host=ocp.args.JsonSave(host))
        with _ONE_AT_A_TIME:
            self._checkpointer.save(folder, args=items, force=True)

    def restore(self, folder: Path, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """Read what `save` wrote, with the shapes and shardings of `like`.

        Raises:
          RunError: it does not fit `like`.
        """
        import orbax.checkpoint as ocp

        restored = self._read(
            folder,
            ocp.args.Composite(state=ocp.args.StandardRestore(like), host=ocp.args.JsonRestore()),
        )
        return restored["state"], dict(restored["host"])

    def read(self, folder: Path) -> dict[str, Any]:
        """Read the state as it lies there, fields by name.

        Raises:
          RunError: it cannot be read.
        """
        import orbax.checkpoint as ocp

        items = ocp.args.Composite(state=ocp.args.StandardRestore())
        return dict(self._read(folder, items)["state"])

    def close(self) -> None:
        """Let go of what Orbax holds, if anything was saved or read."""
        opened = self.__dict__.pop("_checkpointer", None)
        if opened is not None:
            opened.close()

    @functools.cached_property
    def _checkpointer(self) -> "ocp.Checkpointer":
        import orbax.checkpoint as ocp

        # Orbax logs a traceback a thread for what it raises as well, and we say in one line.
        for noisy in ("absl", "asyncio"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        # Of several processes of a run the first saves alone: Orbax must not wait for the others.
        alone = ocp.options.MultiprocessingOptions(active_processes={0})
        handler = ocp.CompositeCheckpointHandler(
            composite_options=ocp.CompositeOptions(multiprocessing_options=alone)
        )
        return ocp.Checkpointer(handler, multiprocessing_options=alone)

    def _read(self, folder: Path, items: "ocp.args.Composite") -> Any:
        try:
            with _ONE_AT_A_TIME:
                return self._checkpointer.restore(folder, args=items)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise RunError(
                f"{folder} is intact but cannot be read into this network ({reason(error)}); it is "
                "of another version of the code: use that, or choose another --workdir"
            ) from None
