"""Inception v4: Szegedy et al. 2016 (arXiv 1602.07261), figures 3 to 9."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from resnets.models.checks import Step
from resnets.models.inception import Branch, InceptionNetwork, Mixed, build
from resnets.models.layers import Images
from resnets.models.registry import register

_EARLY = {
    "1x1": "96:1x1",
    "3x3": "64:1x1 96:3x3",
    "double3x3": "64:1x1 96:3x3 96:3x3",
    "pool": "96:1x1",
}
_MIDDLE = {
    "1x1": "384:1x1",
    "7x7": "192:1x1 224:1x7 256:7x1",
    "double7x7": "192:1x1 192:7x1 224:1x7 224:7x1 256:1x7",
    "pool": "128:1x1",
}
_LATE = {
    "1x1": "256:1x1",
    "3x3": "384:1x1 256:1x3+256:3x1",
    "double3x3": "384:1x1 448:3x1 512:1x3 256:1x3+256:3x1",
    "pool": "256:1x1",
}
_MODULES = {
    "3a": {"pool": "", "3x3": "96:3x3/2"},
    "4a": {"3x3": "64:1x1 96:3x3v", "7x7x3": "64:1x1 64:1x7 64:7x1 96:3x3v"},
    "5a": {"3x3": "192:3x3/2", "pool": ""},
    **{f"5{letter}": _EARLY for letter in "bcde"},
    "6a": {"3x3": "384:3x3/2", "double3x3": "192:1x1 224:3x3 256:3x3/2", "pool": ""},
    **{f"6{letter}": _MIDDLE for letter in "bcdefgh"},
    "7a": {
        "3x3": "192:1x1 192:3x3/2",
        "7x7x3": "256:1x1 256:1x7 320:7x1 320:3x3/2",
        "pool": "",
    },
    **{f"7{letter}": _LATE for letter in "bcd"},
}
_STEPS = (
    Step("stem/conv1", 3, 2),
    Step("stem/conv2", 3, 1),
    Step("mixed_3a", 3, 2),
    Step("mixed_4a", 3, 1),
    Step("mixed_5a", 3, 2),
    Step("mixed_6a", 3, 2),
    Step("mixed_7a", 3, 2),
)


class InceptionV4(InceptionNetwork):
    """A stem with branches, 4 + 7 + 3 modules and two reductions, pooling, and a classifier."""

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`."""
        self._check_size(images, _STEPS, train)
        options = self.layer_options()
        x = images.astype(self.dtype)
        x = Branch("32:3x3/2 32:3x3v 64:3x3", options, name="stem")(x, train)
        for module, branches in _MODULES.items():
            x = Mixed(branches, options, name=f"mixed_{module}")(x, train)
            if module == "6h":
                self._head(x, train)
        return self._logits(x, train)


@register("inception_v4", ("inception_v4",), paper="Szegedy et al. 2016", image_shape=(299, 299, 3))
def inception_v4(name: str, num_classes: int | None, **overrides: Any) -> nn.Module:
    """Szegedy et al. 2016, figure 9, on ImageNet at 299x299."""
    return build(name, InceptionV4, num_classes or 1000, overrides)
