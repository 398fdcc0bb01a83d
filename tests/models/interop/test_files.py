"""Weights as safetensors files: what is written comes back, and what does not fit is named."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from resnets import models
from resnets.models import interop, stacking
from resnets.models.interop.naming import flatten

SMALL_VGG = {"width": 2, "hidden": 6, "grid": 3}


def network(name, classes=3, size=32, **fields):
    """A network and random variables of it."""
    model = models.create(name, classes, **fields)
    channels = models.family(name).image_shape[2]
    image = jax.ShapeDtypeStruct((1, size, size, channels), np.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes = jax.eval_shape(lambda k, x: model.init(k, x, train=False), key, image)
    rng = np.random.default_rng(0)
    return model, jax.tree.map(lambda s: rng.uniform(0.1, 1.0, s.shape).astype(np.float32), shapes)


def zeros(variables):
    return jax.tree.map(np.zeros_like, variables)


def assert_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize(
    ("name", "fields", "naming"),
    [
        ("lenet5", {}, "own"),
        ("nin_cifar", {}, "own"),
        ("cifar_resnet20", {"scan_blocks": True}, "own"),
        ("deepnet", {}, "own"),
        ("vgg11_bn", SMALL_VGG, "torchvision"),
        ("vgg11", SMALL_VGG, "torchvision"),
        ("vgg11", SMALL_VGG, "keras"),
        ("resnet18", {"scan_blocks": True}, "torchvision"),
        ("resnet50", {"scan_blocks": True, "strided": "1x1"}, "keras"),
        ("preact_resnet50", {"scan_blocks": True, "keras": True}, "keras"),
    ],
)
def test_what_is_written_comes_back_bit_for_bit(name, fields, naming, tmp_path):
    model, variables = network(name, **fields)
    file = tmp_path / "weights.safetensors"
    interop.save(file, model, variables, naming)
    loaded, report = interop.load(file, model, zeros(variables))
    assert_equal(loaded, variables)
    assert (report.naming, report.head, report.missing, report.unused) == (naming, (), (), ())
    assert report.arrays == len(flatten(stacking.unstack(variables)))


@pytest.mark.parametrize(("written", "read"), [(True, False), (False, True)])
def test_a_file_serves_the_loop_and_the_unrolled_form(written, read, tmp_path):
    file = tmp_path / "weights.safetensors"
    model, variables = network("cifar_resnet20", scan_blocks=written)
    interop.save(file, model, variables)
    other, initial = network("cifar_resnet20", scan_blocks=read)
    loaded, _ = interop.load(file, other, zeros(initial))
    images = jax.random.normal(jax.random.key(1), (2, 16, 16, 3))
    expected = model.apply(jax.tree.map(jnp.asarray, variables), images, train=False)
    logits = other.apply(jax.tree.map(jnp.asarray, loaded), images, train=False)
    np.testing.assert_allclose(logits, expected, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.booleans())
def test_stacking_is_the_inverse_of_unstacking(blocks, flat):
    leaf = np.arange(blocks * 2.0).reshape(blocks, 2)
    looped = {"stage1": {"block0": {"a": np.ones(2)}, "blocks": {"a": leaf}}, "b": np.ones(1)}
    unrolled = stacking.unstack(looped)
    assert set(unrolled["stage1"]) == {f"block{i}" for i in range(blocks + 1)}
    if flat:
        assert_equal(stacking.unstack(unrolled), unrolled)
    assert_equal(stacking.stack(unrolled, looped), looped)


def test_half_precision_becomes_float32(tmp_path):
    model, variables = network("lenet5")
    file = tmp_path / "weights.safetensors"
    flat = {"/".join(path): leaf for path, leaf in flatten(variables).items()}
    safetensors.numpy.save_file({k: v.astype(ml_dtypes.bfloat16) for k, v in flat.items()}, file)
    loaded, _ = interop.load(file, model, variables)
    for new, old in zip(jax.tree.leaves(loaded), jax.tree.leaves(variables), strict=True):
        assert new.dtype == np.float32
        np.testing.assert_array_equal(new, old.astype(ml_dtypes.bfloat16).astype(np.float32))


def test_the_report_names_what_is_missing_and_what_is_left_over(tmp_path):
    model, variables = network("lenet5")
    file = tmp_path / "weights.safetensors"
    flat = {"/".join(path): leaf for path, leaf in flatten(variables).items()}
    del flat["params/conv1/bias"]
    safetensors.numpy.save_file(flat | {"extra": np.zeros(1, np.float32)}, file)
    loaded, report = interop.load(file, model, zeros(variables))
    assert report.missing == ("params/conv1/bias",)
    assert report.unused == ("extra",)
    np.testing.assert_array_equal(loaded["params"]["conv1"]["bias"], 0.0)
    first, missing, unused = report.lines()
    assert first == f"{report.arrays} of {report.arrays + 1} arrays loaded from {file} (own naming)"
    assert missing == "not in the file, initial values: params/conv1/bias"
    assert unused == "in the file, not in the network: extra"


@pytest.mark.parametrize(
    ("name", "fields", "head"),
    [
        ("resnet18", {}, {"classifier"}),
        ("nin_cifar", {}, {"mlpconv3"}),
        ("goodfellow_conv", {}, {"conv3"}),
    ],
)
def test_another_number_of_classes_needs_a_new_head(name, fields, head, tmp_path):
    file = tmp_path / "weights.safetensors"
    model, variables = network(name, 5, **fields)
    interop.save(file, model, variables)
    other, initial = network(name, 3, **fields)
    with pytest.raises(
        ValueError, match=r"shapes differ.*init_new_head=true leaves the classifier out"
    ):
        interop.load(file, other, initial)
    loaded, report = interop.load(file, other, initial, new_head=True)
    assert {path.split("/")[1] for path in report.head} == head
    for path, leaf in flatten(loaded).items():
        source = initial if "/".join(path) in report.head else variables
        np.testing.assert_array_equal(leaf, flatten(source)[path])


def test_the_head_is_the_last_module_whatever_the_number_of_classes(tmp_path):
    file = tmp_path / "weights.safetensors"
    model, variables = network("nin_cifar", 192)  # as many as its inner layers have channels
    interop.save(file, model, variables)
    _, report = interop.load(file, model, zeros(variables), new_head=True)
    assert {path.split("/")[1] for path in report.head} == {"mlpconv3"}


def test_a_shape_that_does_not_fit_is_named_with_both_shapes(tmp_path):
    file = tmp_path / "weights.safetensors"
    model, variables = network("vgg11", **SMALL_VGG)
    interop.save(file, model, variables, "torchvision")
    other, initial = network("vgg11", **(SMALL_VGG | {"hidden": 7}))
    with pytest.raises(ValueError, match=r"classifier\.0\.\w+ \(.*6\), the network has \(.*7\)"):
        interop.load(file, other, initial, new_head=True)


def test_files_that_cannot_be_used_say_why(tmp_path):
    model, variables = network("lenet5")
    with pytest.raises(ValueError, match=r"none\.safetensors cannot be read: No such file"):
        interop.load(tmp_path / "none.safetensors", model, variables)
    with pytest.raises(ValueError, match="is a directory"):
        interop.load(tmp_path, model, variables)
    with pytest.raises(ValueError, match="cannot be written"):
        interop.save(tmp_path / "none" / "weights.safetensors", model, variables)
    damaged = tmp_path / "damaged.safetensors"
    interop.save(damaged, model, variables)
    damaged.write_bytes(damaged.read_bytes()[:-10])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        interop.load(damaged, model, variables)
    foreign = tmp_path / "foreign.safetensors"
    safetensors.numpy.save_file({"some.weight": np.zeros(3, np.float32)}, foreign)
    with pytest.raises(
        ValueError, match=r"holds no array of this network .*; it holds some\.weight"
    ):
        interop.load(foreign, model, variables)


def test_a_file_of_another_form_of_the_network_is_refused(tmp_path):
    file = tmp_path / "weights.safetensors"
    model, variables = network("resnet50", scan_blocks=True)
    interop.save(file, model, variables, "torchvision")
    other, initial = network("resnet50", scan_blocks=True, strided="1x1")
    with pytest.raises(ValueError, match="torchvision's network has strided='3x3'; this one"):
        interop.load(file, other, initial)
