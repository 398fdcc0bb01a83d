"""Programs of device compilers: the readers on stored ones, the compilers themselves on request.

The stored programs are what the compilers made of this project's own networks; store_program.py
beside this file writes them.
"""

import gzip
import json
import math
from pathlib import Path

import flax.linen as nn
import pytest
from jaxlib import _hlo

from resnets.analysis import hardware, lower
from resnets.analysis.scaling import all_reduce_seconds
from resnets.analysis.scopes import Scopes
from resnets.analysis.targets import kernels as reading
from resnets.analysis.targets.catalogue import TARGETS, read_target, slice_for
from resnets.analysis.targets.estimated import fitted
from resnets.analysis.targets.kernels import read_kernels
from resnets.analysis.targets.layers import by_layer, cycles, joined, roofline, waiting
from resnets.analysis.targets.program import digest_of
from resnets.analysis.targets.render import as_dict, as_table
from resnets.cli.__main__ import main
from resnets.errors import UserError

DATA = Path(__file__).parent / "data"
LAYERS = {
    *("stem_conv", "classifier", "stage1/block0/conv1", "stage1/block0/conv2"),
    *("stage2/block0/conv1", "stage2/block0/conv2", "stage3/block0/conv1", "stage3/block0/conv2"),
}


def stored(name, training=False, work=None):
    """Kernels of a stored program, as JSON carries them."""
    import dataclasses

    module = gzip.decompress((DATA / f"{name}.pb.gz").read_bytes())
    kernels, warnings = read_kernels(module, Scopes("ResNet", [], training), work)
    assert warnings == []
    return json.loads(json.dumps([dataclasses.asdict(kernel) for kernel in kernels]))


@pytest.fixture(scope="module")
def inference():
    """cifar_resnet8, batch 8, bfloat16, for one v5e."""
    return stored("tpu_v5e_cifar_resnet8")


@pytest.fixture(scope="module")
def training():
    """A training step of cifar_resnet8, batch 32 over four v5e, bfloat16."""
    return stored("tpu_v5e_4_cifar_resnet8_train", training=True)


def test_every_convolution_is_found_with_its_cycles(inference):
    layers = {row.name: row for row in by_layer({"kernels": inference})}
    assert layers.keys() >= LAYERS
    for name in LAYERS:
        assert layers[name].cycles > 1000, name


@pytest.mark.parametrize("program", ["inference", "training"])
def test_parts_add_up_to_kernels_and_layers_to_the_program(program, request):
    kernels = request.getfixturevalue(program)
    for kernel in kernels:
        assert sum(part["share"] for part in kernel["parts"]) == pytest.approx(1), kernel["name"]
    rows = by_layer({"kernels": kernels})
    assert sum(row.cycles for row in rows) == pytest.approx(cycles({"kernels": kernels}))
    for depth in (1, 2):
        folded = by_layer({"kernels": kernels}, depth=depth)
        assert sum(row.cycles for row in folded) == pytest.approx(cycles({"kernels": kernels}))


@pytest.mark.parametrize("program", ["inference", "training"])
def test_at_least_95_percent_of_the_cycles_belong_to_layers(program, request):
    kernels = request.getfixturevalue(program)
    named = sum(
        (k["cycles"] or 0) * part["share"] for k in kernels for part in k["parts"] if part["named"]
    )
    assert named >= 0.95 * cycles({"kernels": kernels})


def test_weights_are_prefetched_from_main_memory_for_the_layers_that_use_them(inference):
    copies = [k for k in inference if k["kind"] == "copy-start" and k["read_bytes"] == 147_456]
    assert [part["layer"] for part in copies[0]["parts"]] == [
        "stage3/block0/conv1",
        "stage3/block0/conv2",
    ]
    assert copies[0]["near_bytes"] >= 147_456
    assert copies[0]["category"] == "copy"


def test_a_small_network_lives_on_chip(inference):
    images = 8 * 32 * 32 * 3 * 4
    weights = 75_290 * 4
    moved = sum(k["read_bytes"] + k["written_bytes"] for k in inference)
    assert moved < 1.1 * (images + weights)
    assert sum(k["near_bytes"] for k in inference) > 5 * moved


