"""The flat sequence of operations: executable in order, and free of calls, loops and branches."""

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnets import models
from resnets.analysis import lower
from resnets.analysis.costs import cost
from resnets.analysis.flatten import flatten
from resnets.analysis.program import read
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import Argument, element_layer
from resnets.models.layers import Conv
from tests.analysis.networks import recipe

CONTROL = {"while", "case", "if", "func.call", "composite", "optimization_barrier"}
WEIGHTED = ("convolution", "dot_general")


def graph_of(function, *shapes, roles=None):
    """The flat graph of a plain function of arrays."""
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    lowered = jax.jit(function, keep_unused=True).lower(*arguments)
    roles = roles or [Argument("input", ())] * len(shapes)
    return flatten(read(lowered.compiler_ir("stablehlo")), roles, Scopes("", [], False), False)


def assert_executable(graph):
    """Every operand is there before it is read; every operation serves an output."""
    there = set(graph.inputs)
    for op in graph.ops:
        for operand in op.operands:
            assert operand in there or graph.tensors[operand].role in ("constant", "weight")
        there.update(op.results)
    needed = set(graph.outputs)
    for op in reversed(graph.ops):
        assert needed & set(op.results)
        needed |= set(op.operands)


@pytest.mark.parametrize("platform", ["tpu", "cuda", "cpu"])
@pytest.mark.parametrize("scan_blocks", [False, True])
def test_a_training_step_is_a_sequence_without_control_flow(platform, scan_blocks):
    model = models.create("cifar_resnet26", scan_blocks=scan_blocks)
    graph = lower.training_step(recipe(model), (8, 8, 3), platform).graph
    assert graph.warnings == ()
    assert {op.kind for op in graph.ops} & CONTROL == set()
    assert_executable(graph)


def test_a_loop_gives_the_operations_of_the_unrolled_network():
    kinds = []
    for scan_blocks in (False, True):
        model = models.create("cifar_resnet26", scan_blocks=scan_blocks)
        graph = lower.inference(model, (32, 32, 3)).graph
        kinds.append([(op.kind, op.layer, str(op.result_types)) for op in graph.ops])
        assert len(graph.inputs) == len(set(graph.inputs))
    assert kinds[0] == kinds[1]


def test_blocks_of_a_loop_keep_their_identity_from_forward_to_backward():
    """A kernel's gradient reads the very activations that the layer's forward pass read."""
    model = models.create("cifar_resnet26", scan_blocks=True)
    graph = lower.training_step(recipe(model), (16, 16, 3)).graph
    passes = {"forward": {}, "backward": {}}
    for op in graph.ops:
        if op.kind == "convolution":
            passes[op.phase].setdefault(op.layer, set()).update(op.operands)
    assert len(passes["forward"]) == 25
    for layer, operands in passes["forward"].items():
        activations = {n for n in operands if graph.tensors[n].role == "intermediate"}
        assert len(activations) == 1
        assert activations <= passes["backward"][layer]


def test_what_nothing_needs_is_left_out():
    graph = graph_of(lambda x: (jnp.sin(x), x + 1.0)[1], (3,))
    assert [op.kind for op in graph.ops] == ["add"]


def test_a_broadcast_and_a_reshape_are_views():
    graph = graph_of(lambda x, y: x.reshape(6, 2) * y, (3, 4), (2,))
    (op,) = graph.ops
    assert (op.kind, op.operands) == ("multiply", graph.inputs)


def test_constants_of_constants_cost_nothing():
    graph = graph_of(lambda x: x * (jnp.float32(3.0) / jnp.sqrt(jnp.float32(2.0))), (3,))
    assert [op.kind for op in graph.ops] == ["multiply"]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 6), st.booleans())
def test_a_counted_loop_runs_as_often_as_it_says(rounds, nested):
    def body(i, x):
        inner = jax.lax.fori_loop(0, 2, lambda j, y: jnp.tanh(y), x) if nested else jnp.tanh(x)
        return inner + 1.0

    graph = graph_of(lambda x: jax.lax.fori_loop(0, rounds, body, x), (2,))
    counts = [op.kind for op in graph.ops]
    assert counts.count("tanh") == rounds * (2 if nested else 1)
    assert counts.count("add") == rounds
    assert_executable(graph)


def test_a_reversed_scan_reads_its_elements_from_the_end():
    def function(rows):
        return jax.lax.scan(lambda total, row: (total * row, total), rows[0], rows, reverse=True)

    graph = graph_of(function, (4, 5))
    products = [op for op in graph.ops if op.kind == "multiply"]
    assert len(products) == 4
    assert_executable(graph)


def test_a_branch_with_a_known_index_is_followed():
    graph = graph_of(lambda x: jax.lax.switch(1, [jnp.sin, jnp.cos, jnp.tan], x), (3,))
    assert [op.kind for op in graph.ops] == ["cosine"]
    assert graph.warnings == ()


def test_names_of_the_rounds_of_a_loop():
    assert element_layer(("stage1", "blocks", "conv1"), 1, 0) == ("stage1", "block1", "conv1")
    assert element_layer(("tower", "layers", "dense"), 1, 2) == ("tower", "layers[2]", "dense")
    assert element_layer(("tower",), 1, 2) == ("tower",)


def test_a_grouped_layer_costs_a_gth():
    """Krizhevsky et al. 2012 and Xie et al. 2017: g groups have g times fewer multiply-adds."""
    totals = []
    for groups in (1, 4):
        graph = lower.inference(Conv(16, (3, 3), groups=groups), (8, 8, 8)).graph
        totals.append(sum(cost(op, graph.tensors).macs for op in graph.ops))
    assert totals == [64 * 16 * 9 * 8, 64 * 16 * 9 * 2]
