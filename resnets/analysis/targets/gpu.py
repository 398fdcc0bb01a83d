"""NVIDIA GPUs that XLA's GPU compiler compiles for on a machine that has none.

Of JAX's CUDA packages this needs `jax-cuda13-pjrt` in the version of `jaxlib`: XLA's plugin, 124 MB
to download and 383 MB on disk. `jax-cuda13-plugin`, 7 MB, silences a warning. NVIDIA's libraries
are not needed, as nothing calls them, and with `JAX_PLATFORMS=cpu` nothing looks for a GPU.

As for the real device, XLA fuses, chooses layouts, lays out memory, schedules and generates the
code of its own kernels; convolutions become calls of cuDNN. What it would measure, it leaves open:

- the algorithm of a convolution (`algo_id` -1) and its scratch memory (`u8[0]`), so that memory and
  traffic are lower bounds;
- the tiles of a matrix product: small ones whatever its shape.

`cost_analysis()` is None and the size of the code 0; `memory_analysis()` has the rest. With the
`options` for a target, `backend_config` holds XLA's estimates of time under `reification_cost`, a
list, one entry for each of its models by `name`. The one without a name estimates every fusion. The
calls of cuDNN have none, and those of matrix products and collectives are rough.
"""

import dataclasses
from typing import Any

from jax.experimental import topologies

from resnets.analysis.symbols import AnalysisError

PER_HOST = 8
"""GPUs of a host, all connected by NVLink: NVIDIA's HGX boards for each of these chips."""

_CONFIG = """\
gpu_device_info {{
  name: "{name}"
  cuda_compute_capability {{ major: {major} feature_extension: {features} }}
  core_count: {cores}
  fpus_per_core: {lanes}
  clock_rate_ghz: {gigahertz}
  shared_memory_per_core: {shared_bytes}
  shared_memory_per_block_optin: {block_shared_bytes}
  l2_cache_size: {l2_bytes}
  device_memory_size: {memory_bytes}
  memory_bandwidth: {bytes_per_s}
  shared_memory_per_block: 49152
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  threads_per_warp: 32
  threads_per_core_limit: 2048
  threads_per_block_limit: 1024
  thread_dim_limit_x: 1024
  thread_dim_limit_y: 1024
  thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 }}
device_description_str: "{name}"
"""
"""A `GpuTargetConfigProto`. What stands here as a number is the same for compute capabilities 8.0
and 9.0: CUDA C++ Programming Guide, technical specifications per compute capability. cuDNN 9.10 is
the version that openxla/xla gives for its newest specifications; 8.9 leads to the same program."""


@dataclasses.dataclass(frozen=True)
class Gpu:
    """What XLA asks of a GPU.

    Attributes:
      name: as the driver gives it.
      major: of the compute capability; the minor is 0.
      features: `ACCELERATED_FEATURES` for the instructions of one generation (`sm_90a`), or `NONE`.
      cores: streaming multiprocessors.
      lanes: float32 units of a core.
      gigahertz: highest clock of the cores.
      shared_bytes: shared memory of a core.
      block_shared_bytes: what a thread block may have of it.
      l2_bytes: second-level cache.
      memory_bytes: that a program can allocate.
      bytes_per_s: of the memory.
      models: whether XLA has measured tables of this generation, from which it estimates
        matrix products and collectives; it refuses to estimate them without.
    """

    name: str
    major: int
    features: str
    cores: int
    lanes: int
    gigahertz: float
    shared_bytes: int
    block_shared_bytes: int
    l2_bytes: int
    memory_bytes: int
    bytes_per_s: int
    models: bool

    def config(self) -> str:
        """The text that XLA's plugin reads."""
        return _CONFIG.format_map(dataclasses.asdict(self))


# Figures: openxla/xla, xla/backends/gpu/target_config/specs: a100_sxm_80.txtpb, h100_sxm.txtpb and
# h200.txtpb. Cores, lanes and cache also in NVIDIA's white papers of Ampere and Hopper (A100: 108
# SMs of 64, 40 MiB; H100 SXM5: 132 of 128, 50 MiB), shared memory in the CUDA C++ Programming Guide
# (8.0: 164 KiB, 9.0: 228 KiB; a block 1 KiB less), bandwidth in the data sheets (2039, 3350 and
# 4800 GB/s).
_H100 = Gpu(
    name="NVIDIA H100 80GB HBM3",
    major=9,
    features="ACCELERATED_FEATURES",
    cores=132,
    lanes=128,
    gigahertz=1.98,
    shared_bytes=228 * 1024,
    block_shared_bytes=227 * 1024,
    l2_bytes=50 * 1024**2,
    memory_bytes=84_942_979_072,
    bytes_per_s=3_352_320_000_000,
    models=True,
)
GPUS = {
    "a100": Gpu(
        name="NVIDIA A100-SXM4-80GB",
        major=8,
        features="NONE",
        cores=108,
        lanes=64,
        gigahertz=1.41,
        shared_bytes=164 * 1024,
        block_shared_bytes=163 * 1024,
        l2_bytes=40 * 1024**2,
        memory_bytes=85_100_068_864,
        bytes_per_s=2_039_040_000_000,
        models=False,
    ),
    "h100": _H100,
    "h200": dataclasses.replace(
        _H100,
        name="NVIDIA H200 141GB HBM3e",
        memory_bytes=151_397_597_184,
        bytes_per_s=4_800_000_000_000,
    ),
}


def devices(target: str, count: int) -> list[Any]:
    """GPUs that do not exist, to shard abstract arguments on.

    Args:
      target: a name in `GPUS`.
      count: how many; more than 8 are whole hosts.

    Raises:
      AnalysisError: unknown target, a count that does not fill its hosts, or no plugin; says what
        to do.
    """
    if target not in GPUS:
        raise AnalysisError(f"target={target!r} is not one of {', '.join(GPUS)}")
    hosts = max(1, count // PER_HOST)
    if count < 1 or count % hosts or count // hosts > PER_HOST:
        raise AnalysisError(f"{count} GPUs: must be 1 to {PER_HOST} or a multiple of {PER_HOST}")
    try:
        found = topologies.get_topology_desc(
            target,
            "cuda",
            topology=f"1x{hosts}x{count // hosts}",  # partitions, hosts of each, GPUs of each
            target_config=GPUS[target].config(),
        )
    except NotImplementedError:
        raise AnalysisError(
            f"compiling for {target} needs the package jax-cuda13-pjrt in the version of jaxlib"
        ) from None
    except RuntimeError as error:
        raise AnalysisError(f"{target}: {str(error).partition(chr(10))[0]}") from None
    return list(found.devices)


def options(target: str) -> dict[str, bool]:
    """Options of the compiler that note its estimates; they change nothing else in the program."""
    noted = {"xla_gpu_collect_cost_model_stats": True}
    if not GPUS[target].models:
        noted["xla_gpu_enable_analytical_sol_latency_estimator"] = False
    return noted