def test_products_have_tiles(inference):
    assert all(k["tiles"] for k in inference if k["category"] == "product")


def test_a_training_step_has_phases_and_reduces_every_gradient(training):
    phases = {part["phase"] for kernel in training for part in kernel["parts"]}
    assert phases >= {"forward", "backward", "optimizer"}
    collectives = [kernel for kernel in training if kernel["category"] == "collective"]
    reduced = sum(kernel["written_bytes"] + kernel["near_bytes"] for kernel in collectives)
    assert reduced >= 2 * 75_290, "gradients in bfloat16 at least"
    assert any(part["phase"] == "backward" for k in collectives for part in k["parts"])


def test_what_the_compiler_marks_as_no_choice_of_its_own_has_no_estimate(inference, monkeypatch):
    bound = sorted(kernel["cycles"] for kernel in inference if kernel["cycles"])[-3]
    monkeypatch.setattr(reading, "_NO_ESTIMATE", bound)
    marked = [kernel["cycles"] for kernel in stored("tpu_v5e_cifar_resnet8")]
    expected = [k["cycles"] if (k["cycles"] or 0) < bound else None for k in inference]
    assert marked == expected
    assert marked.count(None) - [k["cycles"] for k in inference].count(None) == 3


def test_layers_share_a_kernel_by_their_multiply_adds():
    macs = {("stage3/block0/conv1", "forward"): 300, ("stage3/block0/conv2", "forward"): 100}
    kernels = stored("tpu_v5e_cifar_resnet8", work=macs)
    [both] = [k for k in kernels if k["category"] == "product" and k["flops"]]
    shares = {part["layer"]: part["share"] for part in both["parts"]}
    assert shares == {"stage3/block0/conv1": 0.75, "stage3/block0/conv2": 0.25}
    assert both["flops"] == 2 * 400


def test_a_library_call_without_an_estimate_takes_what_the_peaks_allow():
    """cifar_resnet8, batch 2, bfloat16: its first convolution, on 32 x 32 images."""
    images, weights, results = 2 * 32 * 32 * 3, 3 * 3 * 3 * 16, 2 * 32 * 32 * 16
    macs = results * 27
    kernels = stored("gpu_h100_cifar_resnet8", work={("stem_conv", "forward"): macs})
    [call] = [kernel for kernel in kernels if kernel["flops"]]
    assert (call["flops"], call["seconds"]) == (2 * macs, None)
    moved = 2 * (images + weights + results)
    assert call["read_bytes"] + call["written_bytes"] == moved
    for peaks, seconds in (((2e9, 1e15), macs / 1e9), ((1e15, 1e6), moved / 1e6)):
        assert roofline(call, peaks) == pytest.approx(seconds)
        rows = {row.name: row for row in by_layer({"kernels": kernels}, peaks=peaks)}
        assert rows["stem_conv"].roofline_seconds == pytest.approx(seconds)


def kernel_of(layer, cycles, **other):
    """A kernel of one layer that takes so many cycles."""
    part = {"layer": layer, "phase": "forward", "share": 1.0, "named": True}
    numbers = dict.fromkeys(("flops", "read_bytes", "written_bytes", "near_bytes"), 0)
    what = {"name": layer, "kind": "kOutput", "category": "product", "tiles": [], "seconds": None}
    return numbers | what | {"parts": [part], "runs": 1, "cycles": cycles} | other


def test_computing_waits_for_collectives_that_have_no_estimate_of_their_own():
    links = hardware.load("tpu_v5e").interconnect
    one = kernel_of("sum", None, category="collective", kind="all-reduce", written_bytes=10**6)
    alone = waiting({"kernels": [one]}, 4, links)
    assert alone == pytest.approx(all_reduce_seconds(10**6, 4, links))
    others = [one | {"kind": "all-reduce-start"}, one | {"seconds": 1.0}, one | {"cycles": 5}]
    assert waiting({"kernels": [one, *others]}, 4, links) == alone
    assert waiting({"kernels": [one]}, 1, links) == 0
    assert waiting({"kernels": [one]}, 4, None) is None


