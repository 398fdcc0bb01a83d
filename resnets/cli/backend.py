"""Process-wide settings of JAX and of logging; they are made here and nowhere else."""

import contextlib
import hashlib
import importlib.util
import logging
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from resnets.errors import UserError
from resnets.training.links import Place, free_port
from resnets.training.processes import ALONE, Team, assemble

_PLUGINS = ("libtpu", "jax_cuda13_plugin", "jax_cuda12_plugin", "jax_rocm7_plugin")
COMPILED = ".compiled"
"""Folder of compiled programs, beside the run directories that use them."""
_HEARTBEAT_S = 60
"""Seconds of silence after which JAX ends a run: of a host without power, say. One whose process
has ended is noticed at once, by us."""
_CPU_FLAGS = (
    "--xla_backend_optimization_level=1",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_experimental_ynn_fusion_type=",
)


def configure(runs: Path | None = None) -> None:
    """Set what must be set before JAX is imported.

    Args:
      runs: folder of run directories that share what they compile; the environment's
        JAX_COMPILATION_CACHE_DIR goes before it.

    On a machine without an accelerator LLVM's first optimisation level and XLA's older emitters
    compile initialisation and training step together in about half the time of the defaults, to
    code that runs as fast on small networks: the time is in Eigen's kernels. The library that
    takes over convolutions by default runs them on one thread.
    """
    accelerated = any(importlib.util.find_spec(name) for name in _PLUGINS)
    cpu = os.environ.get("JAX_PLATFORMS") == "cpu" or not accelerated
    flags = os.environ.get("XLA_FLAGS", "")
    if cpu:
        missing = [flag for flag in _CPU_FLAGS if flag.partition("=")[0] not in flags]
        os.environ["XLA_FLAGS"] = " ".join([flags, *missing]).strip()
    os.environ.setdefault("JAX_PLATFORMS", "" if accelerated else "cpu")
    if runs is not None:
        _keep_programs(runs / COMPILED / _processor())
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    logging.getLogger("resnets").setLevel(logging.INFO)


def _keep_programs(folder: Path) -> None:
    """Let JAX keep compiled programs; where it cannot, it compiles again, and need not say so."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder.absolute()))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")


def _processor() -> str:
    """Name what programs for this processor may use: hosts of one disk may differ in it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        features = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"


@contextlib.contextmanager
def team(place: Place | None, name: str) -> Iterator[Team]:
    """Be one of a run's processes, and see the devices of all, for as long as the context lasts.

    What ends one of them in it ends all. It begins after `configure`.

    Args:
      place: among the processes; None for a run of one.
      name: of the command, for the line that says why it ended.

    Raises:
      UserError: the processes were not told the same, or the port cannot be used.
      RunError: some did not come in time.
    """
    if place is None:
        yield ALONE
        return
    _divert_output()
    if place.index:
        logging.getLogger("resnets").setLevel(logging.WARNING)  # the first tells what all do
    with assemble(place, name) as processes:
        _initialise_jax(place, processes)
        yield processes


def _divert_output() -> None:
    """Let what libraries print to stdout from C++ go to stderr: stdout carries the answer."""
    sys.stdout.flush()
    sys.stdout = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding)
    os.dup2(2, 1)


def _initialise_jax(place: Place, team: Team) -> None:
    """Connect JAX's own service; all are there, so it need not wait long for anybody."""
    import jax

    jax.config.update("jax_enable_preemption_service", False)  # it takes SIGTERM away from us
    port = team.share(free_port)
    jax.distributed.initialize(
        f"{place.address.rpartition(':')[0]}:{port}",
        place.count,
        place.index,
        local_device_ids=place.devices,
        cluster_detection_method="deactivate",
        heartbeat_timeout_seconds=_HEARTBEAT_S,
    )
    counts = team.gather(jax.local_device_count())
    if len(set(counts)) > 1:
        raise UserError(
            f"the processes have {', '.join(map(str, counts))} devices; give all equally many"
        )
