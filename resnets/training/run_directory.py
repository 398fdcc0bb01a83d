"""The files of one run: what it was, what it measured, and that it is done."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from resnets.errors import RunError, UserError, reason
from resnets.training import durable, lock
from resnets.training.config import differences, flatten
from resnets.training.durable import write_json
from resnets.training.machine import machine

CONFIG = "config.json"
VERSIONS = ("resnets", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def _git_commit() -> str:
    checkout = Path(__file__).parents[2]
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """One run's directory.

    Attributes:
      path: where it is.
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Where Orbax keeps its checkpoints."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Where the event files are."""
        return self.path / "tensorboard"

    def open(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Find that the directory can be the run's own, making it if it does not exist.

        Args:
          config: the resolved config, nested.

        Returns:
          The final numbers if the run is done.

        Raises:
          UserError: it holds a run of another config, or other files.
          RunError: it cannot be read or made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            strangers = sorted(e.name for e in self.path.iterdir() if not _starting(e.name))
            if (self.path / CONFIG).exists():
                self._check_same(config)
            elif strangers:
                raise UserError(
                    f"{self.path} is not empty and holds no run ({strangers[0]}, ...); "
                    "choose another --workdir"
                )
            return self.result()
        except OSError as error:
            raise self._unusable(error) from None

    def claim(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Make the directory the run's own; the caller holds its lock.

        Args, returns and raises: as `open`.
        """
        result = self.open(config)
        if result is not None:
            return result
        try:
            for litter in self.path.glob(".*.json*.[0-9]*"):  # of a process that was killed
                durable.discard(litter)
            if not (self.path / CONFIG).exists():
                write_json(self.path / CONFIG, self._identity(config))
            (self.path / "failed.json").unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from None
        return None

    def _unusable(self, error: OSError) -> RunError:
        return RunError(f"{self.path} cannot be written: {reason(error)}; choose another --workdir")

    def _identity(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "config": json.loads(json.dumps(config)),
            "versions": {"python": sys.version.split()[0]} | {v: _version(v) for v in VERSIONS},
            "git_commit": _git_commit(),
            "machine": machine(),
            "devices": [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()],
            "argv": sys.argv,
        }

    def _check_same(self, config: Mapping[str, Any]) -> None:
        file = self.path / CONFIG
        try:
            stored = flatten(json.loads(file.read_text())["config"])
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            raise UserError(f"{file} is damaged; choose another --workdir") from None
        differing = differences(stored, flatten(config))
        if differing:
            raise UserError(
                f"{self.path} holds a run of another config: {', '.join(differing[:4])}; "
                "choose another --workdir or the same config"
            )

    def result(self) -> dict[str, Any] | None:
        """The final numbers, or None if the run is not done."""
        file = self.path / "done.json"
        if not file.exists():
            return None
        try:
            return dict(json.loads(file.read_text()))
        except (ValueError, TypeError, RecursionError):
            raise UserError(f"{file} is damaged; remove it to finish the run again") from None

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the final numbers; their presence says that the run is complete."""
        write_json(self.path / "done.json", result)

    def fail(self, text: str) -> None:
        """Leave the reason why the run could not go on, if the disk takes it."""
        with contextlib.suppress(OSError):
            write_json(self.path / "failed.json", {"reason": text})


def _starting(name: str) -> bool:
    """Whether a file is of a run that is only about to begin, maybe in another process."""
    return name == lock.NAME or name.startswith((f".{lock.NAME}.", f".{CONFIG}."))


def parameters_sha256(variables: Any) -> str:
    """Hash names, shapes, dtypes and bytes of all arrays of a tree, in the order of their names."""
    digest = hashlib.sha256()
    for path, leaf in sorted(
        (jax.tree_util.keystr(path), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
    ):
        array = np.asarray(leaf)
        digest.update(f"{path} {array.shape} {array.dtype}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
