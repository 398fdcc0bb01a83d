"""What networks refuse: values of their fields, and images that are too small."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from jaxtyping import Array


def check_choice(field: str, value: object, valid: Collection[object]) -> None:
    """Refuse a value that is not among the valid ones.

    Raises:
      ValueError: naming the field and the valid values.
    """
    if value not in valid:
        raise ValueError(f"{field}={value!r} is not one of {', '.join(map(repr, valid))}")


def check_shares(network: object, *fields: str) -> None:
    """Refuse a share of 1 or more, or a negative one.

    Raises:
      ValueError: naming the field.
    """
    for field in fields:
        value = getattr(network, field)
        if isinstance(value, str) or not 0.0 <= value < 1.0:
            raise ValueError(f"{field}={value!r} is not in [0, 1)")


def check_at_least(least: int, network: object, *fields: str) -> None:
    """Refuse a value that is no whole number, or below `least`.

    Raises:
      ValueError: naming the field.
    """
    for field in fields:
        value = getattr(network, field)
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{field}={value!r} must be a whole number of at least {least}")


class Step(NamedTuple):
    """A layer that shrinks the image; with `ceil` a last window may hang over the end."""

    layer: str
    window: int
    strides: int
    padding: int = 0
    ceil: bool = False

    def size(self, size: int) -> int:
        """Size of the output; below 1 where no window fits."""
        room = size + 2 * self.padding - self.window
        return (-(-room // self.strides) if self.ceil else room // self.strides) + 1


def check_image_size(images: Array, steps: Sequence[Step], hint: str = "") -> None:
    """Refuse images `[batch, height, width, channels]` that a step leaves nothing of.

    Raises:
      ValueError: naming the layer and the smallest valid size, followed by `hint`.
    """

    def too_small_for(size: int) -> Step | None:
        for step in steps:
            size = step.size(size)
            if size < 1:
                return step
        return None

    height, width = images.shape[1:3]
    failing = too_small_for(min(height, width))
    if failing is not None:
        smallest = next(n for n in range(min(height, width), 10_000) if not too_small_for(n))
        raise ValueError(
            f"images of {height}x{width} are too small for {failing.layer}; "
            f"the smallest valid size is {smallest}x{smallest}{hint}"
        )
