"""Pre-activation, wide and aggregated residual networks, built of the blocks of `resnet`.

He et al. 2016 (arXiv 1603.05027), Zagoruyko and Komodakis 2016 (arXiv 1605.07146), Xie et al. 2017
(arXiv 1611.05431).
"""

import re
from typing import Any

from resnets.models.checks import check_choice
from resnets.models.registry import register
from resnets.models.residual_block import BLOCKS
from resnets.models.resnet import IMAGENET, ResNet, build

_CIFAR_SHAPE = (32, 32, 3)
_DEPTHS = "50, 101, 152 or 200"
_DEEP = "(50|101|152|200)"
_PREACT, _WIDE, _NEXT = "He et al. 2016", "Zagoruyko and Komodakis 2016", "Xie et al. 2017"


def _numbers(name: str) -> list[int]:
    """The numbers in a name: depth, then groups and widths."""
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _cifar(num_classes: int | None, blocks: int, width: int = 16) -> dict[str, Any]:
    """Three stages of `blocks` blocks on images of 32x32."""
    return {
        "num_classes": num_classes or 10,
        "stage_sizes": (blocks,) * 3,
        "stem": "cifar",
        "width": width,
    }


def _imagenet(num_classes: int | None, depth: int) -> dict[str, Any]:
    """Four stages as in the residual network of that depth, on images of 224x224."""
    return {
        "num_classes": num_classes or 1000,
        "stage_sizes": IMAGENET[depth][1],
        "stem": "imagenet",
        "width": 64,
    }


def _check_span(name: str, overrides: dict[str, Any]) -> None:
    """The depths of these families count two layers a basic block."""
    if overrides.get("span", 2) != 2:
        raise ValueError(f"{name}: span={overrides['span']!r}; its blocks have span 2 only")


def _cifar_block(name: str, depth: int, block: str | None) -> str:
    """The blocks that a depth can be made of; `block` chooses where both would do."""
    if block is not None:
        check_choice("block", block, BLOCKS)
    fits = {"basic": depth % 6 == 2, "bottleneck": depth % 9 == 2}
    preferred = BLOCKS if depth < 164 else BLOCKS[::-1]
    for candidate in (block,) if block else preferred:
        if depth >= 8 and fits[candidate]:
            return candidate
    raise ValueError(
        f"{name}: the depth must be 6n+2 with block='basic' (8, 14, ..., 110) or 9n+2 with "
        f"block='bottleneck' (11, 20, ..., 164, 1001); for ImageNet {_DEPTHS}"
    )


def _preact(
    name: str, defaults: dict[str, Any], overrides: dict[str, Any], network: dict[str, Any]
) -> ResNet:
    """A network whose stem is activated before the first block splits it."""
    network["early_activation"] = overrides.get("preactivation", True) and not overrides.get(
        "keras"
    )
    return build(name, {"preactivation": True} | defaults, overrides, network)


