"""Options of residual networks that studies vary, against what their papers say, in closed form."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets import models
from resnets.models.residual_block import Block, BlockDesign
from resnets.models.resnet import ResNet
from resnets.models.stacking import unstack

KEY = jax.random.key(0)
IMAGES = jax.random.uniform(jax.random.key(1), (2, 8, 8, 4))  # nothing negative


def network(stage_sizes=(2,), scan_blocks=False, auxiliary=False, **design):
    design = BlockDesign(**{"shortcut": "A"} | design)
    return ResNet(3, stage_sizes, "cifar", 4, design, scan_blocks, auxiliary=auxiliary)


def leaves(tree):
    """Arrays by path, such as `stage1/block0/conv1/kernel`."""
    found = jax.tree_util.tree_leaves_with_path(tree)
    return {"/".join(part.key for part in path): leaf for path, leaf in found}


def initial(module):
    """Variables before the first step; compiled, nothing is left of the forward pass."""
    return jax.jit(lambda: module.init(KEY, IMAGES, train=False))()


def parameters(module):
    """Initial parameters by path."""
    return leaves(jax.tree.map(np.asarray, initial(module)["params"]))


def structure(module):
    """Shapes of the parameters by path."""
    variables = jax.eval_shape(lambda: module.init(KEY, IMAGES, train=False))
    return leaves(variables["params"])


def kernels(found):
    return {path: leaf for path, leaf in found.items() if path.endswith("kernel")}


class TestNoNormalisation:
    def test_every_convolution_has_a_bias_and_nothing_else_is_added(self):
        without = structure(network(norm="none"))
        names = {path.rsplit("/", 1)[0] for path in kernels(without)}
        assert set(without) == {f"{name}/{end}" for name in names for end in ("kernel", "bias")}

    def test_it_has_no_statistics_and_trains_as_it_evaluates(self):
        model = network(norm="none")
        variables = initial(model)
        assert set(variables) == {"params"}
        trained, evaluated = (model.apply(variables, IMAGES, train=t) for t in (True, False))
        np.testing.assert_array_equal(trained, evaluated)


class TestZeroLastScale:
    def test_a_block_begins_as_its_shortcut(self):
        block = Block(4, 1, BlockDesign(shortcut="A", zero_last_scale=True))
        variables = block.init(KEY, IMAGES, train=False)
        y, _ = block.apply(variables, IMAGES, train=True, mutable="batch_stats")
        np.testing.assert_array_equal(y, IMAGES)

    def test_only_the_last_scale_of_each_block_differs_from_the_default(self):
        zero, usual = parameters(network(zero_last_scale=True)), parameters(network())
        differing = {path for path in usual if not np.array_equal(zero[path], usual[path])}
        assert differing == {f"stage1/block{index}/bn2/scale" for index in (0, 1)}
        assert not any(zero[path].any() for path in differing)


class TestFixup:
    def test_it_adds_four_biases_and_a_multiplier_a_block_and_two_biases_beside(self):
        """Zhang et al. 2019, figure 1; batch normalisation's scales and biases go."""
        fixup = structure(network(norm="fixup"))
        scalars = [path for path, leaf in fixup.items() if leaf.ndim == 0]
        assert len(scalars) == 2 * (4 + 1) + 2
        dense = {"classifier/kernel", "classifier/bias"}
        assert set(fixup) == set(scalars) | set(kernels(structure(network()))) | dense

    @pytest.mark.parametrize(("block", "layers"), [("basic", 2), ("bottleneck", 3)])
    def test_kernels_are_divided_by_a_root_of_the_number_of_blocks(self, block, layers):
        """Algorithm 1: L^(-1 / (2 m - 2)), and zero for the last of the branch; L is 2 here."""
        fixup = kernels(parameters(network(norm="fixup", block=block)))
        usual = kernels(parameters(network(block=block)))
        for path, kernel in usual.items():
            factor = 1.0
            if path.endswith(f"conv{layers}/kernel") or "classifier" in path:
                factor = 0.0
            elif "block" in path:
                factor = 2 ** (-1 / (2 * layers - 2))
            np.testing.assert_allclose(fixup[path], factor * kernel, rtol=1e-6, err_msg=path)

    def test_a_block_begins_as_its_shortcut_and_the_network_with_logits_of_zero(self):
        block = Block(4, 1, BlockDesign(shortcut="A", norm="fixup"), blocks=4)
        assert np.array_equal(block.init_with_output(KEY, IMAGES, train=False)[0], IMAGES)
        assert not network(norm="fixup").init_with_output(KEY, IMAGES, train=False)[0].any()

    def test_the_multiplier_scales_the_branch(self):
        block = Block(4, 1, BlockDesign(shortcut="A", norm="fixup", activation="identity"))
        variables = block.init(KEY, IMAGES, train=False)
        params = variables["params"]
        params["conv2"]["kernel"] = jnp.ones_like(params["conv2"]["kernel"])
        once = block.apply(variables, IMAGES, train=False) - IMAGES
        params["multiplier"] = jnp.float32(3.0)
        np.testing.assert_allclose(
            block.apply(variables, IMAGES, train=False) - IMAGES, 3 * once, rtol=1e-4, atol=1e-4
        )