def test_programs_are_known_by_their_text_the_names_of_layers_and_the_compilers_settings(
    monkeypatch,
):
    def digest(name, options=None):
        class Network(nn.Module):
            @nn.compact
            def __call__(self, images, train):
                return nn.Dense(2, name=name)(images.reshape(len(images), -1))

        lowered = lower.inference(Network(), (2, 2, 1), 3, "tpu")
        return digest_of(lowered, read_target("tpu_v5e"), {"jax": "1"}, options)

    same = digest("classifier")
    assert digest("classifier") == same
    assert digest("head") != same, "another layer, the same arithmetic"
    assert digest("classifier", {"effort": -1.0}) != same
    monkeypatch.setenv("XLA_FLAGS", "--xla_tpu_something=1")
    assert digest("classifier") != same


def test_what_rides_on_a_layer_is_counted_with_it():
    amounts = {("conv", "forward"): 5, ("bn", "forward"): 2, ("bn", "backward"): 7}
    found = joined(amounts, [["bn", "forward", "conv"]])
    assert found == {("conv", "forward"): 7, ("bn", "backward"): 7}


def test_a_machine_that_is_fitted_to_a_compilers_estimates_gives_them_back():
    """Estimates of a machine of 800 GB/s on chip and 200 GB/s outside, a cycle a nanosecond."""
    near, far, overhead = 800, 200, 100
    kernels, shapes = [kernel_of("least", overhead)], {}

    def add(name, shape, net, **moved):
        shapes[name] = [*shape, 2 * math.prod(shape)]
        kernels.append(kernel_of(name, overhead + net, **moved))

    for size in range(1, 8):  # held up by one memory or the other
        moved = size * 1_000_000
        add(f"near{size}", (8, 8, 8, 1), moved // near, near_bytes=moved)
        add(f"far{size}", (8, 8, 8, 1), moved // far, read_bytes=moved)
    slow = {"one": (64, 16, 32, 9), "two": (4096, 128, 128, 1), "three": (16, 512, 1000, 1)}
    for place, (name, shape) in enumerate(slow.items()):
        add(name, shape, 5000 + 1000 * place, near_bytes=1000)
    kernels += [kernel_of("bn", 400, category="elementwise")]
    kernels += [kernel_of("pool", overhead + 800, category="elementwise")]
    hosts, work = [["bn", "forward", "one"]], {"pool": ["pooling", 4000]}
    found = {"kernels": kernels, "shapes": shapes, "work": work, "hosts": hosts}

    machine = fitted([found], hardware.load("tpu_v5e"), clock=1e9)
    assert machine.overhead == pytest.approx(overhead * 1e-9)
    assert machine.memories[0].read == pytest.approx(near * 1e9)
    assert machine.memories[1].read == pytest.approx(far * 1e9)
    told = sorted(s.rate for s in machine.unit_for("convolution").samples)
    took = {"one": 5400, "two": 6000, "three": 7000}
    rates = sorted(2 * math.prod(slow[name]) / took[name] * 1e9 for name in slow)
    assert told == pytest.approx(rates)
    assert machine.unit_for("pooling").peak["bfloat16"] == pytest.approx(4000 / 800 * 1e9)


def test_a_slice_that_is_fetched_beside_the_kernels_is_a_copy():
    text = """HloModule m, is_scheduled=true
fetch { p = f32[8,8] parameter(0)
  ROOT s = f32[4,8] slice(p), slice={[0:4],[0:8]} }
ENTRY e { x = f32[8,8] parameter(0)
  begun = ((f32[8,8]), f32[4,8], u32[]) async-start(x), calls=fetch
  near = f32[4,8] async-done(begun)
  ROOT own = f32[2,8] slice(near), slice={[0:2],[0:8]} }
"""
    module = _hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto()
    kernels, _ = read_kernels(module, Scopes("Net", [], False))
    assert {kernel.name: kernel.category for kernel in kernels} == {
        "s": "copy",
        "own": "elementwise",
    }


def test_the_table_names_units_totals_and_our_projection(inference):
    found = {
        "kernels": inference,
        "topology": "v5e:2x2",
        "versions": {"jax": "1"},
        "program_sha256": "0",
        "memory": {"peak": 5, "arguments": 3, "outputs": 1, "temporary": 1},
        "warnings": [],
        "named": sorted(LAYERS),
        "peaks": [1e12, 1e11],
        "hosts": [],
        "projected": [["stem_conv", "forward", 1e-5], ["stage1/block0/conv1", "forward", 1e-6]],
    }
    content = as_dict(found, read_target("tpu_v5e"), 1)
    stem = next(row for row in content["layers"] if row["name"] == "stem_conv")
    assert stem["time_s"] == pytest.approx(stem["cycles"] / 1.5e9)
    assert stem["ratio"] == pytest.approx(1e-5 / stem["time_s"])
    assert content["time_s"] == pytest.approx(content["cycles"] / 1.5e9)
    text = as_table(content)
    assert "cycles by the compiler's estimate" in text
    assert "time, us" in text


@pytest.mark.parametrize(
    ("text", "topology"),
    [("tpu_v5e", "v5e:2x2"), ("tpu_v5e:4x4", "v5e:4x4"), ("tpu_v4:2x2x4", "v4:2x2x4")],
)
def test_a_target_is_a_name_and_perhaps_a_topology(text, topology):
    assert read_target(text).topology == topology


@pytest.mark.parametrize(
    ("devices", "v5e", "v4"),
    [
        (1, "v5e:2x2", "v4:2x2x1"),
        (4, "v5e:2x2", "v4:2x2x1"),
        (16, "v5e:4x4", "v4:2x2x4"),
        (64, "v5e:8x8", "v4:4x4x4"),
        (256, "v5e:16x16", "v4:4x8x8"),
    ],
)
def test_slices_double_their_shortest_side(devices, v5e, v4):
    for name, topology in (("tpu_v5e", v5e), ("tpu_v4", v4)):
        chosen = slice_for(read_target(name), devices)
        assert sorted(chosen.sides) == sorted(map(int, topology.partition(":")[2].split("x")))
        assert devices in (1, chosen.devices)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tpu_v5", "tpu_v5e"),
        ("tpu_v5e:2x2x2", "must read like 2x2"),
        ("tpu_v4:4x4", "must read like 2x2x1"),
        ("tpu_v5e:0x2", "must read like"),
    ],
)
def test_an_unknown_target_names_the_valid_ones(text, says):
    with pytest.raises(UserError, match=says):
        read_target(text)


