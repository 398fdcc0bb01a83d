"""Responses, gradients, shifts and effective fields against NumPy and hand-made networks."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from resnets.errors import UserError
from resnets.models import layers
from resnets.models.stacking import stack, unstack
from resnets.probes import gradients, receptive_fields, responses, shifts
from resnets.probes.evaluation import BATCH, batches, error_pct, logits
from resnets.probes.feature_maps import feature_maps, first_filters
from resnets.probes.taps import levels, tapped
from resnets.probes.trained import unrolled


def captured(network, images):
    """What every module returns, by Flax's own means."""
    model, variables = network
    _, state = model.apply(
        variables, images, train=False, capture_intermediates=True, mutable=["intermediates"]
    )
    return state["intermediates"]


def test_the_standard_deviation_is_numpys(make_network, images):
    network = make_network()
    tree = captured(network, images)
    found = responses.responses(*network, images)
    assert [r.layer for r in found][:3] == ["stem_bn", "stage1/block0/bn1", "stage1/block0/bn2"]
    assert len(found) == 13
    for response in found:
        values = tree
        for key in response.layer.split("/"):
            values = values[key]
        array = np.asarray(values["__call__"][0], np.float64)
        assert response.std == pytest.approx(array.std(), rel=1e-5)
        assert response.mean == pytest.approx(array.mean(), rel=1e-4, abs=1e-6)


def test_branch_and_shortcut_add_up_to_what_the_block_returns(make_network, images):
    network = make_network(blocks=1, activation="identity")
    tree = captured(network, images)
    block = tree["stage1"]["block0"]
    branch = np.asarray(block["bn2"]["__call__"][0], np.float64)
    total = np.asarray(block["__call__"][0], np.float64)
    first = responses.ratios(*network, images)[0]
    assert first.branch == pytest.approx(np.sqrt(np.mean(branch**2)), rel=1e-5)
    assert first.shortcut == pytest.approx(np.sqrt(np.mean((total - branch) ** 2)), rel=1e-4)


def test_the_scale_of_a_branch_counts(make_network, images):
    ones, halves = (
        responses.ratios(*make_network(blocks=1, residual_scale=s), images)[0] for s in (1.0, 0.5)
    )
    assert halves.ratio == pytest.approx(ones.ratio / 2, rel=1e-6)


def test_a_plain_network_has_no_ratio_and_a_network_without_normalisation_has_layers(
    make_network, lenet, images
):
    with pytest.raises(UserError, match="needs a residual network"):
        responses.ratios(*make_network(shortcut="none"), images)
    found = responses.responses(*lenet, jnp.ones((2, 32, 32, 1)))
    assert [r.layer for r in found] == ["conv1", "conv3", "conv5", "fc6", "classifier"]


