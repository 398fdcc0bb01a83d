"""Networks lowered once, and what is read off them."""

import functools

from resnets.analysis import fusion, hardware, lower
from resnets.analysis.account import Account
from resnets.analysis.account import account as account_of
from resnets.analysis.costs import Cost, cost, total
from resnets.analysis.lower import Lowered
from resnets.analysis.ops import Op
from resnets.analysis.projection import Projection, project
from resnets.analysis.schedule import Schedule, Step
from resnets.cli import subject

MACHINE = "hypothetical"
MILLION, GIGA = 1e6, 1e9
MATRIX = ("convolution", "dot_general")


@functools.cache
def lowered(spec: str, classes: int | None = None, size: str = "") -> Lowered:
    """Lower the forward pass of one image; networks as `launch.sh analyze` takes them."""
    network = subject.named(spec, classes, size, "")
    return lower.inference(network.model, network.image_shape)


@functools.cache
def account(spec: str, classes: int | None = None, size: str = "") -> Account:
    """What it costs."""
    shape = subject.named(spec, classes, size, "").image_shape
    return account_of(lowered(spec, classes, size), "inference", 1, shape)


def parameters(spec: str) -> int:
    """Trainable parameters."""
    return account(spec).parameters


def macs(spec: str) -> int:
    """Multiply-adds, padded taps counted."""
    return account(spec).total.macs


def kernels(spec: str) -> dict[str, int]:
    """Weights of each convolution and dense layer, biases left out."""
    tensors = lowered(spec).graph.tensors
    inputs = (tensors[number] for number in lowered(spec).graph.inputs)
    return {
        "/".join(tensor.owner): tensor.type.elements
        for tensor in inputs
        if tensor.role == "weight" and len(tensor.type.shape) > 1
    }


def numbers_by_layer(spec: str) -> dict[str, int]:
    """Parameters and moving statistics of each layer, as Keras counts them."""
    found: dict[str, int] = {}
    graph = lowered(spec).graph
    for tensor in (graph.tensors[number] for number in graph.inputs):
        if tensor.role in ("weight", "statistic"):
            name = "/".join(tensor.owner)
            found[name] = found.get(name, 0) + tensor.type.elements
    return found


def statistics(spec: str, classes: int | None = None, size: str = "") -> int:
    """Numbers that are stored and not trained."""
    graph = lowered(spec, classes, size).graph
    inputs = (graph.tensors[number] for number in graph.inputs)
    return sum(tensor.type.elements for tensor in inputs if tensor.role == "statistic")


def operations(spec: str, prefix: str = "", kinds: tuple[str, ...] = MATRIX) -> list[Op]:
    """Operations of some kinds in the layers below a path."""
    return [
        op
        for op in lowered(spec).graph.ops
        if op.kind in kinds and (op.name == prefix or op.name.startswith(prefix))
    ]


def spent(spec: str, ops: list[Op]) -> Cost:
    """What operations cost together."""
    return total([cost(op, lowered(spec).graph.tensors) for op in ops])


def convolution_macs(spec: str) -> int:
    """Multiply-adds of the convolutions alone."""
    return spent(spec, operations(spec, kinds=("convolution",))).macs


@functools.cache
def scheduled(spec: str, scenario: str) -> Schedule:
    """What a machine is given to do, under a scenario of fusion."""
    return fusion.schedule(lowered(spec).graph, scenario, training=False)


@functools.cache
def projected(
    spec: str, scenario: str = "epilogue", residency: str = "belady", capacity: float = MILLION
) -> Projection:
    """Project onto the documents' machine, with so many bytes inside."""
    machine = hardware.replace(hardware.load(MACHINE), "internal.capacity", capacity)
    tiling = "once" if scenario == "streamed" else "search"
    return project(scheduled(spec, scenario), machine, residency, tiling)


def products(spec: str) -> list[Step]:
    """Convolutions and products on their own, with the tensors that each reads and writes."""
    return [step for step in scheduled(spec, "streamed").steps if step.product is not None]


def channels(op: Op) -> int:
    """Channels of a result."""
    return int(op.result_types[0].shape[-1])