class TestStochasticDepth:
    def block(self):
        """A linear block: its output is its input, plus its branch or not."""
        design = BlockDesign(shortcut="A", norm="none", activation="identity", drop_rate=0.5)
        return Block(4, 1, design)

    def test_evaluation_is_the_expected_value_of_training(self):
        """Huang et al. 2016, equation 5, for a rate of 1/4."""
        block = self.block()
        variables = block.init(KEY, IMAGES, train=False)
        branch = block.apply(variables, IMAGES, False, 0.0) - IMAGES
        evaluated = block.apply(variables, IMAGES, False, 0.25)
        np.testing.assert_allclose(evaluated, IMAGES + 0.75 * branch, rtol=1e-4, atol=1e-5)

        def train(key):
            return block.apply(variables, IMAGES, True, 0.25, rngs={"dropout": key})

        outcomes = np.asarray(jax.vmap(train)(jax.random.split(jax.random.key(2), 2000)))
        left_out = np.array([np.array_equal(y, IMAGES) for y in outcomes])
        kept = outcomes[~left_out]
        np.testing.assert_allclose(kept, np.broadcast_to(IMAGES + branch, kept.shape), atol=1e-4)
        assert abs(left_out.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)

    def test_rates_rise_linearly_to_that_of_the_last_block(self):
        """Section 4: block l of L is left out in l/L of the rate."""
        seen = []

        def watch(next_method, arguments, kwargs, context):
            if isinstance(context.module, Block) and context.method_name == "__call__":
                seen.append(arguments[2])
            return next_method(*arguments, **kwargs)

        with nn.intercept_methods(watch):
            structure(network((1, 3, 2), drop_rate=0.6))
        assert seen == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])

    def test_each_block_of_a_loop_has_its_own_rate(self):
        looped, unrolled = (network((4,), scan, drop_rate=0.5) for scan in (True, False))
        variables = initial(looped)
        np.testing.assert_allclose(
            looped.apply(variables, IMAGES, train=False),
            unrolled.apply(unstack(variables), IMAGES, train=False),
            rtol=1e-5,
        )

    def test_blocks_of_a_loop_are_left_out_one_by_one(self):
        """Each of four may be there or not, which makes more than all and none of them."""
        design = {"norm": "none", "activation": "identity", "span": 1, "drop_rate": 0.9}
        model = network((4,), True, **design)
        variables = initial(model)
        keys = jax.random.split(jax.random.key(3), 64)

        def train(key):
            return model.apply(variables, IMAGES, train=True, rngs={"dropout": key})

        assert len(np.unique(np.asarray(jax.vmap(train)(keys))[:, 0, 0].round(4))) > 4