def test_filled_up_images_count_for_nothing(make_network, images):
    network = make_network(blocks=1)
    few = responses.responses(*network, images)
    many = responses.responses(*network, jnp.tile(images, (BATCH // 6 + 1, 1, 1, 1)))
    for one, other in zip(few, many, strict=True):
        assert other.std == pytest.approx(one.std, rel=1e-4)


def test_batches_cover_every_image_once(images):
    parts = list(batches(images, 4))
    assert [(len(part), count) for part, count in parts] == [(4, 4), (4, 2)]
    np.testing.assert_array_equal(np.concatenate([p[:n] for p, n in parts]), images)


@pytest.mark.slow
def test_the_gradient_agrees_with_differences(make_network, images, labels):
    """Along the direction of the gradient the loss rises at the rate of its norm."""
    model, variables = make_network(blocks=1)

    def loss(params):
        z, _ = model.apply(
            {**variables, "params": params}, images, train=True, mutable=["batch_stats"]
        )
        return optax.softmax_cross_entropy_with_integer_labels(z, labels).mean()

    found = gradients.gradients(model, variables, images, labels)
    total = np.sqrt(sum(g.norm**2 for g in found))
    whole = jax.grad(loss)(variables["params"])
    own = {n: whole[n] for n in whole if n in ("stem_conv", "classifier")}
    by_layer = {g.layer: g.norm for g in found}
    for name, tree in own.items():
        assert by_layer[name] == pytest.approx(float(optax.tree.norm(tree)), rel=1e-5)
    assert total <= float(optax.tree.norm(whole)) * (1 + 1e-5)
    assert found[0].layer == "stem_conv"
    assert found[-1].layer == "classifier"


@pytest.mark.slow
def test_loops_have_the_gradients_of_their_blocks(make_network, images, labels):
    looped, stacked = make_network(scan_blocks=True)
    single = unrolled(looped)
    assert not single.scan_blocks
    both = [
        gradients.gradients(looped, stacked, images, labels),
        gradients.gradients(single, unstack(stacked), images, labels),
    ]
    assert [g.layer for g in both[0]] == [g.layer for g in both[1]]
    for one, other in zip(*both, strict=True):
        assert one.norm == pytest.approx(other.norm, rel=1e-3, abs=1e-6)
    again = stack(unstack(stacked), stacked)
    jax.tree.map(np.testing.assert_array_equal, again, dict(stacked))


# --- shifts --------------------------------------------------------------------------------------


class Round(nn.Module):
    """A circular convolution and a global mean: shifts commute with it unless something is lost."""

    @nn.compact
    def __call__(self, x, train):
        x = nn.Conv(4, (3, 3), padding="CIRCULAR", name="conv")(x)
        return layers.classifier(layers.global_average_pool(jax.nn.relu(x)), 3, "float32")


def test_a_circular_network_notices_no_shift_of_what_stays_inside():
    x = np.zeros((4, 12, 12, 1), np.float32)
    x[:, 5:8, 5:8] = np.random.default_rng(0).normal(size=(4, 3, 3, 1))
    x, y = jnp.asarray(x), jnp.asarray([0, 1, 2, 0])
    model = Round()
    variables = model.init(jax.random.key(0), x, train=False)
    found = shifts.shifts(model, variables, x, y, (0, 1, 3), ("conv",))
    assert len(found) == 12
    for shift in found:
        assert shift.consistency_pct == 100
        assert shift.logits_change == pytest.approx(0, abs=1e-5)
        assert shift.error_pct == found[0].error_pct
        assert shift.moved_map_change["conv"] == pytest.approx(0, abs=1e-5)
        assert (shift.map_change["conv"] > 0.1) == (shift.pixels > 0)


def test_images_move_as_numpy_moves_them(images):
    down = np.asarray(shifts.moved(images, 2, 0))
    np.testing.assert_array_equal(down[:, 2:], np.asarray(images)[:, :-2])
    assert not down[:, :2].any()
    left = np.asarray(shifts.moved(images, 0, -3))
    np.testing.assert_array_equal(left[:, :, :-3], np.asarray(images)[:, :, 3:])


def test_relative_change_by_hand():
    change = shifts.relative_change(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[3.0, 9.0]] * 2))
    assert change[0] == 1.0
    assert np.isnan(change[1])


def test_a_shift_out_of_the_image_is_refused(make_network, images, labels):
    with pytest.raises(UserError, match="8x8 take 0 to 7"):
        shifts.shifts(*make_network(), images, labels, (8,))


# --- receptive fields and maps -------------------------------------------------------------------


def test_influence_ends_where_the_field_ends(make_network, images):
    model, variables = make_network(blocks=1)
    large = receptive_fields.canvas(model, variables, images, ("stage1",))
    assert large.shape[1:3] == (8, 8)  # 3 + 4 pixels fit
    (found,) = receptive_fields.receptive_fields(model, variables, large, ("stage1",))
    low, high = found.field.rows.interval(found.unit[0])
    seen = np.flatnonzero(found.influence.any(axis=1))
    assert found.field.rows.size == 7
    assert low <= seen.min() <= seen.max() <= high
    assert 1 <= found.side <= 7


def test_small_images_are_mirrored_as_far_as_the_network_can_see(make_network, images):
    model, variables = make_network()
    large = receptive_fields.canvas(model, variables, images, ("stage2",))
    # by hand: 3 + 6 x 2, then 2 and five of 4 pixels: 37; at most four times the image
    assert large.shape[1:3] == (32, 32)
    np.testing.assert_array_equal(large[:, 12:20, 12:20], images)
    np.testing.assert_array_equal(large[:, 11, 12:20], images[:, 0])


def test_a_network_that_knows_the_size_gets_the_images_as_they_are(lenet):
    x = jnp.ones((2, 32, 32, 1))
    assert receptive_fields.canvas(*lenet, x, ("conv3",)) is x


def test_levels_are_the_first_module_and_the_last_of_each_resolution(make_network, lenet):
    assert levels(make_network()[0], (8, 8, 1)) == ("stem_conv", "stage1", "stage2")
    assert levels(lenet[0], (32, 32, 1)) == ("conv1", "conv3", "conv5")


def test_maps_are_what_flax_captures(make_network, images):
    network = make_network()
    tree = captured(network, images)
    found = feature_maps(*network, images, ("stem_conv", "stage2"))
    for name, values in found.items():
        np.testing.assert_allclose(values, tree[name]["__call__"][0], rtol=1e-4, atol=1e-5)
    _, z = tapped(network[0], ("stem_conv",), network[1], images)
    np.testing.assert_allclose(z, logits(*network, images), rtol=1e-5, atol=1e-6)


def test_the_first_filters_read_the_image(make_network):
    model, variables = make_network()
    found = first_filters(model, variables, (8, 8, 1))
    assert found.layer == "stem_conv"
    np.testing.assert_array_equal(found.kernel, variables["params"]["stem_conv"]["kernel"])


def test_errors_count_logits_that_are_not_numbers():
    z = np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, 0.0], [3.0, 1.0]])
    assert error_pct(z, np.array([0, 0, 0, 0])) == 50.0
