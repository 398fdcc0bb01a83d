"""Keras's names, `layer/variable`, of the models of `keras.applications` (Keras 3).

Keras puts biases before the batch normalisations of its first residual networks; here the mean of
the normalisation absorbs them, which changes nothing that the network computes in evaluation.
"""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util

from resnets.models.densenet import DenseNet
from resnets.models.inception_resnet import InceptionResNet
from resnets.models.inception_v3 import InceptionV3
from resnets.models.interop.naming import Naming, Path, Place, differing, flatten
from resnets.models.resnet import ResNet
from resnets.models.vgg import VGG

_NORM_LEAVES = {
    "scale": "gamma",
    "bias": "beta",
    "mean": "moving_mean",
    "var": "moving_variance",
}
_AUTOMATIC = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?/")

LayerName = Callable[[Path], str]


def _vgg(module: Path) -> str:
    dense = {"fc6": "fc1", "fc7": "fc2", "classifier": "predictions"}
    if module[0] in dense:
        return dense[module[0]]
    stage, index = module[0].removeprefix("conv").split("_")
    return f"block{stage}_conv{index}"


def _resnet(module: Path) -> str:
    ends = {
        "stem_conv": "conv1_conv",
        "stem_bn": "conv1_bn",
        "final_bn": "post_bn",
        "classifier": "predictions",
    }
    if len(module) == 1:
        return ends[module[0]]
    stage, block, layer = module
    place = (
        f"conv{int(stage.removeprefix('stage')) + 1}_block{int(block.removeprefix('block')) + 1}"
    )
    if layer.startswith("projection"):
        return f"{place}_0_{'bn' if layer.endswith('bn') else 'conv'}"
    kind, index = layer[:-1], layer[-1]
    return f"{place}_{index}_{kind}"


def _resnet_v2(module: Path) -> str:
    """Here bn1 comes before conv1 and is called `preact`; bn2 follows conv1 and has its number."""
    if module[-1] == "bn1":
        return _resnet((*module[:-1], "bn0")).replace("_0_bn", "_preact_bn")
    if re.fullmatch(r"bn\d", module[-1]):
        return _resnet((*module[:-1], f"bn{int(module[-1][-1]) - 1}"))
    return _resnet(module)


def _densenet(module: Path) -> str:
    ends = {
        "stem_conv": "conv1_conv",
        "stem_bn": "conv1_bn",
        "final_bn": "bn",
        "classifier": "predictions",
    }
    if len(module) == 1:
        return ends[module[0]]
    if module[0].startswith("transition"):
        return f"pool{int(module[0].removeprefix('transition')) + 1}_{module[1]}"
    block, layer, inner = module
    place = f"conv{int(block.removeprefix('block')) + 1}_block{layer.removeprefix('layer')}"
    return (
        f"{place}_{ {'bn1': '0_bn', 'conv1': '1_conv', 'bn2': '1_bn', 'conv2': '2_conv'}[inner] }"
    )


def _inception(model: nn.Module, variables: Mapping[str, Any]) -> LayerName:
    """Layers with Keras's automatic names are numbered in the order in which they are made."""
    names: dict[Path, str] = {("classifier",): "predictions"}
    units = 0
    for module in _layer_order(model, variables):
        if module[-1] == "projection":
            size, index = module[0].removeprefix("block").split("_")
            names[module] = f"block{size}_{int(index) + 1}_conv"
        elif module[0] == "last":
            names[module] = "conv_7b" if module[-1] == "conv" else "conv_7b_bn"
        elif module[-1] in ("conv", "bn"):
            number = f"_{units}" if units else ""
            kind = "conv2d" if module[-1] == "conv" else "batch_normalization"
            names[module] = kind + number
            units += module[-1] == "bn"  # a unit is a convolution, then its normalisation
    return lambda module: names.get(module, "/".join(module))  # Keras has no auxiliary heads


def _layer_order(model: nn.Module, variables: Mapping[str, Any]) -> tuple[Path, ...]:
    """Modules that hold parameters, in the order in which the network calls them."""
    leaves = flatten(variables).items()
    return _calls(model, tuple((path, leaf.shape, str(leaf.dtype)) for path, leaf in leaves))


@functools.lru_cache(maxsize=4)  # reading and writing a file ask the same, and tracing is slow
def _calls(
    model: nn.Module, leaves: tuple[tuple[Path, tuple[int, ...], str], ...]
) -> tuple[Path, ...]:
    holding = {path[1:-1] for path, _, _ in leaves}
    order: dict[Path, None] = {}

    def record(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        if context.module.path in holding:
            order[context.module.path] = None
        return call(*args, **kwargs)

    def evaluate(variables: Any, images: jax.Array) -> Any:
        with nn.intercept_methods(record):
            return model.apply(variables, images, train=False)

    shapes = {path: jax.ShapeDtypeStruct(shape, dtype) for path, shape, dtype in leaves}
    images = jax.ShapeDtypeStruct((1, 299, 299, 3), jnp.float32)
    jax.eval_shape(evaluate, traverse_util.unflatten_dict(shapes), images)
    return tuple(order)


_RESNET = {"shortcut": "B", "span": 2, "residual_scale": 1.0, "activation": "relu"}
_INCEPTION = {"auxiliary": False, "bn_scale": False, "count_padding": False}


def _form(
    model: nn.Module, variables: Mapping[str, Any]
) -> tuple[LayerName, tuple[Any, ...]] | None:
    """Names of layers, and the fields in which the network differs from Keras's."""
    if isinstance(model, VGG) and not model.batch_norm:
        return _vgg, ()
    if isinstance(model, DenseNet) and model.stem == "imagenet":
        return _densenet, ()
    if isinstance(model, ResNet) and model.stem == "imagenet" and model.design.groups == 1:
        if model.design.preactivation:
            return _resnet_v2, differing(_RESNET | {"keras": True, "strided": "3x3"}, model.design)
        return _resnet, differing(_RESNET | {"strided": "1x1"}, model.design)
    if isinstance(model, InceptionV3):
        return _inception(model, variables), differing(_INCEPTION, model)
    if isinstance(model, InceptionResNet) and model.version == 2:
        return _inception(model, variables), differing(_INCEPTION, model)
    return None


def naming(model: nn.Module, variables: Mapping[str, Any]) -> Naming | None:
    """The place of every array in Keras; None if it has no such network."""
    form = _form(model, variables)
    if form is None:
        return None
    layer_name, required = form
    normalised = {path[1:-1] for path in flatten(variables) if path[-1] == "mean"}
    folds = isinstance(model, ResNet) and not model.design.preactivation
    found: dict[Path, Place] = {}
    for path in flatten(variables):
        module, leaf = path[1:-1], path[-1]
        layer = layer_name(module)
        variable = _NORM_LEAVES[leaf] if module in normalised else leaf
        folded = f"{layer[:-2]}conv/bias" if folds and leaf == "mean" else None
        found[path] = Place(f"{layer}/{variable}", folded=folded)
    return Naming(found, required=required)


def renumber(names: Mapping[str, Any]) -> dict[str, Any]:
    """Let automatic numbers begin at 0, as in a process that made one model only."""
    least: dict[str, int] = {}
    for name in names:
        if match := _AUTOMATIC.match(name):
            number = int(match[2] or 0)
            least[match[1]] = min(number, least.get(match[1], number))

    def begin_at_zero(match: re.Match[str]) -> str:
        number = int(match[2] or 0) - least[match[1]]
        return f"{match[1]}_{number}/" if number else f"{match[1]}/"

    return {_AUTOMATIC.sub(begin_at_zero, name, count=1): value for name, value in names.items()}
