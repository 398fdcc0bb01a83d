"""Inception v3: Szegedy et al. 2015 (arXiv 1512.00567)."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step
from resnets.models.inception import Branch, InceptionNetwork, Mixed, build
from resnets.models.layers import Images
from resnets.models.registry import register


def _early(pool: int) -> dict[str, str]:
    """Figure 5 of the paper, its 5x5 kept."""
    double = "64:1x1 96:3x3 96:3x3"
    return {"1x1": "64:1x1", "5x5": "48:1x1 64:5x5", "double3x3": double, "pool": f"{pool}:1x1"}


def _middle(n: int) -> dict[str, str]:
    """Figure 6: 7x7 windows as 1x7 and 7x1."""
    twice = f"{n}:1x1 {n}:7x1 {n}:1x7 {n}:7x1 192:1x7"
    once = f"{n}:1x1 {n}:1x7 192:7x1"
    return {"1x1": "192:1x1", "7x7": once, "double7x7": twice, "pool": "192:1x1"}


_LATE = {  # figure 7
    "1x1": "320:1x1",
    "3x3": "384:1x1 384:1x3+384:3x1",
    "double3x3": "448:1x1 384:3x3 384:1x3+384:3x1",
    "pool": "192:1x1",
}
_MODULES = {
    "5b": _early(32),
    "5c": _early(64),
    "5d": _early(64),
    "6a": {"3x3": "384:3x3/2", "double3x3": "64:1x1 96:3x3 96:3x3/2", "pool": ""},
    "6b": _middle(128),
    "6c": _middle(160),
    "6d": _middle(160),
    "6e": _middle(192),
    "7a": {
        "3x3": "192:1x1 320:3x3/2",
        "7x7x3": "192:1x1 192:1x7 192:7x1 192:3x3/2",
        "pool": "",
    },
    "7b": _LATE,
    "7c": _LATE,
}

STEM = ("32:3x3/2 32:3x3v 64:3x3", "80:1x1 192:3x3v")
"""Layers before and after the first pooling; Inception-ResNets begin with them, too."""

STEM_STEPS = (
    Step("stem1/conv1", 3, 2),
    Step("stem1/conv2", 3, 1),
    Step("pool1", 3, 2),
    Step("stem2/conv2", 3, 1),
)
"""What shrinks the image there."""

_STEPS = (
    *STEM_STEPS,
    Step("pool2", 3, 2),
    Step("mixed_6a", 3, 2),
    Step("mixed_7a", 3, 2),
)


class InceptionV3(InceptionNetwork):
    """Stem, eleven modules at about 1/8, 1/16 and 1/32 of the size, pooling, and a classifier.

    Its defaults are torchvision's, which differ from those of its successors.
    """

    dropout_rate: float = 0.5
    count_padding: bool = True
    bn_scale: bool = True

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`."""
        self._check_size(images, _STEPS, train)
        options = self.layer_options()
        x = images.astype(self.dtype)
        x = Branch(STEM[0], options, name="stem1")(x, train)
        x = layers.max_pool(x, 3, 2, name="pool1")
        x = Branch(STEM[1], options, name="stem2")(x, train)
        x = layers.max_pool(x, 3, 2, name="pool2")
        for module, branches in _MODULES.items():
            x = Mixed(branches, options, name=f"mixed_{module}")(x, train)
            if module == "6e":
                self._head(x, train)
        return self._logits(x, train)


@register("inception_v3", ("inception_v3",), paper="Szegedy et al. 2015", image_shape=(299, 299, 3))
def inception_v3(name: str, num_classes: int | None, **overrides: Any) -> nn.Module:
    """Szegedy et al. 2015, table 1, on ImageNet at 299x299."""
    return build(name, InceptionV3, num_classes or 1000, overrides)
