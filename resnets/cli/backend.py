"""Process-wide settings of JAX and of logging; they are made here and nowhere else."""

import importlib.util
import logging
import os

_PLUGINS = ("libtpu", "jax_cuda13_plugin", "jax_cuda12_plugin", "jax_rocm7_plugin")
_CPU_FLAG = "--xla_backend_optimization_level"


def configure() -> None:
    """Set what must be set before JAX is imported.

    On a machine without an accelerator LLVM's first optimisation level compiles a training step in
    about half the time of its default, to code that runs as fast: the time is in Eigen's kernels.
    """
    accelerated = any(importlib.util.find_spec(name) for name in _PLUGINS)
    cpu = os.environ.get("JAX_PLATFORMS") == "cpu" or not accelerated
    flags = os.environ.get("XLA_FLAGS", "")
    if cpu and _CPU_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_CPU_FLAG}=1".strip()
    os.environ.setdefault("JAX_PLATFORMS", "" if accelerated else "cpu")
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    logging.getLogger("resnets").setLevel(logging.INFO)
