"""Networks without some of their blocks are the networks that one would write without them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.errors import UserError
from resnets.probes import lesions
from resnets.probes.evaluation import error_pct, logits


def gated_logits(network, images, deleted):
    model, variables = network
    blocks = lesions.sites(model, images.shape[1:])
    kept = jnp.asarray([site.name not in deleted for site in blocks])
    return np.asarray(lesions._logits(model, blocks, variables, kept, images))


def without_branch(variables, stage, block, last_layer):
    """The variables with a branch that is zero whatever comes in."""
    copy = jax.tree.map(lambda leaf: leaf, variables)
    for kind, fields in last_layer.items():
        for field in fields:
            leaf = copy["params"][stage][block][kind][field]
            copy["params"][stage][block][kind][field] = jnp.zeros_like(leaf)
    return copy


def test_a_residual_block_without_branch_is_one_whose_branch_gives_zero(make_network, images):
    model, variables = make_network()
    emptied = without_branch(variables, "stage1", "block1", {"bn2": ("scale", "bias")})
    expected = logits(model, emptied, images)
    found = gated_logits((model, variables), images, {"stage1/block1"})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(found, logits(model, variables, images))


def test_deleting_a_preactivated_block_with_a_zero_branch_changes_nothing(make_network, images):
    model, variables = make_network(preactivation=True)
    emptied = without_branch(variables, "stage2", "block1", {"conv2": ("kernel",)})
    found = gated_logits((model, emptied), images, {"stage2/block1"})
    np.testing.assert_array_equal(found, gated_logits((model, emptied), images, set()))


def test_a_plain_block_is_skipped(make_network, images):
    """The network of two blocks a stage, with the weights of the first and the last of three."""
    model, variables = make_network(shortcut="none")
    short, _ = make_network(blocks=2, shortcut="none")
    moved = lesions.permuted(
        variables, {"stage1/block1": "stage1/block2", "stage2/block1": "stage2/block2"}
    )
    kept = {
        kind: {
            part: {n: v for n, v in tree.items() if n != "block2"} if "stage" in part else tree
            for part, tree in trees.items()
        }
        for kind, trees in moved.items()
    }
    found = gated_logits((model, variables), images, {"stage1/block1", "stage2/block1"})
    np.testing.assert_allclose(found, logits(short, kept, images), rtol=1e-5, atol=1e-6)


def test_nothing_deleted_is_the_network(make_network, images, labels):
    model, variables = make_network()
    found = gated_logits((model, variables), images, set())
    np.testing.assert_allclose(found, logits(model, variables, images), rtol=1e-5, atol=1e-6)
    whole = lesions.error_without(model, variables, images, labels)
    assert whole == error_pct(logits(model, variables, images), labels)


def test_what_changes_the_shape_stays_in_plain_networks(make_network, images):
    plain, residual = (
        lesions.sites(make_network(shortcut=s)[0], images.shape[1:]) for s in ("none", "A")
    )
    assert [s.name for s in plain if not s.deletable] == ["stage2/block0"]
    assert all(site.deletable for site in residual)
    assert [s.keeps_shape for s in plain] == [s.keeps_shape for s in residual]


def test_one_lesion_a_block_after_none(make_network, images, labels):
    model, variables = make_network()
    found = lesions.delete_each(model, variables, images, labels)
    assert [lesion.kind for lesion in found] == ["none", *["delete"] * 6]
    for lesion in found:
        harmed = gated_logits((model, variables), images, set(lesion.blocks))
        assert lesion.error_pct == error_pct(harmed, labels)


def test_both_arms_lose_the_same_blocks_and_more_of_them_the_larger_the_number(
    make_network, images, labels
):
    found = [
        lesions.delete_random(*make_network(shortcut=s), images, labels, (1, 2, 5), (0, 1))
        for s in ("none", "A")
    ]
    plain, residual = ([lesion.blocks for lesion in some] for some in found)
    assert plain == residual
    assert [len(blocks) for blocks in plain] == [1, 2, 5, 1, 2, 5]
    assert set(plain[0]) < set(plain[1]) < set(plain[2])


def test_exchanges_stay_in_their_stage_and_lose_no_block(make_network, images):
    blocks = lesions.sites(make_network(blocks=4)[0], images.shape[1:])
    for seed in range(5):
        order = lesions.exchange(blocks, 7, seed)
        assert sorted(order.values()) == sorted(order)
        assert all(place.split("/")[0] == source.split("/")[0] for place, source in order.items())
        assert "stage2/block0" not in order  # it changes the shape


def test_one_exchange_moves_two_blocks_and_the_same_again_undoes_it(make_network, images):
    model, variables = make_network()
    order = lesions.exchange(lesions.sites(model, images.shape[1:]), 1, 0)
    assert sum(place != source for place, source in order.items()) == 2
    once = lesions.permuted(variables, order)
    assert not np.allclose(logits(model, once, images), logits(model, variables, images))
    jax.tree.map(np.testing.assert_array_equal, lesions.permuted(once, order), dict(variables))


def test_mistakes_name_what_is_valid(make_network, lenet, images, labels):
    model, variables = make_network(shortcut="none")
    with pytest.raises(UserError, match=r"stage2/block0 cannot be deleted .*stage1/block0, stage1"):
        lesions.error_without(model, variables, images, labels, ["stage2/block0"])
    with pytest.raises(UserError, match="9 blocks cannot be deleted: 5 of"):
        lesions.delete_random(model, variables, images, labels, (9,), (0,))
    with pytest.raises(UserError, match="LeNet has none"):
        lesions.sites(lenet[0], (32, 32, 1))