class TestAuxiliaryHeads:
    def test_every_stage_but_the_last_has_one_in_training(self):
        model = network((1, 1, 1), auxiliary=True)
        shapes = jax.eval_shape(lambda: model.init(KEY, IMAGES, train=False))
        changing = ["batch_stats", "auxiliary"]
        _, sown = jax.eval_shape(
            lambda variables: model.apply(variables, IMAGES, train=True, mutable=changing), shapes
        )
        assert set(sown["auxiliary"]) == {"head1", "head2"}
        assert all(head.shape == (2, 3) for head in jax.tree.leaves(sown["auxiliary"]))

    def test_it_costs_a_dense_layer_a_head_which_evaluation_does_not_need(self):
        with_heads, without = network((1, 1, 1), auxiliary=True), network((1, 1, 1))
        more = structure(with_heads).keys() - structure(without).keys()
        assert more == {f"auxiliary{n}/{end}" for n in (1, 2) for end in ("kernel", "bias")}
        headless = jax.eval_shape(lambda: without.init(KEY, IMAGES, train=False))
        logits = jax.eval_shape(lambda v: with_heads.apply(v, IMAGES, train=False), headless)
        assert logits.shape == (2, 3)  # evaluation needs nothing of the heads


@pytest.mark.parametrize("preactivation", [False, True])
def test_a_scaled_shortcut_is_so_many_times_the_input(preactivation):
    """With branches of zero the block is its shortcut alone."""
    design = {"shortcut": "A", "preactivation": preactivation, "residual_scale": 0.0}
    block = Block(4, 1, BlockDesign(shortcut_scale=0.5, **design))
    y, _ = block.init_with_output(KEY, IMAGES, train=False)
    np.testing.assert_array_equal(y, 0.5 * IMAGES)


def test_the_width_is_that_of_the_first_stage_and_doubles():
    found = kernels(structure(models.create("cifar_resnet8", width=6)))
    shapes = {path: kernel.shape for path, kernel in found.items()}
    assert shapes["stem_conv/kernel"][-1] == 6
    assert [shapes[f"stage{s}/block0/conv2/kernel"][-2:] for s in (1, 2, 3)] == [
        (6, 6),
        (12, 12),
        (24, 24),
    ]


def test_spans_of_imagenets_networks_share_the_same_layers():
    def shapes(span):
        model = models.create("resnet26", span=span, shortcut="A", scan_blocks=True, width=4)
        images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
        params = jax.eval_shape(lambda x: model.init(KEY, x, train=False), images)["params"]
        found = jax.tree_util.tree_leaves_with_path(params)
        return sorted(
            shape[-4:]
            for path, leaf in found
            if path[-1].key == "kernel"
            for shape in [leaf.shape] * (leaf.shape[0] if leaf.ndim == 5 else 1)
        )

    assert len(shapes(2)) == 26
    assert shapes(1) == shapes(2) == shapes(3)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("cifar_resnet8", {"norm": "layer"}, "norm='layer' is not one of 'batch', 'none', 'fixup'"),
        ("cifar_plain8", {"norm": "fixup"}, "norm='fixup' needs shortcuts"),
        ("cifar_plain8", {"drop_rate": 0.5}, "drop_rate=0.5 needs shortcuts"),
        ("cifar_plain8", {"zero_last_scale": True}, "zero_last_scale=True needs shortcuts"),
        ("cifar_resnet8", {"drop_rate": 1.0}, r"drop_rate=1.0 is not in \[0, 1\)"),
        (
            "cifar_resnet8",
            {"norm": "fixup", "preactivation": True},
            "not defined for preactivation",
        ),
        (
            "cifar_resnet8",
            {"zero_last_scale": True, "norm": "none"},
            "zero_last_scale=True needs norm='batch', not 'none'",
        ),
        ("cifar_resnet8", {"width": 0}, "width=0 must be a whole number of at least 1"),
        ("resnet18", {"span": 3}, "span=3 does not divide .* 4, 4, 4, 4; take resnet26"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(name, options, says):
    with pytest.raises(ValueError, match=says) as caught:
        models.create(name, **options)
    assert "\n" not in str(caught.value)
