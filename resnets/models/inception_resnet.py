"""Inception-ResNet v1 and v2: Szegedy et al. 2016 (arXiv 1602.07261), figures 10 to 19."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step, check_choice
from resnets.models.inception import Branch, InceptionNetwork, Mixed, build
from resnets.models.inception_v3 import STEM, STEM_STEPS
from resnets.models.layers import FeatureMaps, Images
from resnets.models.observation import show
from resnets.models.registry import register


class Residual(nn.Module):
    """x + scale * (branches, concatenated, projected by a 1x1 convolution with bias), then ReLU.

    Attributes:
      branches: layers by the branch's name.
      options: of the network.
      scale: of the residual.
      last: leave out the scale and the ReLU, as tf-slim does in v2's last block.
    """

    branches: Mapping[str, str]
    options: Mapping[str, Any]
    scale: float
    last: bool = False

    @nn.compact
    def __call__(self, x: Images, train: bool) -> Images:
        """Map `[batch, height, width, channels]` to the same shape."""
        y = Mixed(self.branches, self.options, name="mixed")(x, train)
        y = layers.Conv(
            x.shape[-1],
            (1, 1),
            use_bias=True,
            initializer=self.options["initializer"],
            dtype=self.options["dtype"],
            name="projection",
        )(y)
        y = y if self.last else self.scale * y
        show("addition", y, x)
        return x + y if self.last else layers.relu(x + y)


class Plan(NamedTuple):
    """What differs between the versions: branches of each kind of module, and how many blocks.

    Attributes:
      end_of_stem: the stem's last part: layers, or a pooling and a module.
      early, middle, late: branches of the residual blocks at 35x35, 17x17 and 8x8.
      reduce_early, reduce_middle: branches of the modules that halve the size.
      blocks: how many residual blocks of each kind.
      features: channels of a last 1x1 convolution; 0 for none.
    """

    end_of_stem: str | dict[str, str]
    early: dict[str, str]
    reduce_early: dict[str, str]
    middle: dict[str, str]
    reduce_middle: dict[str, str]
    late: dict[str, str]
    blocks: tuple[int, int, int]
    features: int


_PLANS = {
    1: Plan(
        end_of_stem=f"{STEM[1]} 256:3x3/2",
        early={"1x1": "32:1x1", "3x3": "32:1x1 32:3x3", "double3x3": "32:1x1 32:3x3 32:3x3"},
        reduce_early={"3x3": "384:3x3/2", "double3x3": "192:1x1 192:3x3 256:3x3/2", "pool": ""},
        middle={"1x1": "128:1x1", "7x7": "128:1x1 128:1x7 128:7x1"},
        reduce_middle={
            "3x3a": "256:1x1 384:3x3/2",
            "3x3b": "256:1x1 256:3x3/2",
            "double3x3": "256:1x1 256:3x3 256:3x3/2",
            "pool": "",
        },
        late={"1x1": "192:1x1", "3x3": "192:1x1 192:1x3 192:3x1"},
        blocks=(5, 10, 5),
        features=0,
    ),
    2: Plan(
        end_of_stem={
            "1x1": "96:1x1",
            "5x5": "48:1x1 64:5x5",
            "double3x3": "64:1x1 96:3x3 96:3x3",
            "pool": "64:1x1",
        },
        early={"1x1": "32:1x1", "3x3": "32:1x1 32:3x3", "double3x3": "32:1x1 48:3x3 64:3x3"},
        reduce_early={"3x3": "384:3x3/2", "double3x3": "256:1x1 256:3x3 384:3x3/2", "pool": ""},
        middle={"1x1": "192:1x1", "7x7": "128:1x1 160:1x7 192:7x1"},
        reduce_middle={
            "3x3a": "256:1x1 384:3x3/2",
            "3x3b": "256:1x1 288:3x3/2",
            "double3x3": "256:1x1 288:3x3 320:3x3/2",
            "pool": "",
        },
        late={"1x1": "192:1x1", "3x3": "192:1x1 224:1x3 256:3x1"},
        blocks=(10, 20, 10),
        features=1536,
    ),
}


def _steps(version: int) -> tuple[Step, ...]:
    """The layers that shrink the image."""
    last = Step("stem2/conv3", 3, 2) if version == 1 else Step("pool2", 3, 2)
    return (*STEM_STEPS, last, Step("mixed_6a", 3, 2), Step("mixed_7a", 3, 2))


class InceptionResNet(InceptionNetwork):
    """Stem, residual inception blocks at three sizes, two reductions, pooling, and a classifier.

    Version 1 is the paper's: 5, 10 and 5 blocks. Version 2 is the authors' published network, which
    tf-slim and Keras have: its stem is v3's with one module, not the paper's v4 stem, its blocks
    are 10, 20 and 10, of which the last has neither scale nor ReLU.

    Attributes:
      version: 1 or 2.
      scales: factors on the residuals of the blocks at each size.
    """

    version: int = 1
    scales: tuple[float, float, float] = (0.17, 0.1, 0.2)

    def __post_init__(self) -> None:
        check_choice("version", self.version, _PLANS)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`."""
        self._check_size(images, _steps(self.version), train)
        plan, options = _PLANS[self.version], self.layer_options()
        x = self._stem(images.astype(self.dtype), train)
        x = self._blocks(0, plan.early, x, train)
        x = Mixed(plan.reduce_early, options, name="mixed_6a")(x, train)
        x = self._blocks(1, plan.middle, x, train)
        self._head(x, train)
        x = Mixed(plan.reduce_middle, options, name="mixed_7a")(x, train)
        x = self._blocks(2, plan.late, x, train)
        if plan.features:
            x = Branch(f"{plan.features}:1x1", options, name="last")(x, train)
        return self._logits(x, train)

    def _stem(self, x: Images, train: bool) -> FeatureMaps:
        options, end = self.layer_options(), _PLANS[self.version].end_of_stem
        x = Branch(STEM[0], options, name="stem1")(x, train)
        x = layers.max_pool(x, 3, 2, name="pool1")
        if isinstance(end, str):
            return Branch(end, options, name="stem2")(x, train)
        x = Branch(STEM[1], options, name="stem2")(x, train)
        return Mixed(end, options, name="mixed_5b")(layers.max_pool(x, 3, 2, name="pool2"), train)

    def _blocks(self, kind: int, branches: dict[str, str], x: Images, train: bool) -> Images:
        """The residual blocks of one size."""
        size, count = ("35", "17", "8")[kind], _PLANS[self.version].blocks[kind]
        for index in range(count):
            x = Residual(
                branches,
                self.layer_options(),
                self.scales[kind],
                last=self.version == 2 and kind == 2 and index == count - 1,
                name=f"block{size}_{index}",
            )(x, train)
        return x


_NAMES = ("inception_resnet_v1", "inception_resnet_v2")


@register(r"inception_resnet_v[12]", _NAMES, paper="Szegedy et al. 2016", image_shape=(299, 299, 3))
def inception_resnet(name: str, num_classes: int | None, **overrides: Any) -> nn.Module:
    """Szegedy et al. 2016, on ImageNet at 299x299."""
    return build(name, InceptionResNet, num_classes or 1000, overrides, version=int(name[-1]))
