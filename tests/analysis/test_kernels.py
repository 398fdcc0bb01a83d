"""Kernels of optimised modules written by hand, in the dialects of several backends."""

import pytest
from jaxlib import _hlo

from resnets.analysis import hlo
from resnets.analysis.kernels import kernels
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import AnalysisError


def read(text, training=False):
    """Kernels of a hand-written module, which XLA itself parses, and warnings."""
    module = _hlo.hlo_module_from_text(text)
    return kernels(module.as_serialized_hlo_module_proto(), Scopes("Net", [], training))


FUSED_TPU = """
HloModule net, is_scheduled=true

%fused_computation.3 (p0: bf16[8,128], p1: bf16[128,256], p2: bf16[256]) -> bf16[8,256] {
  %p0 = bf16[8,128]{1,0:T(8,128)(2,1)} parameter(0)
  %p1 = bf16[128,256]{1,0:T(8,128)(2,1)} parameter(1)
  %p2 = bf16[256]{0:T(256)(128)(2,1)} parameter(2)
  %dot.1 = bf16[8,256]{1,0:T(8,128)(2,1)} dot(%p0, %p1),
    lhs_contracting_dims={1}, rhs_contracting_dims={0},
    metadata={op_name="jit(forward)/Net/head/dot_general"}
  %bias = bf16[8,256]{1,0:T(8,128)(2,1)} broadcast(%p2), dimensions={1},
    metadata={op_name="jit(forward)/Net/head/add"}
  ROOT %sum = bf16[8,256]{1,0:T(8,128)(2,1)} add(%dot.1, %bias),
    metadata={op_name="jit(forward)/Net/tail/add"}
}

ENTRY %main (x: bf16[8,128], w: bf16[128,256], b: bf16[256]) -> bf16[8,256] {
  %x = bf16[8,128]{1,0:T(8,128)(2,1)} parameter(0), metadata={op_name="a['b'][\\"c\\"]"}
  %w = bf16[128,256]{1,0:T(8,128)(2,1)} parameter(1)
  %b = bf16[256]{0:T(256)(128)(2,1)} parameter(2)
  %copy-start = (bf16[128,256]{1,0:T(8,128)(2,1)S(1)}, bf16[128,256]{1,0:T(8,128)(2,1)},
    u32[]{:S(2)}) copy-start(%w)
  %copy-done = bf16[128,256]{1,0:T(8,128)(2,1)S(1)} copy-done(%copy-start)
  ROOT %fusion = bf16[8,256]{1,0:T(8,128)(2,1)} fusion(%x, %copy-done, %b), kind=kOutput,
    calls=%fused_computation.3, metadata={op_name="jit(forward)/Net/tail/add"},
    backend_config={"flag_configs":[],"window_config":{"kernel_window_bounds":["1"]}}
}
"""


def entry_of(parsed):
    """Instructions of the entry computation."""
    module = hlo.Module(parsed.as_serialized_hlo_module_proto())
    return list(module.computations[module.entry].instructions.values())


def test_tiled_layouts_and_memory_spaces_are_read():
    [prefetch, fusion], warnings = read(FUSED_TPU)
    assert warnings == ()
    assert (prefetch.kind, prefetch.operand_bytes, prefetch.output_bytes) == (
        "copy-start",
        128 * 256 * 2,
        128 * 256 * 2,
    )
    assert (fusion.kind, fusion.products) == ("kOutput", 1)
    assert fusion.operand_bytes == (8 * 128 + 128 * 256 + 256) * 2
    assert fusion.output_bytes == 8 * 256 * 2


