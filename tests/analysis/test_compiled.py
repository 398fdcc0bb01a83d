"""The optimised program: kernels, layers, bytes, memory."""

import flax.linen as nn
import jax
import pytest

from resnets import models
from resnets.analysis import lower
from resnets.analysis.account import account
from resnets.analysis.compiled import compile_program
from resnets.analysis.costs import cost
from resnets.analysis.symbols import AnalysisError
from resnets.data.augmentation import Preprocessing
from resnets.training.setup import device_mesh
from resnets.training.step import Recipe

IMAGE = (8, 8, 3)


class Perceptron(nn.Module):
    @nn.compact
    def __call__(self, images):
        return nn.relu(nn.Dense(16, name="hidden")(images.reshape((images.shape[0], -1))))


class Convolved(nn.Module):
    @nn.compact
    def __call__(self, images):
        return nn.Conv(5, (3, 3), padding=1, use_bias=False, name="conv")(images)


class Trained(nn.Module):
    num_classes: int = 4

    @nn.compact
    def __call__(self, images, train):
        x = nn.relu(nn.Conv(5, (3, 3), use_bias=False, name="conv")(images))
        return nn.Dense(self.num_classes, name="classifier")(x.mean((1, 2)))


class Looped(nn.Module):
    """Five equal layers as one loop over their stacked weights."""

    @nn.compact
    def __call__(self, images):
        loop = nn.scan(
            lambda layer, x, _: (nn.relu(layer(x)), None),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=5,
        )
        return loop(nn.Dense(3, use_bias=False, name="blocks"), images, None)[0]


def compiled(model, batch_size, image_shape=IMAGE):
    return compile_program(lower.inference(model, image_shape, batch_size, "cpu"))


@pytest.fixture(scope="module")
def residual():
    """A residual network of eight layers: its unfused account and its optimised program."""
    lowered = lower.inference(models.create("cifar_resnet8", 10), (16, 16, 3), 2, "cpu")
    return account(lowered, "inference", 2, (16, 16, 3)), compile_program(lowered)


@pytest.fixture(scope="module")
def training():
    """A training step of a convolution and a classifier: unfused account, optimised program."""
    recipe = Recipe(
        model=Trained(),
        preprocessing=Preprocessing((0.5,), (0.25,)),
        mesh=device_mesh(jax.devices()[:1]),
        batch_size=4,
    )
    lowered = lower.training_step(recipe, IMAGE, "cpu")
    return account(lowered, "train", 4, IMAGE), compile_program(lowered)


@pytest.fixture(scope="module")
def looped():
    return compiled(Looped(), 4)


def test_dense_layer_has_one_product_that_moves_its_operands_and_its_result():
    program = compiled(Perceptron(), 4)
    [product] = [kernel for kernel in program.kernels if kernel.products]
    floats = 4 * 192 + 192 * 16 + 4 * 16
    assert product.products == 1
    assert product.bytes == floats * 4
    assert product.flops == 2 * 4 * 192 * 16
    assert [share.layer for share in product.shares] == ["hidden"]


def test_xla_counts_the_operations_of_a_convolution_as_we_do_without_padding():
    lowered = lower.inference(Convolved(), IMAGE, 2, "cpu")
    [ours] = [c for c in (cost(op, lowered.graph.tensors) for op in lowered.graph.ops) if c.macs]
    program = compile_program(lowered)
    taps = (3 * 8 - 2) ** 2
    assert ours.flops_valid == 2 * 2 * taps * 3 * 5
    assert program.flops == program.xla.flops == ours.flops_valid


def test_every_kernel_of_a_network_is_traced_to_its_layers(residual):
    unfused, program = residual
    names = {layer.name for layer in unfused.layers}
    shares = [share for kernel in program.kernels for share in kernel.shares]
    assert {share.layer for share in shares} <= names
    assert {share.phase for share in shares} == {"forward"}
    convolutions = {layer.name for layer in unfused.layers if layer.kind == "convolution"}
    assert convolutions <= {share.layer for share in shares}


def test_rows_add_up_to_the_total(residual):
    _, program = residual
    assert sum(row.bytes for row in program.layers) == program.bytes
    for kernel in program.kernels:
        assert sum(share.bytes for share in kernel.shares) == kernel.bytes


def test_fusion_saves_traffic_but_each_weight_is_read(residual):
    unfused, program = residual
    assert unfused.compulsory_bytes <= program.bytes <= unfused.total.bytes


def test_totals_are_those_of_xla_where_nothing_loops(residual):
    _, program = residual
    assert program.bytes == pytest.approx(program.xla.bytes, rel=1e-5)
    assert program.flops == pytest.approx(program.xla.flops, rel=1e-6)  # XLA adds up 32-bit floats


def test_memory_holds_the_largest_tensor_and_the_arguments(residual):
    unfused, program = residual
    memory = program.memory
    assert memory.arguments >= unfused.parameters * 4
    assert memory.outputs == 2 * 10 * 4
    assert memory.peak >= memory.arguments + 2 * 16 * 16 * 16 * 4


def test_program_says_what_compiled_it(residual):
    _, program = residual
    assert program.backend.startswith("cpu")
    assert program.versions[0] == jax.__version__
    assert program.seconds > 0


def test_kernels_of_a_loop_run_in_every_round(looped):
    [product] = [kernel for kernel in looped.kernels if kernel.products]
    assert product.runs == 5
    assert looped.flops > 5 * 2 * (4 * 8 * 8) * 3 * 3
    assert {kernel.runs for kernel in looped.kernels} == {1, 5, 6}  # 6: the condition
    assert looped.warnings == ()


def test_a_round_reads_its_slice_of_the_stacked_weights(looped):
    layer, index = 3 * 3 * 4, 4
    [slicing] = [kernel for kernel in looped.kernels if kernel.output_bytes == layer]
    assert slicing.runs == 5
    assert layer <= slicing.operand_bytes <= layer + 3 * index


def test_training_has_kernels_of_all_phases(training):
    unfused, program = training
    rows = {(row.layer, row.phase) for row in program.layers}
    assert {("conv", "forward"), ("conv", "backward"), ("conv", "optimizer")} <= rows
    assert sum(row.bytes for row in program.layers) == program.bytes
    assert unfused.compulsory_bytes <= program.bytes <= unfused.total.bytes


def test_training_updates_every_layer_with_variables(training):
    unfused, program = training
    trained = {layer.name for layer in unfused.layers if layer.parameters}
    assert trained <= {row.layer for row in program.layers if row.phase == "optimizer"}


def test_a_program_for_another_platform_is_refused():
    with pytest.raises(AnalysisError, match="a program for tpu cannot be compiled on cpu"):
        compile_program(lower.inference(Perceptron(), IMAGE, 1, "tpu"))
