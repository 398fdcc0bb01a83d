"""What runs as one kernel in each scenario, and what the tensors between kernels weigh."""

import pytest

from resnets import models
from resnets.analysis import lower
from resnets.analysis.account import account
from resnets.analysis.fusion import FUSIONS, schedule
from tests.analysis.networks import TwoLayers, recipe

NETWORKS = (("resnet18", (64, 64, 3)), ("inception_naive", (28, 28, 256)))
APART = ("none", "epilogue", "prologue")


@pytest.fixture(scope="module")
def inference():
    """Lowered forward passes and their accounts, by name."""
    found = {}
    for name, shape in NETWORKS:
        lowered = lower.inference(models.create(name, 10), shape, 2)
        found[name] = lowered, account(lowered, "inference", 2, shape)
    return found


@pytest.fixture(scope="module")
def training():
    shape = (16, 16, 3)
    lowered = lower.training_step(recipe(models.create("cifar_resnet8"), 4), shape)
    return lowered, account(lowered, "train", 4, shape)


def flops(steps):
    return sum(step.cost.flops + step.cost.transcendentals for step in steps)


def work(steps):
    return sum(count for step in steps for _, _, count in step.work)


@pytest.mark.parametrize("fusion", APART)
@pytest.mark.parametrize("name", [name for name, _ in NETWORKS])
def test_an_inference_has_the_accounts_compulsory_traffic_and_work(inference, name, fusion):
    lowered, counted = inference[name]
    made = schedule(lowered.graph, fusion, training=False)
    assert made.compulsory_bytes == counted.compulsory_bytes
    ahead = [
        op for op in lowered.graph.ops if lowered.graph.tensors[op.results[0]].role == "derived"
    ]
    small = sum(op.result_types[0].elements for op in ahead)  # normalisation's vectors
    assert flops(made.steps) == counted.total.flops + counted.total.transcendentals - small
    assert work(made.steps) >= flops(made.steps)


@pytest.mark.parametrize("fusion", APART)
def test_a_training_step_has_the_accounts_compulsory_traffic_and_work(training, fusion):
    lowered, counted = training
    made = schedule(lowered.graph, fusion, training=True)
    assert made.compulsory_bytes == counted.compulsory_bytes
    assert flops(made.steps) == counted.total.flops + counted.total.transcendentals
    assert {step.phase for step in made.steps} == {"forward", "backward", "optimizer", "other"}


def test_without_fusion_every_operation_moves_what_the_account_says(training):
    lowered, counted = training
    assert schedule(lowered.graph, "none", training=True).unplanned_bytes == counted.total.bytes


@pytest.mark.parametrize("name", [name for name, _ in NETWORKS])
def test_streamed_moves_operands_and_results_of_products_once(inference, name):
    lowered, counted = inference[name]
    made = schedule(lowered.graph, "streamed", training=False)
    assert made.unplanned_bytes == counted.streamed_bytes
    moving = [step for step in made.steps if step.reads]
    assert {step.kind for step in moving} <= {"convolution", "product"}


def test_normalisation_activation_and_addition_ride_on_the_producing_convolution(inference):
    made = schedule(inference["resnet18"][0].graph, "epilogue", training=False)
    assert [step.kind for step in made.steps] == [
        *("convolution", "pooling"),
        *["convolution"] * 19,
        "product",
    ]
    assert made.steps[-2].riders[0] == "global_average_pool"
    last = next(step for step in made.steps if step.layer == "stage1/block0/conv2")
    assert last.riders == ("stage1/block0", "stage1/block0/bn2")
    shortcut = 2 * 16 * 16 * 64 * 4
    assert [size for _, size in last.reads].count(shortcut) == 2, "its input and the shortcut"


def test_in_training_a_normalisation_takes_a_second_pass(training):
    made = schedule(training[0].graph, "epilogue", training=True)
    forward = [step for step in made.steps if step.phase == "forward"]
    first = next(step for step in forward if step.layer == "stem_conv")
    assert "stem_bn" in first.riders, "the sums of the statistics ride on the convolution"
    second = next(step for step in forward if step.layer == "stem_bn")
    assert second.kind == "elementwise"
    assert set(dict(second.reads)) >= set(first.writes[:1]), "and its result is read again"


def test_fusion_never_moves_more(inference, training):
    for lowered, mode in [*((low, False) for low, _ in inference.values()), (training[0], True)]:
        moved = [schedule(lowered.graph, fusion, mode).unplanned_bytes for fusion in APART]
        assert moved[0] > moved[1] >= moved[2]


def test_every_tensor_is_written_before_it_is_read(training):
    for fusion in APART:
        made = schedule(training[0].graph, fusion, training=True)
        known = set(made.inputs)
        for step in made.steps:
            assert {tensor for tensor, _ in step.reads} <= known, step.layer
            known |= set(step.writes)
        assert made.outputs <= known


def test_a_kernel_of_a_product_knows_its_loops_and_operands(inference):
    made = schedule(inference["resnet18"][0].graph, "epilogue", training=False)
    for step in made.steps:
        if step.kind not in ("convolution", "product") or "global_average_pool" in step.riders:
            continue
        assert step.product is not None
        read = dict(step.reads)
        assert made.sizes[step.product.kernel] == step.product.nest.kernel_bytes
        assert made.sizes[step.product.input] == step.product.nest.input_bytes
        assert {step.product.input, step.product.kernel} <= read.keys()
        assert step.product.output in step.writes


@pytest.mark.parametrize(("precision", "size"), [("bfloat16", 2), ("int8", 1)])
def test_a_precision_scenario_scales_what_floats_take(inference, precision, size):
    graph = inference["resnet18"][0].graph
    whole = schedule(graph, "epilogue", training=False)
    narrow = schedule(graph, "epilogue", training=False, precision=precision)
    assert narrow.unplanned_bytes * 4 == whole.unplanned_bytes * size
    assert {dtype for step in narrow.steps for _, dtype, _ in step.work} == {precision}
    assert narrow.steps[0].product.nest.kernel_size == size


def test_kernels_convert_the_weights_that_they_read_in_a_prologue():
    model = models.create("lenet5", dtype="bfloat16")
    graph = lower.inference(model, (32, 32, 1), 4, prepared=False).graph
    apart, inside = (schedule(graph, f, training=True).steps for f in ("epilogue", "prologue"))
    products = [step for step in inside if step.product]
    assert len(inside) == len(apart) - len(products), "every product had a kernel that converts"
    fc6 = next(step for step in products if step.layer == "fc6")
    assert dict(fc6.reads)[fc6.product.kernel] == 4 * 120 * 84
    assert work(inside) == work(apart)


def test_a_users_own_module_is_scheduled_too():
    lowered = lower.inference(TwoLayers(), (8, 8, 3), 4)
    for fusion in FUSIONS:
        assert work(schedule(lowered.graph, fusion, training=False).steps)