@register(
    rf"preact_resnet(?!{_DEEP}$)\d+",
    ("preact_resnet110", "preact_resnet164", "preact_resnet1001"),
    paper=_PREACT,
    image_shape=_CIFAR_SHAPE,
)
def preact_resnet(name: str, num_classes: int | None, **overrides: Any) -> ResNet:
    """6n+2 layers of basic blocks, shortcut A, or 9n+2 of bottlenecks, shortcut B.

    A depth of both forms has basic blocks below 164 layers and bottlenecks from there on, as in
    the paper; the field `block` chooses otherwise. Bottlenecks halve the size in their first layer.
    """
    (depth,) = _numbers(name)
    _check_span(name, overrides)
    block = _cifar_block(name, depth, overrides.pop("block", None))
    if block == "basic":
        defaults, layers_per_block = {"shortcut": "A"}, 2
    else:
        defaults, layers_per_block = {"block": block, "strided": "1x1"}, 3
    network = _cifar(num_classes, (depth - 2) // (3 * layers_per_block))
    return _preact(name, defaults, overrides, network)


@register(
    rf"preact_resnet{_DEEP}",
    tuple(f"preact_resnet{depth}" for depth in (50, 101, 152, 200)),
    paper=_PREACT,
    image_shape=(224, 224, 3),
)
def imagenet_preact_resnet(name: str, num_classes: int | None, **overrides: Any) -> ResNet:
    """Bottlenecks with pre-activation and shortcut B; the stem is activated before it is pooled.

    With `keras=True` it is the network of Keras, which activates the stem in block0.
    """
    (depth,) = _numbers(name)
    return _preact(name, {"block": "bottleneck"}, overrides, _imagenet(num_classes, depth))


@register(
    r"wide_resnet(?!(50|101)_2$)\d+_\d+",
    tuple(f"wide_resnet{size}" for size in ("16_8", "28_10", "40_4")),
    paper=_WIDE,
    image_shape=_CIFAR_SHAPE,
)
def wide_resnet(name: str, num_classes: int | None, **overrides: Any) -> ResNet:
    """6n+4 layers, projections counted, and stages so many times wider; with pre-activation.

    `dropout` acts between the two convolutions of a block (0.3 in the paper).
    """
    depth, factor = _numbers(name)
    _check_span(name, overrides)
    if depth < 10 or depth % 6 != 4 or factor < 1:
        raise ValueError(
            f"{name}: the depth must be 6n+4 (10, 16, 22, 28, 34, 40, ...) and the width at least "
            f"1, as in wide_resnet28_10; for ImageNet wide_resnet50_2 or wide_resnet101_2"
        )
    network = _cifar(num_classes, (depth - 4) // 6) | {"width_factor": factor}
    return build(name, {"preactivation": True}, overrides, network)


@register(
    r"wide_resnet(50|101)_2",
    ("wide_resnet50_2", "wide_resnet101_2"),
    paper=_WIDE,
    image_shape=(224, 224, 3),
)
def imagenet_wide_resnet(name: str, num_classes: int | None, **overrides: Any) -> ResNet:
    """Bottlenecks whose 3x3 layer is twice as wide; otherwise the residual network of 2015."""
    depth, factor = _numbers(name)
    design = {"block": "bottleneck", "base_width": 64 * factor}
    return build(name, design, overrides, _imagenet(num_classes, depth))


def _aggregated(name: str) -> dict[str, Any]:
    """The block of a ResNeXt, from its groups and the channels of one."""
    _, groups, width = _numbers(name)
    if groups < 1 or width < 1:
        raise ValueError(f"{name}: groups and width must be at least 1, as in resnext50_32x4d")
    return {"block": "bottleneck", "groups": groups, "base_width": width}


@register(
    rf"resnext(?!{_DEEP}_)\d+_\d+x\d+d",
    ("resnext29_8x64d", "resnext29_16x64d"),
    paper=_NEXT,
    image_shape=_CIFAR_SHAPE,
)
def resnext(name: str, num_classes: int | None, **overrides: Any) -> ResNet:
    """9n+2 layers of aggregated bottlenecks, in stages of 256, 512 and 1024 channels."""
    depth = _numbers(name)[0]
    if depth < 11 or depth % 9 != 2:
        raise ValueError(
            f"{name}: the depth must be 9n+2 (11, 20, 29, ...) for CIFAR; for ImageNet {_DEPTHS}"
        )
    return build(name, _aggregated(name), overrides, _cifar(num_classes, (depth - 2) // 9, 64))


@register(
    rf"resnext{_DEEP}_\d+x\d+d",
    ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    paper=_NEXT,
    image_shape=(224, 224, 3),
)
def imagenet_resnext(name: str, num_classes: int | None, **overrides: Any) -> ResNet:
    """Aggregated bottlenecks: depth, groups, and channels of a group in the first stage."""
    depth = _numbers(name)[0]
    return build(name, _aggregated(name), overrides, _imagenet(num_classes, depth))
