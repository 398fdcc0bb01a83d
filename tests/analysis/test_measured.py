"""Networks, kernels and single operations timed on this machine."""

import math

import flax.linen as nn
import jax
import pytest

from resnets import models
from resnets.analysis import lower
from resnets.analysis.account import account
from resnets.analysis.calibration import fit, measured, microbenchmarks
from resnets.analysis.calibration.measured import Order, Span
from resnets.analysis.calibration.microbenchmarks import Shape
from resnets.analysis.kernels import Kernel, Share
from resnets.analysis.symbols import AnalysisError


class Uneven(nn.Module):
    """Two layers, the second with a hundred times the work of the first."""

    @nn.compact
    def __call__(self, images):
        x = nn.relu(nn.Conv(32, (1, 1), name="small")(images))
        return nn.Conv(352, (3, 3), name="large")(x)


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
        x = loop(nn.Dense(64, use_bias=False, name="blocks"), images, None)[0]
        return nn.Dense(10, name="classifier")(x)


@pytest.fixture(scope="module")
def residual():
    lowered = lower.inference(models.create("cifar_resnet8", 10), (16, 16, 3), 4, "cpu")
    return account(lowered, "inference", 4, (16, 16, 3)), measured.measure(lowered, repeats=3)


def test_layers_are_the_networks_and_none_with_weights_is_missing(residual):
    unfused, found = residual
    assert set(found.layers) <= {layer.name for layer in unfused.layers}
    convolutions = {layer.name for layer in unfused.layers if layer.kind == "convolution"}
    assert all(found.layers[name] > 0 for name in convolutions)


def test_kernels_and_layers_add_up_to_the_explained_part_of_a_call(residual):
    _, found = residual
    assert sum(found.layers.values()) == pytest.approx(sum(found.kernels.values()))
    assert sum(found.kernels.values()) == pytest.approx(found.explained * found.profiled)
    assert 0.3 < found.explained <= 1.01
    assert found.unmatched == 0
    assert 0 <= found.divided <= sum(found.kernels.values())


def test_quartiles_are_about_the_median(residual):
    _, found = residual
    assert 0 < found.low <= found.seconds <= found.high < 10
    assert found.runs == 3


def test_a_layer_with_a_hundred_times_the_work_takes_longest():
    lowered = lower.inference(Uneven(), (16, 16, 32), 8, "cpu")
    layers = measured.measure(lowered, repeats=3).layers
    assert max(layers, key=layers.__getitem__) == "large"
    assert layers["large"] > 3 * layers["small"] > 0


def test_a_loop_counts_with_its_kernels():
    found = measured.measure(lower.inference(Looped(), (64,) * 3, 4, "cpu"), repeats=2)
    assert {"blocks", "classifier"} <= set(found.layers)
    assert found.layers["blocks"] > found.layers["classifier"]
    assert found.unmatched == 0


def test_random_variables_give_finite_logits_at_any_depth():
    lowered = lower.inference(models.create("cifar_resnet20", 10), (8, 8, 3), 2, "cpu")
    arguments = measured._arguments(lowered.lowered.args_info[0], 0)
    with jax.debug_nans(True):
        logits = lowered.lowered.compile()(*arguments)
    assert jax.numpy.isfinite(logits).all()
    assert 1e-6 < abs(logits).max() < 1e6


def test_a_program_for_another_platform_is_refused():
    with pytest.raises(AnalysisError, match="a program for tpu cannot be run on cpu"):
        measured.measure(lower.inference(Uneven(), (4, 4, 3), 1, "tpu"))


def test_what_overlaps_shares_the_time():
    found = measured.occupied([Span("a", 0, 4e9), Span("b", 2e9, 4e9), Span("b", 6e9, 7e9)])
    assert found == pytest.approx({"a": 3.0, "b": 2.0})


def test_a_kernel_that_goes_on_in_the_background_ends_where_its_reader_begins():
    flow = Order({"conv": frozenset({"relu"}), "relu": frozenset(), "last": frozenset()}, {})
    host = [(Span("conv", 0, 1), 1), (Span("relu", 5, 6), 2), (Span("last", 7, 8), 3)]
    found = measured._ended(host, {1: 9, 2: 6, 3: 10}, flow)
    assert found == [Span("conv", 0, 5), Span("relu", 5, 6), Span("last", 7, 10)]


class Event:
    def __init__(self, name, start_ns, duration_ns, **stats):
        self.name, self.start_ns, self.duration_ns = name, start_ns, duration_ns
        self.stats = list(stats.items())


class Named:
    """A plane or a line of a profile."""

    def __init__(self, name, inner):
        self.name, self.lines, self.events, self.planes = name, inner, inner, inner


def test_on_a_gpu_the_streams_count_and_the_threads_that_launch_do_not():
    flow = Order({"fusion.1": frozenset(), "convolution.2": frozenset()}, {})
    stream = [
        Event("loop_fusion_kernel", 10, 5, hlo_op="fusion.1"),
        Event("implicit_gemm", 20, 7, hlo_op="convolution.2"),
        Event("MemcpyD2D", 30, 1),
    ]
    device = Named(
        "/device:GPU:0", [Named("Stream #13", stream), Named("Steps", [Event("0", 0, 9)])]
    )
    host = Named("/host:CPU", [Named("python", [Event("fusion.1", 1, 2, hlo_op="fusion.1")])])
    found = measured.spans(Named("", [host, device]), flow)
    names = ["fusion.1", "convolution.2", "MemcpyD2D"]
    assert [span.name for span in found] == names
    assert [span.end - span.start for span in found] == [5, 7, 1]


