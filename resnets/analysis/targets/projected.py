"""Our projection of the program that a target's compiler gets, to stand beside its estimates."""

import collections
from typing import Any

from resnets.analysis.fusion import schedule
from resnets.analysis.hardware import Hardware
from resnets.analysis.lower import Lowered
from resnets.analysis.projection import project
from resnets.analysis.rates import rate
from resnets.analysis.scaling import scale
from resnets.analysis.schedule import Schedule

MATRIX = ("convolution", "product")


def scheduled(lowered: Lowered) -> Schedule:
    """What runs as one kernel: weights come as arguments, and kernels convert what they read."""
    return schedule(lowered.graph, "prologue", training=True)


def projected(lowered: Lowered, machine: Hardware, devices: int, training: bool) -> dict[str, Any]:
    """Project one device's part of a program onto a machine, by layer and phase; JSON-able.

    Args:
      lowered: the program of one device's batch.
      machine: that it runs on.
      devices: that share a training step.
      training: it is a training step.

    Returns:
      `named`: names of layers; `projected`: a name, a phase and seconds each; `hosts`: layers that
      ride on the kernels of another, a name, a phase and the other's name each; `peaks`: operations
      and bytes a second; `projected_efficiency`: of the training step on all devices.
    """
    made = scheduled(lowered)
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
        "hosts": [[*key, host] for key, host in hosts(made).items()],
        "peaks": [_peak(made, machine), machine.memories[-1].read],
        "projected_efficiency": efficiency,
    }


def hosts(made: Schedule) -> dict[tuple[str, str], str]:
    """The layer on whose kernel each layer rides, by phase, for those that have no kernel."""
    own = {(step.layer, step.phase) for step in made.steps}
    found: dict[tuple[str, str], str] = {}
    for step in made.steps:
        for rider in step.riders:
            if (rider, step.phase) not in own:
                found.setdefault((rider, step.phase), step.layer)
    return found


def described(lowered: Lowered) -> dict[str, Any]:
    """Shapes and work of the layers of an inference program, by name; JSON-able.

    Returns:
      `shapes`: of each layer with one convolution or product a list of rows, channels, columns,
      taps and operations; `work`: of each other layer its kind and operations; `hosts`: as in
      `projected`.
    """
    made = scheduled(lowered)
    shapes: dict[str, list[int]] = {}
    work: dict[str, list[Any]] = {}
    for step in made.steps:
        operations = {kind: count for kind, _, count in step.work}
        if step.product:
            nest = step.product.nest
            rows = nest.images * nest.rows * nest.columns
            flops = sum(operations.get(kind, 0) for kind in MATRIX)
            shapes[step.layer] = [rows, nest.channels, nest.features, nest.taps, flops]
        else:
            work[step.layer] = [step.kind, operations.get(step.kind, 0)]
    return {
        "shapes": shapes,
        "work": work,
        "hosts": [[*key, host] for key, host in hosts(made).items()],
    }


def _peak(made: Schedule, machine: Hardware) -> float:
    """Operations a second of the matrix unit, in the dtype that most products have."""
    counts: collections.Counter[str] = collections.Counter()
    for step in made.steps:
        for kind, dtype, count in step.work:
            counts[dtype] += count if kind in MATRIX else 0
    dtype = max(counts, key=lambda name: counts[name], default="float32")
    return rate(machine.unit_for("convolution"), "convolution", dtype, None)[0]