@pytest.mark.parametrize(
    ("shape", "stored"),
    [
        ("bf16[128,56,56,64]{3,0,2,1:T(8,128)(2,1)}", 128 * 56 * 56 * 128 * 2),
        ("bf16[128,56,56,64]{0,3,2,1:T(8,128)(2,1)}", 128 * 56 * 56 * 64 * 2),
        ("bf16[3,56,56,64]{0,3,2,1:T(8,128)(2,1)}", 128 * 56 * 56 * 64 * 2),
        ("f32[3,3,5,200]{3,2,1,0:T(8,128)}", 3 * 3 * 8 * 256 * 4),
        ("f32[64]{0:T(128)}", 128 * 4),
        ("f32[5]{0:T(8,128)}", 8 * 128 * 4),
        ("f32[3,3,5,200]{3,2,1,0}", 3 * 3 * 5 * 200 * 4),
        ("f32[]", 4),
    ],
)
def test_narrow_arrays_fill_whole_tiles(shape, stored):
    text = f"HloModule m\nENTRY e {{ p = {shape} parameter(0)\n ROOT c = {shape} copy(p) }}"
    [copy], _ = read(text)
    assert copy.output_bytes == stored


def test_bytes_of_a_fusion_are_split_by_what_its_layers_would_write():
    _, fusion = read(FUSED_TPU)[0]
    head, tail = fusion.shares
    assert (head.layer, head.instructions) == ("head", 2)
    assert (tail.layer, tail.instructions) == ("tail", 1)
    assert (head.bytes, tail.bytes) == (fusion.bytes // 2, fusion.bytes // 2)


def test_a_view_of_fetched_slices_is_no_kernel():
    found, _ = read(
        "HloModule m\nENTRY e { p = f32[4] parameter(0)\n"
        ' v = f32[8] custom-call(p, p), custom_call_target="ConcatBitcast"\n'
        " ROOT c = f32[8] copy(v) }"
    )
    assert [kernel.kind for kernel in found] == ["copy"]


def test_pooling_weighs_as_often_as_its_window_has_positions():
    text = """HloModule net, is_scheduled=true
larger { a = f32[] parameter(0)
  b = f32[] parameter(1)
  ROOT m = f32[] maximum(a, b) }
fused { x = f32[8,8] parameter(0)
  least = f32[] constant(0)
  s = f32[8,8] negate(x), metadata={op_name="jit(forward)/Net/bn/neg"}
  ROOT p = f32[8,8] reduce-window(s, least), window={size=3x3 pad=1_1x1_1}, to_apply=larger,
    metadata={op_name="jit(forward)/Net/pool/reduce_window"} }
ENTRY e { x = f32[8,8] parameter(0)
  ROOT f = f32[8,8] fusion(x), kind=kLoop, calls=fused }
"""
    [fusion], _ = read(text)
    shares = {share.layer: share.bytes for share in fusion.shares}
    assert shares == {"bn": fusion.bytes // 10, "pool": fusion.bytes - fusion.bytes // 10}


def test_each_kernel_stands_alone_as_a_module_that_xla_accepts():
    whole = _hlo.hlo_module_from_text(FUSED_TPU)
    module = hlo.Module(whole.as_serialized_hlo_module_proto())
    [fusion] = [i for i in entry_of(whole) if i.detail]
    alone = type(whole).from_serialized_hlo_module_proto(module.alone(module.entry, fusion.id))
    assert "dot" in alone.to_string()
    assert [i.opcode for i in entry_of(alone)] == ["parameter"] * 3 + ["fusion"]


LIBRARY_GPU = """
HloModule net, is_scheduled=true

ENTRY %main (x: f16[2,8,8,4], w: f16[16,3,3,4]) -> f16[2,8,8,16] {
  %x = f16[2,8,8,4]{3,2,1,0} parameter(0)
  %w = f16[16,3,3,4]{3,2,1,0} parameter(1)
  %conv = (f16[2,8,8,16]{3,2,1,0}, u8[4096]{0}) custom-call(%x, %w),
    window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f,
    custom_call_target="__cudnn$convForward",
    metadata={op_name="jit(forward)/Net/conv/conv_general_dilated"},
    backend_config={"cudnn_conv_backend_config":{"activation_mode":"kNone"}}
  ROOT %result = f16[2,8,8,16]{3,2,1,0} get-tuple-element(%conv), index=0
}
"""


def test_library_calls_count_their_result_and_not_their_scratch_memory():
    [call], _ = read(LIBRARY_GPU)
    assert (call.kind, call.products) == ("__cudnn$convForward", 1)
    assert call.operand_bytes == (2 * 8 * 8 * 4 + 16 * 3 * 3 * 4) * 2
    assert call.output_bytes == 2 * 8 * 8 * 16 * 2
    assert [share.layer for share in call.shares] == ["conv"]


LOOP = """
HloModule net, is_scheduled=true

%body (state: (s32[], f32[10,4])) -> (s32[], f32[10,4]) {{
  %state = (s32[], f32[10,4]{{1,0}}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  %stack = f32[10,4]{{1,0}} get-tuple-element(%state), index=1
  %zero = s32[] constant(0)
  %row = f32[1,4]{{1,0}} dynamic-slice(%stack, %i, %zero), dynamic_slice_sizes={{1,4}}
  %new = f32[1,4]{{1,0}} exponential(%row), metadata={{op_name="jit(forward)/Net/layer/exp"}}
  %update = f32[10,4]{{1,0}} dynamic-update-slice(%stack, %new, %i, %zero)
  ROOT %next = (s32[], f32[10,4]{{1,0}}) tuple(%i, %update)
}}

%condition (state.1: (s32[], f32[10,4])) -> pred[] {{
  %state.1 = (s32[], f32[10,4]{{1,0}}) parameter(0)
  %j = s32[] get-tuple-element(%state.1), index=0
  %ten = s32[] constant(10)
  ROOT %again = pred[] compare(%j, %ten), direction=LT
}}

ENTRY %main (start: (s32[], f32[10,4])) -> (s32[], f32[10,4]) {{
  %start = (s32[], f32[10,4]{{1,0}}) parameter(0)
  ROOT %loop = (s32[], f32[10,4]{{1,0}}) while(%start), condition=%condition, body=%body{remarks}
}}
"""


def test_a_loop_counts_as_often_as_the_compiler_says():
    remarks = ', backend_config={"known_trip_count":{"n":"10"}}'
    found, warnings = read(LOOP.format(remarks=remarks))
    assert {k.name: k.runs for k in found} == {
        "row": 10,
        "new": 10,
        "update": 10,
        "again": 11,
    }
    assert warnings == ()


def test_slices_and_updates_in_place_move_only_what_they_touch():
    found, _ = read(LOOP.format(remarks=""))
    moved = {k.name: (k.operand_bytes, k.output_bytes) for k in found}
    index = 2 * 4
    assert moved["row"] == (16 + index, 16)
    assert moved["update"] == (16 + index, 16)


def test_a_loop_of_unknown_length_is_reported_and_not_counted():
    found, warnings = read(LOOP.format(remarks=""))
    assert {kernel.runs for kernel in found} == {None}
    assert sum(kernel.bytes for kernel in found) == 0
    assert warnings == ("loop: rounds not known; its kernels are not counted",)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("pred", 1), ("s8", 1), ("f8e4m3fn", 1), ("bf16", 2), ("f32", 4), ("s64", 8), ("c128", 16)],
)
def test_sizes_of_elements(dtype, size):
    found, _ = read(
        f"HloModule m\nENTRY e {{ p = {dtype}[3,5] parameter(0)\n ROOT c = {dtype}[3,5] copy(p) }}"
    )
    assert found[0].output_bytes == 15 * size
    assert found[0].output_bytes == found[0].operand_bytes