def kernel(name, products, **shares):
    parts = tuple(Share(layer, "forward", 1, size) for layer, size in shares.items())
    return Kernel(name, "kLoop", parts, "forward", 0, sum(shares.values()), None, products, 1)


def test_a_fused_convolution_belongs_to_its_layer_and_a_pass_to_all_that_it_moves():
    fused, moved = kernel("conv", 1, conv=1, bn=3), kernel("pass", 0, bn=1, relu=3)
    layers, divided = measured.by_layer([fused, moved], {"conv": 8.0, "pass": 4.0}, {"conv": 5})
    assert layers == pytest.approx({"conv": 8.0, "bn": 1.0, "relu": 3.0})
    assert divided == 0


def test_layers_fused_into_one_kernel_divide_it_by_their_products():
    layers, divided = measured.by_layer(
        [kernel("all", 2, a=1, b=1)], {"all": 4.0}, {"a": 1, "b": 3}
    )
    assert layers == pytest.approx({"a": 1.0, "b": 3.0})
    assert divided == 4.0


def test_a_call_that_runs_in_one_piece_is_divided_and_what_is_no_kernel_is_told():
    flow = Order({"a": frozenset(), "b": frozenset()}, {"call": frozenset({"a", "b"})})
    found = [kernel("a", 0, x=1), kernel("b", 0, y=3)]
    taken, unmatched = measured.by_kernel(found, {"call": 4.0, "copy": 0.5}, flow)
    assert taken == pytest.approx({"a": 1.0, "b": 3.0})
    assert unmatched == 0.5


def test_timing_a_call_repeats_short_ones():
    calls = []
    timing = microbenchmarks.time_call(calls.append, 0, repeats=2, least_seconds=0.001)
    assert 0 < timing.low <= timing.seconds <= timing.high < 0.001
    assert len(calls) > 20


def test_products_count_two_operations_a_multiply_add():
    [product] = microbenchmarks.product_rates([(8, 16, 32)], rounds=1)
    assert product.flops == 2 * 8 * 16 * 32
    assert product.rate == product.flops / product.seconds > 0


def test_convolutions_count_padded_taps_and_groups():
    told = []
    product, plain, strided = microbenchmarks.product_rates(
        [(2, 4, 4)], [Shape(2, 7, 4, 8, 3), Shape(1, 7, 8, 4, 5, 2, 4)], rounds=2, note=told.append
    )
    assert (product.rows, product.taps) == (2, 1)
    assert plain.flops == 2 * (2 * 7 * 7) * 4 * 8 * 9
    assert (strided.rows, strided.channels, strided.columns) == (16, 2, 1)
    assert strided.flops == 2 * 16 * 25 * 2 * 1 * 4
    assert all(0 < record.rate < math.inf for record in (plain, strided))
    assert told == ["3 operations, round 1 of 2", "3 operations, round 2 of 2"]


def test_an_operation_of_a_chain_waits_for_the_one_before():
    chain = microbenchmarks.convolution_chain(Shape(1, 4, 2, 2, 3))
    assert chain.times == 16
    text = chain.program().as_text()
    assert text.count(" convolution(") == 16
    array, weights = chain.arguments()
    changed = chain.program()(array, weights)
    assert changed.shape == (1, 4, 4, 2)
    assert jax.numpy.isfinite(changed).all()


def test_default_shapes_span_the_networks_in_bounded_work():
    shapes = microbenchmarks.CONVOLUTION_SHAPES
    assert 100 <= len(shapes) == len(set(shapes)) <= 200
    assert {shape.kernel for shape in shapes} == {1, 3, 5, 7, 11}
    assert max(shape.took(1.0).flops for shape in shapes) <= 4e9
    assert all(shape.kernel % 2 for shape in shapes)


def test_streams_and_single_rates_are_positive_and_finite():
    streams = fit.stream_rates([2**14, 2**16])
    assert [stream.working_set for stream in streams] == [2**14, 2**16]
    works = [
        fit.elementwise_work(16, 16),
        fit.transcendental_work(256),
        fit.reduction_work(8, 8),
        fit.pooling_work(8, 8),
    ]
    rates = [work.operations / work.seconds for work in works]
    rates += [fit.first_touch_rate(2**20), *(stream.rate for stream in streams)]
    assert all(1e3 < rate < 1e15 for rate in rates)
    assert all(work.bytes > 0 for work in works)


def test_one_more_layer_costs_less_than_a_call():
    assert 0 < fit.block_overhead(most=6) < 0.01
    assert 0 < microbenchmarks.call_overhead() < 0.1


def test_caches_grow_with_their_level(tmp_path, monkeypatch):
    for place, (level, kind, size, shared) in enumerate(
        [(1, "Data", "32K", "1"), (1, "Instruction", "64K", "1"), (3, "Unified", "2048K", "0,f")]
    ):
        folder = tmp_path / f"index{place}"
        folder.mkdir()
        texts = {"level": level, "type": kind, "size": size, "shared_cpu_map": shared}
        for name, text in texts.items():
            (folder / name).write_text(f"{text}\n")
    (tmp_path / "index9").mkdir()
    monkeypatch.setattr(fit, "_CACHES", tmp_path)
    assert fit.caches() == ((1, 2**15, 1), (3, 2**21, 4))


def test_unknown_caches_are_none_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "_CACHES", tmp_path / "absent")
    assert fit.caches() == ()
