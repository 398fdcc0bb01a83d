"""Data-parallel training predicted from one device's step: closed forms, bounds, real networks."""

import dataclasses
import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh

from resnets import models
from resnets.analysis import fusion, hardware, lower, projection, scaling
from resnets.analysis.costs import Cost
from resnets.analysis.hardware import TOPOLOGIES, Interconnect
from resnets.analysis.ops import Graph, Op, Tensor
from resnets.analysis.program import Type
from resnets.analysis.projection import Projection, StepTime
from resnets.analysis.schedule import Schedule, Step
from resnets.analysis.symbols import AnalysisError
from resnets.training.step import initialise, train_step
from tests.analysis.networks import recipe

NO_NETWORK_TIME = Interconnect(1e30, 0.0, "ring")
MIB = 2**20


# --- steps made by hand --------------------------------------------------------------------------


def vector(*shape):
    return Type(shape, "f32")


def operation(kind, operand, result, types, **attributes):
    operands, results = (operand,), (result,)
    return Op(
        kind, operands, results, types[:1], types[1:], (), "backward", kind, False, attributes
    )


def toy(steps, optimizer, links):
    """Backward steps of `(seconds, gradients, statistics)`, elements each, then the optimiser's.

    Statistics are sums over the images, tensor 0, that an operation on all images needs.
    """
    tensors, ops, timed, handed, inputs = [Tensor(vector(4, 9), "input")], [], [], [], [0]

    def tensor(elements, role="intermediate"):
        tensors.append(Tensor(vector(elements), role))
        return len(tensors) - 1

    def add(phase, seconds, reads, writes):
        made = Step("layer", phase, "elementwise", (), reads, tuple(writes), (), Cost())
        timed.append(StepTime(made, {}, {}, {}, {}, 0.0, seconds))

    for seconds, gradient, statistic in steps:
        writes = []
        if statistic:
            writes.append(tensor(statistic))
            whole, part = vector(4, statistic), vector(statistic)
            ops.append(operation("reduce", 0, writes[-1], (whole, part), dimensions=(0,)))
            ops.append(operation("negate", writes[-1], tensor(statistic), (whole, whole)))
        if gradient:
            inputs.append(tensor(gradient, "weight"))
            writes.append(tensor(gradient))
            handed.append(writes[-1])
        add("backward", seconds, (), writes)
    add("optimizer", optimizer, tuple((t, tensors[t].type.bytes) for t in handed), ())
    sizes = {number: tensor.type.bytes for number, tensor in enumerate(tensors)}
    schedule = Schedule(tuple(step.step for step in timed), sizes, frozenset(inputs), frozenset())
    device = dataclasses.replace(hardware.load("tpu_v5e"), interconnect=links)
    graph = Graph(ops, tensors, tuple(inputs), (), ())
    return graph, Projection(device, schedule, "belady", "once", tuple(timed), {}, ())


def scaled(steps, links, devices, optimizer=0, **options):
    return scaling.scale(*toy(steps, optimizer, links), devices, **options)


amounts = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
steps_with_gradients = st.lists(amounts, min_size=1, max_size=8).filter(
    lambda steps: any(gradient for _, gradient, _ in steps)
)
networks = st.builds(
    Interconnect, st.floats(0.1, 100), st.floats(0, 10), st.sampled_from(TOPOLOGIES)
)
counts = st.integers(1, 4096)


# --- one all-reduce ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topology", "devices", "rounds"),
    [
        ("ring", 2, 2),
        ("ring", 7, 12),
        ("torus2d", 64, 2 * (7 + 7)),
        ("torus2d", 32, 2 * (3 + 7)),
        ("torus3d", 64, 2 * (3 + 3 + 3)),
        ("torus3d", 4096, 2 * 3 * 15),
        ("switch", 8, 2 * 3),
        ("switch", 9, 2 * 4),
    ],
)
def test_a_large_array_crosses_the_links_almost_twice_and_waits_for_each_round(
    topology, devices, rounds
):
    links = Interconnect(1e9, 1e-6, topology)
    expected = 2 * (devices - 1) / devices * 1e9 / 1e9 + rounds * 1e-6
    assert scaling.all_reduce_seconds(1e9, devices, links) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("devices", [16, 1000, 4096])
