"""Compile for a target and read what its compiler decided: kernels, cycles, memories, copies."""

import dataclasses
import gzip
import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import jax
import jaxlib.version
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from resnets.analysis.compiled import memory_of, serialised
from resnets.analysis.costs import cost
from resnets.analysis.hlo import without_unread
from resnets.analysis.lower import Lowered
from resnets.analysis.ops import Graph
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import AnalysisError
from resnets.analysis.targets import gpu
from resnets.analysis.targets.catalogue import Slice
from resnets.analysis.targets.kept import SETTINGS, write_whole
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


QUICK = {"exec_time_optimization_effort": -1.0}
"""What makes XLA's TPU compiler a tenth as long: no search of tiles, nothing kept on chip."""

QUICK_TIMES = "compiled with little effort: cycles are several times those of the full compiler"


def compiled(
    lowered: Lowered, chosen: Slice, programs: Path, quick: bool = False
) -> dict[str, Any]:
    """Compile, unless the same program was before, and read the result; JSON-able.

    What is kept is the compiler's own program, so that reading it better needs no compilation.

    Args:
      lowered: for devices of the slice.
      chosen: the slice.
      programs: folder of compiled programs by their hash.
      quick: spend little on the program's own time, which is then several times as long.

    Raises:
      AnalysisError: the compiler refuses the program; its own first line.
    """
    versions = {"jax": jax.__version__, "jaxlib": jaxlib.version.__version__}
    versions |= {chosen.target.extra: compiler_version(chosen.target.extra)}
    options = _options(chosen, quick)
    digest = digest_of(lowered, chosen, versions, options)
    facts, module = programs / f"{digest}.json", programs / f"{digest}.pb.gz"
    if not facts.exists():
        optimised, about = _compile(lowered, options)
        write_whole(module, gzip.compress(optimised, mtime=0))
        write_whole(facts, json.dumps(about).encode())  # last: it says that both are there
    training = any(op.phase != "forward" for op in lowered.graph.ops)
    scopes = Scopes(lowered.modules[()], lowered.modules, training)
    work = _work(lowered.graph)
    kernels, warnings = read_kernels(gzip.decompress(module.read_bytes()), scopes, work)
    return {
        "program_sha256": digest,
        "topology": chosen.topology,
        "versions": versions,
        "effort": "quick" if quick else "full",
        **json.loads(facts.read_text(encoding="utf-8")),
        "kernels": [dataclasses.asdict(kernel) for kernel in kernels],
        "warnings": [*warnings, *([QUICK_TIMES] if quick else [])],
    }


def digest_of(
    lowered: Lowered, chosen: Slice, versions: dict[str, str], options: dict[str, Any] | None
) -> str:
    """A hash of all that the compiled program depends on, the names of its layers among it.

    Two networks may be the same program under other names; files and lines are left out.
    """
    text = lowered.lowered.as_text(debug_info=True)
    names = re.findall(r'loc\("(jit\([^"]*)"\(', text)
    environment = {name: os.environ.get(name, "") for name in SETTINGS}
    machine = gpu.GPUS[chosen.target.family].config() if chosen.target.platform == "cuda" else ""
    parts = [lowered.lowered.as_text(), names, chosen.topology, versions]
    key = json.dumps([*parts, options, environment, machine], sort_keys=True)
    return hashlib.sha256(key.encode()).hexdigest()


def _work(graph: Graph) -> dict[tuple[str, str], int]:
    """Multiply-adds of a product of each layer and phase, the mean where it has several."""
    found: dict[tuple[str, str], list[int]] = {}
    for op in graph.ops:
        macs = cost(op, graph.tensors).macs
        if macs:
            found.setdefault((op.name, op.phase), []).append(macs)
    return {key: max(1, sum(counts) // len(counts)) for key, counts in found.items()}


def _options(chosen: Slice, quick: bool) -> dict[str, Any] | None:
    if chosen.target.platform == "cuda":
        return gpu.options(chosen.target.family)
    return dict(QUICK) if quick else None


def _compile(lowered: Lowered, options: dict[str, Any] | None) -> tuple[bytes, dict[str, Any]]:
    start = time.perf_counter()
    try:
        executable = lowered.lowered.compile(compiler_options=options)
    except jax.errors.JaxRuntimeError as error:
        raise AnalysisError(str(error).strip().partition("\n")[0]) from None
    seconds = round(time.perf_counter() - start, 2)
    memory = dataclasses.asdict(memory_of(executable))
    return without_unread(serialised(executable)), {"compile_s": seconds, "memory": memory}


def compiler_version(extra: str) -> str:
    """Version of the package that brings a compiler."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version({"tpu": "libtpu", "cuda": "jax-cuda13-pjrt"}[extra])
    except PackageNotFoundError:
        return "unknown"
