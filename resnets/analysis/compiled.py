"""The optimised program of this machine's backend: its kernels, their layers, bytes and memory.

What JAX and jaxlib do not document is used here and nowhere else.
"""

import dataclasses
import time
from typing import Any

import jax
import jaxlib.version
from jaxlib import _jax

from resnets.analysis.kernels import Kernel, kernels
from resnets.analysis.lower import Lowered
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import AnalysisError


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes that the program occupies on the device.

    Attributes:
      arguments: what it is given.
      outputs: what it returns.
      aliased: outputs that overwrite arguments.
      temporary: everything between; what is never alive together shares its place.
      code: the program itself.
      peak: allocated while it runs: arguments, outputs and the arena of the temporary values,
        which holds as much as is alive at once.
    """

    arguments: int
    outputs: int
    aliased: int
    temporary: int
    code: int
    peak: int


@dataclasses.dataclass(frozen=True)
class Totals:
    """XLA's own count of a whole program; the body of a loop counts once, however often it runs."""

    flops: int
    transcendentals: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class LayerBytes:
    """A layer's share of the traffic of all kernels, and how many kernels work for it."""

    layer: str
    phase: str
    bytes: int
    kernels: int


@dataclasses.dataclass(frozen=True)
class Compiled:
    """The optimised program.

    Attributes:
      kernels: in the order of the schedule; those of a loop's body where the loop is.
      memory: what it occupies.
      xla: XLA's own totals, to check against.
      seconds: that compilation took, or finding it in JAX's cache.
      backend: platform and device.
      versions: of JAX, jaxlib and the backend.
      warnings: what is not counted, a line each.
      module: the program itself, for those who follow its buffers.
    """

    kernels: tuple[Kernel, ...]
    memory: Memory
    xla: Totals
    seconds: float
    backend: str
    versions: tuple[str, str, str]
    warnings: tuple[str, ...]
    module: bytes = dataclasses.field(repr=False, default=b"")

    @property
    def bytes(self) -> int:
        """Operands and results of all kernels: the traffic after fusion."""
        return sum(kernel.bytes for kernel in self.kernels)

    @property
    def flops(self) -> int:
        """XLA's count of each kernel, where it has one, as often as the kernel runs."""
        return sum((kernel.flops or 0) * (kernel.runs or 0) for kernel in self.kernels)

    @property
    def layers(self) -> tuple[LayerBytes, ...]:
        """Traffic by layer and phase in the order of execution; adds up to `bytes` exactly."""
        gathered: dict[tuple[str, str], list[int]] = {}
        for kernel in self.kernels:
            for share in kernel.shares:
                gathered.setdefault((share.layer, share.phase), []).append(share.bytes)
        return tuple(
            LayerBytes(layer, phase, sum(parts), len(parts))
            for (layer, phase), parts in gathered.items()
        )


def compile_program(lowered: Lowered) -> Compiled:
    """Compile for this machine and read what came of it.

    Raises:
      AnalysisError: the program is lowered for another platform than this machine's.
    """
    device = jax.devices()[0]
    here = "cuda" if device.platform == "gpu" else device.platform
    if here != lowered.platform:
        raise AnalysisError(f"a program for {lowered.platform} cannot be compiled on {here}")
    start = time.perf_counter()
    compiled = lowered.lowered.compile()
    seconds = time.perf_counter() - start
    module = _module(compiled)

    def xla_flops(serialised: bytes) -> int | None:
        alone = type(module).from_serialized_hlo_module_proto(serialised)
        flops = int(_jax.hlo_module_cost_analysis(device.client, alone).get("flops", 0))
        return flops if flops >= 0 else None  # of calls into libraries XLA says -1

    training = any(op.phase != "forward" for op in lowered.graph.ops)
    scopes = Scopes(lowered.modules[()], lowered.modules, training)
    text = serialised(compiled)
    found, warnings = kernels(text, scopes, xla_flops)
    analysis = compiled.cost_analysis() or {}
    totals = (int(analysis.get(n, 0)) for n in ("flops", "transcendentals", "bytes accessed"))
    return Compiled(
        found,
        memory_of(compiled),
        Totals(*totals),
        seconds,
        f"{here}, {device.device_kind}",
        (jax.__version__, jaxlib.version.__version__, device.client.platform_version),
        warnings,
        text,
    )


def _module(compiled: Any) -> Any:
    return compiled.runtime_executable().hlo_modules()[0]


def serialised(compiled: Any) -> bytes:
    """The optimised module of what `Lowered.lowered.compile()` gives, for any device."""
    return bytes(_module(compiled).as_serialized_hlo_module_proto())


def memory_of(compiled: Any) -> Memory:
    """What a compiled program occupies."""
    stats = compiled.memory_analysis()
    return Memory(
        stats.argument_size_in_bytes,
        stats.output_size_in_bytes,
        stats.alias_size_in_bytes,
        stats.temp_size_in_bytes,
        stats.generated_code_size_in_bytes,
        stats.argument_size_in_bytes
        + stats.output_size_in_bytes
        - stats.alias_size_in_bytes
        + stats.temp_size_in_bytes,
    )