def test_a_small_array_takes_a_tree_in_a_ring(devices):
    expected = 2 * math.ceil(math.log2(devices)) * (1e-6 + 64 / 1e9)
    links = Interconnect(1e9, 1e-6, "ring")
    assert scaling.all_reduce_seconds(64, devices, links) == pytest.approx(expected, rel=1e-12)


@given(networks, st.integers(0, 10**9))
def test_one_device_sums_nothing(links, size):
    assert scaling.all_reduce_seconds(size, 1, links) == 0


@given(st.floats(0, 1e9), st.floats(0, 1), counts, counts, st.sampled_from(["ring", "switch"]))
def test_an_all_reduce_never_gets_quicker_with_more_devices(size, latency, one, other, topology):
    links = Interconnect(1e6, latency, topology)
    fewer, more = sorted((one, other))
    less, most = (scaling.all_reduce_seconds(size, count, links) for count in (fewer, more))
    assert less <= most * (1 + 1e-12)


@given(counts, st.integers(1, 3))
def test_the_sides_of_a_torus_multiply_to_its_devices(devices, dimensions):
    sides = scaling.torus_sides(devices, dimensions)
    assert len(sides) == dimensions
    assert math.prod(sides) == devices


@given(counts, st.integers(1, 4096))
def test_no_rectangle_of_as_many_devices_has_shorter_sides(devices, side):
    if devices % side == 0:
        assert sum(scaling.torus_sides(devices, 2)) <= side + devices // side


@given(st.integers(1, 16), st.integers(1, 3))
def test_powers_make_tori_of_equal_sides(side, dimensions):
    assert scaling.torus_sides(side**dimensions, dimensions) == (side,) * dimensions


# --- a step --------------------------------------------------------------------------------------


@given(networks, counts, st.integers(1, 10**6))
def test_a_single_gradient_takes_the_time_of_its_all_reduce(links, devices, elements):
    (found,) = scaled([(3, elements, 0)], links, [devices])
    expected = scaling.all_reduce_seconds(4 * elements, devices, links)
    assert found.communication_s == expected
    assert found.exposed_s == pytest.approx(expected, rel=1e-9, abs=1e-12)


def ticking(steps, optimizer):
    """Literally, second by second: a network that sums an element a second."""
    clock = queue = 0
    for seconds, gradient, statistic in steps:
        for _ in range(seconds):
            clock += 1
            queue = max(0, queue - 1)
        clock += statistic  # nothing else goes on
        queue += gradient
    return clock + queue + optimizer


@given(steps_with_gradients, st.integers(0, 9))
@settings(max_examples=300)
def test_gradients_overlap_with_computing_and_statistics_do_not(steps, optimizer):
    links = Interconnect(4.0, 0.0, "ring")  # two devices: every byte crosses once
    (found,) = scaled(steps, links, [2], optimizer, bucket=0)
    assert found.step_s == ticking(steps, optimizer)
    assert found.communication_s == sum(gradient + sums for _, gradient, sums in steps)


def test_a_gradient_hides_behind_the_steps_after_it():
    links = Interconnect(4.0, 0.0, "ring")
    (found,) = scaled([(5, 3, 0), (2, 4, 0)], links, [2], optimizer=6, bucket=0)
    assert (found.compute_s, found.communication_s, found.exposed_s) == (13, 7, 5)
    assert (found.step_s, found.efficiency) == (18, 13 / 18)


def test_a_blocking_sum_delays_the_gradients_under_way():
    links = Interconnect(4.0, 0.0, "ring")
    (found,) = scaled([(1, 4, 0), (1, 0, 2), (1, 0, 0)], links, [2], bucket=0)
    assert (found.statistics_bytes, found.step_s) == (8, 3 + 2 + (4 - 2))