def test_a_number_of_devices_that_no_slice_has_is_refused():
    with pytest.raises(UserError, match="power of 2"):
        slice_for(read_target("tpu_v5e"), 12)


def test_every_target_has_a_hardware_file_and_an_extra():
    from resnets.cli.targets import EXTRAS

    for target in TARGETS.values():
        assert hardware.load(target.hardware).name == target.hardware
        assert target.extra in EXTRAS


@pytest.mark.targets
def test_the_compiler_runs_and_its_result_is_kept(capsys):
    argv = ["analyze", "lenet5", "--target=tpu_v5e", "--dtype=bfloat16", "--format=json"]
    assert main(argv) == 0
    once = capsys.readouterr().out
    content = json.loads(once)
    assert content["cycles_in_layers"] > 0.95
    assert {row["name"] for row in content["layers"]} >= {"conv1", "conv3", "fc6"}
    assert main(argv) == 0
    assert capsys.readouterr().out == once


@pytest.mark.targets
def test_a_sharded_training_step_compiles(capsys):
    argv = ["analyze", "lenet5", "--target=tpu_v5e", "--phase=train", "--devices=4"]
    assert main([*argv, "--batch_size=8", "--format=json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["kernels"]["collective"] >= 1
    assert content["collective_bytes"] >= 4 * 61_706
