"""Process-wide settings of JAX and of logging; they are made here and nowhere else."""

import importlib.util
import logging
import os

_PLUGINS = ("libtpu", "jax_cuda13_plugin", "jax_cuda12_plugin", "jax_rocm7_plugin")
_CPU_FLAGS = (
    "--xla_backend_optimization_level=1",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_experimental_ynn_fusion_type=",
)


def configure() -> None:
    """Set what must be set before JAX is imported.

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
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    logging.getLogger("resnets").setLevel(logging.INFO)