@pytest.mark.parametrize(
    ("bucket", "all_reduces"), [(0, 3), (3 * MIB, 3), (4 * MIB, 2), (100 * MIB, 1)]
)
def test_gradients_are_summed_in_buckets(bucket, all_reduces):
    links = Interconnect(1e6, 0.0, "ring")
    steps = [(1, 3 * MIB // 4, 0)] * 3
    (found,) = scaled(steps, links, [2], bucket=bucket)
    assert found.all_reduces == all_reduces
    assert found.gradient_bytes == 9 * MIB
    if all_reduces == 1:  # and nothing overlaps
        assert found.exposed_s == found.communication_s


@given(steps_with_gradients, networks, counts, st.integers(0, 9), st.integers(0, 80))
def test_a_step_lies_between_full_overlap_and_none(steps, links, devices, optimizer, bucket):
    (found,) = scaled(steps, links, [devices], optimizer, bucket=bucket)
    most = found.compute_s + found.communication_s
    least = max(found.compute_s, found.communication_s)
    assert least * (1 - 1e-9) <= found.step_s <= most * (1 + 1e-9)
    assert found.step_s == found.compute_s + found.exposed_s
    assert found.efficiency <= 1


@given(steps_with_gradients, st.floats(0, 10), counts, counts)
def test_a_step_on_a_ring_never_gets_quicker_with_more_devices(steps, latency, one, other):
    links = Interconnect(10.0, latency, "ring")
    fewer, more = scaled(steps, links, sorted((one, other)), bucket=16)
    assert fewer.step_s <= more.step_s * (1 + 1e-12)


# --- real networks -------------------------------------------------------------------------------


@functools.cache
def lowered(name, batch=4, **fields):
    model = models.create(name, **fields)
    return lower.training_step(recipe(model, batch, shape(name)[2]), shape(name))


def shape(name):
    return models.family(name).image_shape


@functools.cache
def scheduled(name, fused="epilogue", batch=4, **fields):
    graph = lowered(name, batch, **fields).graph
    return graph, fusion.schedule(graph, fused, training=True)


def predicted(name, devices, links, **options):
    graph, schedule = scheduled(name)
    device = dataclasses.replace(hardware.load("tpu_v5e"), interconnect=links)
    projected = projection.project(schedule, device)
    return projected, scaling.scale(graph, projected, devices, **options)


def passes(name, **fields):
    """All-reduces of statistics in the forward and in the backward pass, and their bytes."""
    graph, schedule = scheduled(name, **fields)
    found = scaling.statistics(graph, schedule)
    phases = [schedule.steps[step].phase for step in found]
    return phases.count("forward"), phases.count("backward"), sum(found.values())


@pytest.mark.parametrize("fused", ["none", "epilogue"])
@pytest.mark.parametrize("name", [pytest.param("cifar_resnet20", marks=pytest.mark.slow), "lenet5"])
def test_every_parameter_has_a_gradient_of_four_bytes(name, fused):
    found = scaling.gradients(*scheduled(name, fused))
    assert sum(gradient.bytes for gradient in found) == 4 * sum(lowered(name).parameters.values())
    steps = [gradient.step for gradient in found]
    assert steps == sorted(steps)


def test_gradients_travel_in_the_dtype_that_they_are_stored_in():
    found = scaling.gradients(*scheduled("cifar_resnet8", dtype="bfloat16"))
    parameters = sum(lowered("cifar_resnet8", dtype="bfloat16").parameters.values())
    vectors = 2 * (3 * 16 + 2 * 32 + 2 * 64)  # scales and biases: summed in float32
    assert sum(gradient.bytes for gradient in found) == 2 * parameters + 2 * vectors


@pytest.mark.parametrize("fields", [{}, {"scan_blocks": True}])
def test_each_batch_normalisation_waits_once_in_each_pass_for_two_vectors(fields):
    channels = 7 * 16 + 6 * 32 + 6 * 64
    vectors = 2 + 2
    assert passes("cifar_resnet20", **fields) == (19, 19, vectors * 4 * channels)


def test_a_batch_of_one_image_waits_for_the_same_vectors():
    assert passes("cifar_resnet8", batch=1)[2] == passes("cifar_resnet8")[2]


def test_unfused_each_vector_is_waited_for_alone():
    fused = passes("cifar_resnet8")
    assert passes("cifar_resnet8", fused="none") == (2 * fused[0], 2 * fused[1], fused[2])


def test_a_network_without_normalisation_waits_for_nothing():
    assert passes("lenet5") == (0, 0, 0)


def test_normalisation_within_a_device_waits_for_nothing():
    links = Interconnect(1e9, 1e-6, "ring")
    _, (alone,) = predicted("cifar_resnet20", [8], links, synchronised=False)
    _, (together,) = predicted("cifar_resnet20", [8], links)
    assert alone.statistics_bytes == 0
    assert together.all_reduces == alone.all_reduces + 2 * 19
    assert together.step_s > alone.step_s


def test_xla_sums_the_forward_statistics_that_are_predicted():
    """The partitioner's program for two devices has the same all-reduces."""
    name = "cifar_resnet8"
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    own = dataclasses.replace(recipe(models.create(name), 4), mesh=mesh)
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(functools.partial(initialise, own, image_shape=shape(name)), key)
    arguments = (
        state,
        jax.ShapeDtypeStruct((4, *shape(name)), jnp.uint8),
        jax.ShapeDtypeStruct((4,), jnp.int32),
        jax.ShapeDtypeStruct((), jnp.float32),
        key,
    )
    text = jax.jit(functools.partial(train_step, own)).lower(*arguments).compile().as_text()
    forward = [
        [int(size) for size in re.findall(r"f32\[(\d+)\]", result)]
        for result, scope in re.findall(r'= (.*) all-reduce\(.*op_name="([^"]*)', text)
        if "jvp(ResNet)" in scope and "transpose(jvp" not in scope
    ]
    graph, schedule = scheduled(name)
    found = scaling.statistics(graph, schedule)
    expected = [size for step, size in found.items() if schedule.steps[step].phase == "forward"]
    assert sorted(4 * sum(sizes) for sizes in forward) == sorted(expected)


def test_one_device_takes_exactly_what_is_projected():
    projected, (found,) = predicted("cifar_resnet20", [1], Interconnect(1e9, 1e-6, "torus2d"))
    assert found.step_s == found.compute_s == projected.estimate
    assert (found.all_reduces, found.communication_s, found.exposed_s) == (0, 0, 0)
    assert found.efficiency == 1


def test_a_network_that_takes_no_time_scales_perfectly():
    _, found = predicted("cifar_resnet20", [1, 8, 100, 4096], NO_NETWORK_TIME)
    assert [step.efficiency for step in found] == pytest.approx([1] * 4, abs=1e-9)


def test_a_slow_network_is_waited_for_all_the_time():
    projected, (found,) = predicted("cifar_resnet20", [8], Interconnect(1e3, 0.0, "torus2d"))
    assert found.communication_s > 1e5 * projected.estimate
    assert found.step_s == pytest.approx(projected.estimate + found.communication_s, rel=1e-5)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_more_devices_of_a_power_of_two_are_never_more_efficient(topology):
    _, found = predicted(
        "cifar_resnet20", [2**k for k in range(13)], Interconnect(1e11, 1e-6, topology)
    )
    efficiencies = [step.efficiency for step in found]
    assert efficiencies == sorted(efficiencies, reverse=True)
    assert efficiencies[0] == 1
    assert efficiencies[-1] > 0


# --- what cannot be predicted --------------------------------------------------------------------


def test_a_machine_without_links_is_refused_by_name():
    with pytest.raises(AnalysisError, match=r"tpu_v5e: .*\[interconnect\]"):
        predicted("lenet5", [8], None)


def test_no_devices_are_refused():
    with pytest.raises(AnalysisError, match="devices=0"):
        predicted("lenet5", [8, 0], NO_NETWORK_TIME)


def test_gradients_that_are_accumulated_or_hidden_are_refused():
    parts = dataclasses.replace(recipe(models.create("lenet5"), 4, 1), accumulation=2)
    graph = lower.training_step(parts, shape("lenet5")).graph
    for schedule in (
        fusion.schedule(graph, "epilogue", training=True),
        scheduled("lenet5", "streamed")[1],
    ):
        with pytest.raises(AnalysisError, match="accumulation=1"):
            scaling.gradients(graph, schedule)
