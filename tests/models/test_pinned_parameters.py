"""Trainable parameters of every registered network with its default options.

The numbers are torchvision's, the papers' or closed forms where the tests of the families say so;
here they are pinned, so that no registered name changes or comes in unnoticed.
"""

import math

import jax
import jax.numpy as jnp
import pytest

from resnets import models
from resnets.models import layers
from resnets.models.resnet import ResNet

PARAMETERS = {
    "alexnet": 61_100_840,
    "alexnet_lrn": 60_965_224,
    "deepnet": 1_048_586,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "densenet_cifar40_12": 1_019_722,
    "densenet_cifar100_12": 6_979_642,
    "densenet_bc100_12": 769_162,
    "goodfellow_fixed": 16_423_720,
    "goodfellow_grid": 615_720,
    "goodfellow_conv": 615_720,
    "googlenet": 13_378_280,
    "inception_naive": 1_103_850,
    "inception_v3": 27_161_264,
    "inception_resnet_v1": 26_084_992,
    "inception_resnet_v2": 59_179_952,
    "inception_v4": 46_006_800,
    "lenet5": 61_706,
    "nin": 7_439_608,
    "nin_cifar": 966_986,
    "cifar_plain20": 269_722,
    "cifar_plain32": 464_154,
    "cifar_plain44": 658_586,
    "cifar_plain56": 853_018,
    "cifar_plain110": 1_727_962,
    "cifar_plain1202": 19_421_274,
    "cifar_resnet20": 269_722,
    "cifar_resnet32": 464_154,
    "cifar_resnet44": 658_586,
    "cifar_resnet56": 853_018,
    "cifar_resnet110": 1_727_962,
    "cifar_resnet1202": 19_421_274,
    "plain18": 11_515_688,
    "plain34": 21_623_848,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet200": 64_673_832,
    "preact_resnet110": 1_727_962,
    "preact_resnet164": 1_703_258,
    "preact_resnet1001": 10_327_706,
    "preact_resnet50": 25_549_352,
    "preact_resnet101": 44_541_480,
    "preact_resnet152": 60_185_128,
    "preact_resnet200": 64_666_152,
    "wide_resnet16_8": 10_961_370,
    "wide_resnet28_10": 36_479_194,
    "wide_resnet40_4": 8_949_210,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    "resnext29_8x64d": 34_426_698,
    "resnext29_16x64d": 68_155_210,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "resnext101_64x4d": 83_455_272,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
}


def test_every_registered_network_is_pinned():
    assert set(PARAMETERS) == set(models.names())


@pytest.mark.parametrize("name", models.names())
def test_the_count_is_the_pinned_one_and_the_logits_are_float32(name, monkeypatch):
    zeros = dict.fromkeys(layers.INITIALIZERS, jax.nn.initializers.zeros)
    monkeypatch.setattr(layers, "INITIALIZERS", zeros)  # the same shapes, traced in no time
    model = models.create(name)
    if isinstance(model, ResNet):
        model = models.create(name, scan_blocks=True)  # the same parameters, traced once a stage
    images = jax.ShapeDtypeStruct((1, *models.family(name).image_shape), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    logits, variables = jax.eval_shape(
        lambda k, x: model.init_with_output(k, x, train=False), key, images
    )
    assert logits.dtype == jnp.float32
    assert logits.shape in ((1, 10), (1, 1000))
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"]))
    assert count == PARAMETERS[name]
