"""What a config's data look like, without loading or building them."""

from collections.abc import Callable, Mapping
from typing import Any

from resnets.arguments import call
from resnets.data.streaming import streamed
from resnets.data.synthetic import Synthetic

Description = tuple[tuple[int, int, int], int]
"""`(height, width, channels)` of the images, and the number of classes."""


def _digits() -> Description:
    return (8, 8, 1), 10


def _cifar10() -> Description:
    return (32, 32, 3), 10


def _cifar100() -> Description:
    return (32, 32, 3), 100


_DESCRIBED: dict[str, Callable[..., Description | Synthetic]] = {
    "digits": _digits,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "synthetic": Synthetic,
}


def describe(fields: Mapping[str, Any]) -> Description:
    """Describe the images that the network sees of a config's section `data`.

    Raises:
      UserError: unknown data set; names the valid ones.
    """
    name = fields["name"]
    if streamed(name):
        return (fields["image_size"], fields["image_size"], 3), 1000
    found = call(name, _DESCRIBED, "data.name")
    if isinstance(found, Synthetic):
        found = (found.height, found.width, found.channels), found.classes
    shape, classes = found
    crop = fields.get("crop", 0)
    return (crop or shape[0], crop or shape[1], shape[2]), classes