def test_four_bits_are_packed_where_the_layout_says_so():
    text = "HloModule m\nENTRY e {{ p = s4[8]{0} parameter(0)\n ROOT c = s4[8]{0} copy(p) }}"
    [packed], [loose] = (read(text.format(layout))[0] for layout in ("{0:E(4)}", "{0}"))
    assert (packed.output_bytes, loose.output_bytes) == (4, 8)


def test_a_kernel_without_a_name_is_called_by_its_opcode():
    [kernel], _ = read("HloModule m\nENTRY e { p = f32[3] parameter(0)\n ROOT c = f32[3] copy(p) }")
    assert [(share.layer, share.bytes) for share in kernel.shares] == [("copy", kernel.bytes)]


NESTED_CALLS = """
HloModule net

%plus { %a = f32[8] parameter(0)
  ROOT %b = f32[8] add(%a, %a) }

%yes { %c = f32[8] parameter(0)
  ROOT %d = f32[8] negate(%c) }

%no { %e = f32[8] parameter(0)
  ROOT %f = f32[8] abs(%e) }

ENTRY %main { %x = f32[8] parameter(0)
  %which = pred[] parameter(1)
  %called = f32[8] call(%x), to_apply=%plus
  %started = ((f32[8]), f32[8], s32[]) abs-start(%called), async_execution_thread="other"
  %done = f32[8] abs-done(%started)
  ROOT %chosen = f32[8] conditional(%which, %done, %done),
    true_computation=%yes, false_computation=%no }
"""


