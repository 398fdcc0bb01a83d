"""Networks, one family a file, created by name."""

from resnets.models import (
    alexnet,
    deepnet,
    densenet,
    goodfellow,
    googlenet,
    inception_resnet,
    inception_v3,
    inception_v4,
    lenet,
    nin,
    residual_variants,
    resnet,
    vgg,
)
from resnets.models.registry import create, family, names

FAMILIES = (
    lenet,
    alexnet,
    vgg,
    nin,
    googlenet,
    inception_v3,
    inception_v4,
    inception_resnet,
    deepnet,
    resnet,
    residual_variants,
    densenet,
    goodfellow,
)
"""The modules that register networks, oldest first."""

__all__ = ["FAMILIES", "create", "family", "names"]
