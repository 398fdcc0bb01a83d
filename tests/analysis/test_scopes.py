"""Layers and phases from the names that JAX writes into programs."""

import pytest

from resnets.analysis.scopes import Scopes, split

MODULES = [
    ("stage1",),
    ("stage1", "block0"),
    ("stage1", "block0", "conv1"),
    ("stage1", "blocks"),
    ("stage1", "blocks", "conv1"),
    ("cond",),
]
TRAINING = Scopes("ResNet", MODULES, training=True)


def resolved(name, scopes=TRAINING):
    scope = scopes.resolve(name)
    return "/".join(scope.modules), scope.phase


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jit(step)/jvp(ResNet)/stage1/block0/conv1/conv", ("stage1/block0/conv1", "forward")),
        (
            "jit(step)/transpose(jvp(ResNet))/stage1/block0/block0._branch/conv1/mul",
            ("stage1/block0/conv1", "backward"),
        ),
        (
            "jit(step)/transpose(jvp(ResNet))/stage1/block0/conv1/cond/branch_0_fun/"
            "transpose(jvp())/conv_general_dilated",
            ("stage1/block0/conv1", "backward"),
        ),
        (
            "jit(step)/jvp(ResNet)/stage1/stage1._scanned/while/body/closed_call/blocks.step/"
            "blocks/conv1/conv",
            ("stage1/blocks/conv1", "forward"),
        ),
        ("jit(step)/jvp(ResNet)/stage1/block0/jit(relu)/max", ("stage1/block0", "forward")),
        ("jit(step)/jvp(ResNet)/ResNet._stem/max_pool/reduce_window", ("max_pool", "forward")),
        ("jit(step)/jvp(loss)/jit(log_softmax)/exp", ("loss", "forward")),
        ("jit(step)/optimizer/mul", ("optimizer", "optimizer")),
        ("jit(step)/augment/div", ("augment", "other")),
        ("jit(step)/jvp(ResNet)/cond/add", ("cond", "forward")),
    ],
)
def test_a_name_says_layer_and_phase(name, expected):
    assert resolved(name) == expected


def test_inference_has_one_phase():
    scopes = Scopes("ResNet", MODULES, training=False)
    assert resolved("jit(forward)/ResNet/stage1/block0/conv1/conv", scopes) == (
        "stage1/block0/conv1",
        "forward",
    )


def test_recomputed_work_is_marked():
    name = "jit(step)/transpose(jvp(ResNet))/checkpoint/rematted_computation/stage1/block0/mul"
    scope = TRAINING.resolve(name)
    assert (scope.modules, scope.phase, scope.recomputed) == (
        ("stage1", "block0"),
        "backward",
        True,
    )
    assert not TRAINING.resolve("jit(step)/jvp(ResNet)/stage1/block0/mul").recomputed


def test_what_has_no_module_is_named_after_its_function():
    assert TRAINING.resolve("jit(step)/jvp(ResNet)/jit(relu)/max").function == "relu"
    assert TRAINING.resolve("jit(step)/jvp(ResNet)/max").function == "max"


def test_slashes_inside_parentheses_do_not_split():
    assert split("jit(a)/transpose(jvp(b/c))/d") == ["jit(a)", "transpose(jvp(b/c))", "d"]