def test_calls_run_once_and_branches_are_reported():
    found, warnings = read(NESTED_CALLS)
    assert [(k.kind, k.runs) for k in found] == [
        ("add", 1),
        ("abs", 1),
        ("negate", None),
        ("abs", None),
    ]
    assert warnings == ("chosen: branches taken not known; its kernels are not counted",)


UPDATE = """
HloModule step

ENTRY %main {
  %p = f32[9] parameter(0), metadata={op_name="state.params['stage1']['conv']['kernel']"}
  %g = f32[9] parameter(1)
  ROOT %new = f32[9] add(%g, %p), metadata={op_name="jit(step)/optimizer/add"}
}
"""


def test_what_the_optimiser_does_falls_to_the_layer_whose_variables_it_changes():
    [kernel], _ = read(UPDATE, training=True)
    [share] = kernel.shares
    assert (share.layer, share.phase, kernel.phase) == ("stage1/conv", "optimizer", "optimizer")


FUSED_UPDATE = """
HloModule net

%inner {
  %stack = f32[10,4] parameter(0)
  %i = s32[] parameter(1)
  %other = f32[10,4] parameter(2)
  %flat = f32[40] bitcast(%other)
  %part = f32[4] slice(%flat), slice={[4:8]}
  %zero = s32[] constant(0)
  %row = f32[1,4] bitcast(%part)
  ROOT %update = f32[10,4] dynamic-update-slice(%stack, %row, %i, %zero)
}

ENTRY %main {
  %a = f32[10,4] parameter(0)
  %n = s32[] parameter(1)
  %b = f32[10,4] parameter(2)
  ROOT %fusion = f32[10,4] fusion(%a, %n, %b), kind=kLoop, calls=%inner
}
"""


def test_a_fusion_that_updates_in_place_moves_the_update_alone():
    [fusion], _ = read(FUSED_UPDATE)
    assert fusion.operand_bytes == 4 + 4 * 4
    assert fusion.output_bytes == 4 * 4


def test_an_element_type_of_unknown_size_is_refused(monkeypatch):
    monkeypatch.delitem(hlo._BITS, 11)
    with pytest.raises(AnalysisError, match="p: element type 11 has no known size"):
        read("HloModule m\nENTRY e { ROOT p = f32[3] parameter(0) }")


def test_kernels_come_in_the_order_of_the_schedule():
    found, _ = read("""
HloModule net, is_scheduled=true
ENTRY %main {
  %x = f32[8] parameter(0)
  %later = f32[8] abs(%x)
  %sooner = f32[8] negate(%x)
  ROOT %both = (f32[8], f32[8]) tuple(%sooner, %later)
}
""")
    assert [kernel.name for kernel in found] == ["later", "sooner"]
