"""Compile for a target and read what its compiler decided: kernels, cycles, memories, copies."""

import collections
import dataclasses
import gzip
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import jax
import jaxlib.version
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from resnets.analysis import hardware
from resnets.analysis.compiled import memory_of, serialised
from resnets.analysis.costs import cost
from resnets.analysis.fusion import schedule
from resnets.analysis.hlo import without_unread
from resnets.analysis.lower import Lowered
from resnets.analysis.ops import Graph
from resnets.analysis.projection import project
from resnets.analysis.rates import rate
from resnets.analysis.scaling import scale
from resnets.analysis.schedule import Schedule
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import AnalysisError
from resnets.analysis.targets import gpu
from resnets.analysis.targets.catalogue import Slice
from resnets.analysis.targets.kernels import read_kernels


def mesh(chosen: Slice, devices: int) -> Mesh:
    """Devices that do not exist, in one row named `data`.

    Raises:
      AnalysisError: the compiler does not know such a slice.
    """
    if chosen.target.platform == "cuda":
        row = gpu.devices(chosen.target.family, devices)
        return jax.make_mesh((devices,), ("data",), (AxisType.Auto,), devices=row)
    try:
        found = topologies.get_topology_desc(
            platform=chosen.target.platform, topology_name=chosen.topology
        ).devices
    except (RuntimeError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise AnalysisError(f"{chosen.topology}: {reason}") from None
    return jax.make_mesh((devices,), ("data",), (AxisType.Auto,), devices=found[:devices])


def compiled(lowered: Lowered, chosen: Slice, programs: Path) -> dict[str, Any]:
    """Compile, unless the same program was before, and read the result; JSON-able.

    What is kept is the compiler's own program, so that reading it better needs no compilation.

    Args:
      lowered: for devices of the slice.
      chosen: the slice.
      programs: folder of compiled programs by their hash.

    Raises:
      AnalysisError: the compiler refuses the program; its own first line.
    """
    versions = {"jax": jax.__version__, "jaxlib": jaxlib.version.__version__}
    versions |= {chosen.target.extra: compiler_version(chosen.target.extra)}
    key = json.dumps([lowered.lowered.as_text(), chosen.topology, versions], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()
    facts, module = programs / f"{digest}.json", programs / f"{digest}.pb.gz"
    if not facts.exists():
        programs.mkdir(parents=True, exist_ok=True)
        optimised, about = _compile(lowered, chosen)
        module.write_bytes(gzip.compress(optimised, mtime=0))
        half = facts.with_suffix(".part")
        half.write_text(json.dumps(about), encoding="utf-8")
        half.rename(facts)  # last: its presence says that both are whole
    training = any(op.phase != "forward" for op in lowered.graph.ops)
    scopes = Scopes(lowered.modules[()], lowered.modules, training)
    work = _work(lowered.graph)
    kernels, warnings = read_kernels(gzip.decompress(module.read_bytes()), scopes, work)
    return {
        "program_sha256": digest,
        "topology": chosen.topology,
        "versions": versions,
        **json.loads(facts.read_text(encoding="utf-8")),
        "kernels": [dataclasses.asdict(kernel) for kernel in kernels],
        "warnings": list(warnings),
    }


def _work(graph: Graph) -> dict[tuple[str, str], int]:
    """Multiply-adds of a product of each layer and phase, the mean where it has several."""
    found: dict[tuple[str, str], list[int]] = {}
    for op in graph.ops:
        macs = cost(op, graph.tensors).macs
        if macs:
            found.setdefault((op.name, op.phase), []).append(macs)
    return {key: max(1, sum(counts) // len(counts)) for key, counts in found.items()}


def _compile(lowered: Lowered, chosen: Slice) -> tuple[bytes, dict[str, Any]]:
    start = time.perf_counter()
    options = gpu.options(chosen.target.family) if chosen.target.platform == "cuda" else None
    try:
        executable = lowered.lowered.compile(compiler_options=options)
    except jax.errors.JaxRuntimeError as error:
        raise AnalysisError(str(error).strip().partition("\n")[0]) from None
    seconds = round(time.perf_counter() - start, 2)
    memory = dataclasses.asdict(memory_of(executable))
    return without_unread(serialised(executable)), {"compile_s": seconds, "memory": memory}


def projected(lowered: Lowered, chosen: Slice, devices: int, training: bool) -> dict[str, Any]:
    """Our own projection of one device's part of the program, by layer and phase.

    Args:
      lowered: the program of one device's batch.
      chosen: the slice.
      devices: that share a training step.
      training: it is a training step.

    Returns:
      `named`: names of layers; `projected`: a name, a phase and seconds each; `peaks`: operations
      and bytes a second; `projected_efficiency`: of the training step on all devices.
    """
    machine = hardware.load(chosen.target.hardware)
    made = schedule(lowered.graph, "prologue", training=True)  # weights come as arguments
    projection = project(made, machine)
    times: dict[tuple[str, str], float] = {}
    for timed in projection.steps:
        key = timed.step.layer, timed.step.phase
        times[key] = times.get(key, 0.0) + timed.estimate
    efficiency = None
    if training and machine.interconnect:
        efficiency = scale(lowered.graph, projection, [devices])[0].efficiency
    return {
        "named": sorted({op.name for op in lowered.graph.ops if op.layer}),
        "projected": [[*key, seconds] for key, seconds in times.items()],
        "peaks": [_peak(made, machine), machine.memories[-1].read],
        "projected_efficiency": efficiency,
    }


def _peak(made: Schedule, machine: hardware.Hardware) -> float:
    """Operations a second of the matrix unit, in the dtype that most products have."""
    counts: collections.Counter[str] = collections.Counter()
    for step in made.steps:
        for kind, dtype, count in step.work:
            counts[dtype] += count if kind in ("convolution", "product") else 0
    dtype = max(counts, key=lambda name: counts[name], default="float32")
    return rate(machine.unit_for("convolution"), "convolution", dtype, None)[0]


def compiler_version(extra: str) -> str:
    """Version of the package that brings a compiler."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version({"tpu": "libtpu", "cuda": "jax-cuda13-pjrt"}[extra])
    except PackageNotFoundError:
        return "unknown"
