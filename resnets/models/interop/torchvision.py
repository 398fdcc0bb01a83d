"""torchvision's names: those of the `state_dict` of its models, version 0.28."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import numpy as np

from resnets.models.alexnet import AlexNet
from resnets.models.densenet import DenseNet
from resnets.models.googlenet import GoogLeNet
from resnets.models.inception_v3 import InceptionV3
from resnets.models.interop.naming import Naming, Path, Place, differing, flatten
from resnets.models.resnet import ResNet
from resnets.models.vgg import VGG

_LEAVES = {
    "kernel": "weight",
    "bias": "bias",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
}


def _resnet(model: ResNet, module: Path) -> str:
    stem = {"stem_conv": "conv1", "stem_bn": "bn1", "classifier": "fc"}
    if len(module) == 1:
        return stem[module[0]]
    stage, block, layer = module
    inner = {"projection": "downsample.0", "projection_bn": "downsample.1"}.get(layer, layer)
    return f"{stage.replace('stage', 'layer')}.{block.removeprefix('block')}.{inner}"


def _alexnet(model: AlexNet, module: Path) -> str:
    features = {f"conv{i}": f"features.{j}" for i, j in enumerate((0, 3, 6, 8, 10), 1)}
    return (
        features | {"fc6": "classifier.1", "fc7": "classifier.4", "classifier": "classifier.6"}
    )[module[0]]


def _vgg(model: VGG, module: Path) -> str:
    dense = {"fc6": "classifier.0", "fc7": "classifier.3", "classifier": "classifier.6"}
    if module[0] in dense:
        return dense[module[0]]
    kind, stage, index = re.fullmatch(r"(conv|bn)(\d)_(\d)", module[0]).groups()  # type: ignore[union-attr]
    per_layer = 3 if model.batch_norm else 2
    before = sum(model.stage_sizes[: int(stage) - 1]) + int(index) - 1
    return f"features.{before * per_layer + int(stage) - 1 + (kind == 'bn')}"


def _densenet(model: DenseNet, module: Path) -> str:
    ends = {
        "stem_conv": "features.conv0",
        "stem_bn": "features.norm0",
        "final_bn": "features.norm5",
        "classifier": "classifier",
    }
    if len(module) == 1:
        return ends[module[0]]
    parts = [
        re.sub(r"^bn", "norm", part.replace("block", "denseblock").replace("layer", "denselayer"))
        for part in module
    ]
    return ".".join(("features", *parts))


_GOOGLENET_STEM = {"conv1": "conv1", "conv2_reduce": "conv2", "conv2": "conv3"}
_GOOGLENET_BRANCHES = {
    "branch1x1": "branch1",
    "branch3x3_reduce": "branch2.0",
    "branch3x3": "branch2.1",
    "branch5x5_reduce": "branch3.0",
    "branch5x5": "branch3.1",
    "branch_pool": "branch4.1",
}


def _googlenet(model: GoogLeNet, module: Path) -> str:
    first, *rest = module
    if first == "classifier":
        return "fc"
    if first.startswith("auxiliary"):
        inner = {"projection": "conv", "dense": "fc1", "classifier": "fc2"}[rest[0]]
        return ".".join((first.replace("auxiliary", "aux"), inner, *rest[1:]))
    if first.startswith("inception"):
        return ".".join((first.replace("_", ""), _GOOGLENET_BRANCHES[rest[0]], *rest[1:]))
    return ".".join((_GOOGLENET_STEM[first], *rest))


_INCEPTION_STEM = {
    ("stem1", "conv1"): "Conv2d_1a_3x3",
    ("stem1", "conv2"): "Conv2d_2a_3x3",
    ("stem1", "conv3"): "Conv2d_2b_3x3",
    ("stem2", "conv1"): "Conv2d_3b_1x1",
    ("stem2", "conv2"): "Conv2d_4a_3x3",
}
_INCEPTION_BRANCHES = {  # a branch of one layer has no number there
    "branch_1x1": "branch1x1",
    "branch_3x3": "branch3x3",
    "branch_5x5": "branch5x5",
    "branch_7x7": "branch7x7",
    "branch_double3x3": "branch3x3dbl",
    "branch_double7x7": "branch7x7dbl",
    "branch_7x7x3": "branch7x7x3",
    "branch_pool": "branch_pool",
}


def _inception_v3(model: InceptionV3, module: Path) -> str:
    first, *rest = module
    if first == "classifier":
        return "fc"
    if first == "auxiliary1":
        if rest == ["classifier"]:
            return "AuxLogits.fc"
        return f"AuxLogits.conv{int(rest[1].removeprefix('conv')) - 1}.{rest[2]}"
    if first.startswith("stem"):
        return f"{_INCEPTION_STEM[first, rest[0]]}.{rest[1]}"
    branch, layer, leaf = rest
    alone = branch in ("branch_1x1", "branch_pool") or (first, branch) == ("mixed_6a", "branch_3x3")
    number = "" if alone else f"_{layer.removeprefix('conv')}"
    return f"{first.capitalize()}.{_INCEPTION_BRANCHES[branch]}{number}.{leaf}"


_STANDARD = {
    "shortcut": "B",
    "strided": "3x3",
    "span": 2,
    "residual_scale": 1.0,
    "activation": "relu",
}


def _form(
    model: nn.Module,
) -> tuple[Callable[[Any, Path], str], dict[str, tuple[int, int, int]], tuple[Any, ...]] | None:
    """Names of modules, cells of dense layers on feature maps, and differing fields."""
    if isinstance(model, ResNet) and model.stem == "imagenet" and not model.design.preactivation:
        return _resnet, {}, differing(_STANDARD, model.design)
    if isinstance(model, AlexNet) and not model.two_columns:
        return _alexnet, {"fc6": (model.channels[-1], model.grid, model.grid)}, ()
    if isinstance(model, VGG):
        channels = model.width * min(2 ** (len(model.stage_sizes) - 1), 8)
        return _vgg, {"fc6": (channels, model.grid, model.grid)}, ()
    if isinstance(model, DenseNet) and model.stem == "imagenet":
        return _densenet, {}, ()
    if isinstance(model, GoogLeNet):
        fields = {"bn": True, "five_by_five": False}
        return _googlenet, {"dense": (128, 4, 4)}, differing(fields, model)
    if isinstance(model, InceptionV3):
        fields = {"count_padding": True, "bn_scale": True}
        return _inception_v3, {}, differing(fields, model)
    return None


def naming(model: nn.Module, variables: Mapping[str, Any]) -> Naming | None:
    """The place of every array in torchvision; None if it has no such network."""
    form = _form(model)
    if form is None:
        return None
    module_name, cells, required = form
    found: dict[Path, Place] = {}
    constants: dict[str, np.ndarray] = {}
    for path, leaf in flatten(variables).items():
        *modules, name = path[1:]
        prefix = module_name(model, tuple(modules))
        if name == "kernel" and len(leaf.shape) == 4:
            layout = "conv"
        elif name == "kernel":
            layout = "flattened" if modules[-1] in cells else "dense"
        else:
            layout = "same"
        found[path] = Place(f"{prefix}.{_LEAVES[name]}", layout, cells.get(modules[-1]))
        if name == "mean":
            constants[f"{prefix}.num_batches_tracked"] = np.zeros((), np.int64)
    return Naming(found, constants, required)
