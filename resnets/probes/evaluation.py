"""Predictions over many images: padded batches of one size, so that a program compiles once."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int

Variables = Mapping[str, Any]
Images = Float[Array, "batch height width channels"]
Logits = Float[np.ndarray, "batch classes"]

BATCH = 360
"""Images that are evaluated together, at most."""


def batches(images: Images, size: int = BATCH) -> Iterator[tuple[Images, int]]:
    """Cut images into batches of one size; the last is filled up with zeros.

    Yields:
      A batch `[size, height, width, channels]`, and how many of its images count.
    """
    size = min(size, len(images))
    for start in range(0, len(images), size):
        part = images[start : start + size]
        missing = size - len(part)
        yield jnp.pad(part, ((0, missing), (0, 0), (0, 0), (0, 0))), len(part)


@functools.partial(jax.jit, static_argnums=0)
def _logits(model: nn.Module, variables: Variables, images: Images) -> Array:
    result: Array = model.apply(variables, images, train=False)  # type: ignore[assignment]
    return result


def logits(model: nn.Module, variables: Variables, images: Images) -> Logits:
    """The logits `[batch, classes]` of images `[batch, height, width, channels]`, in evaluation."""
    parts = [
        np.asarray(_logits(model, variables, batch))[:count] for batch, count in batches(images)
    ]
    return np.concatenate(parts)


def error_pct(logits: Logits, labels: Int[Array, " batch"] | Int[np.ndarray, " batch"]) -> float:
    """Percent of examples whose largest logit is not the label's; NaN logits are errors."""
    right = (np.argmax(logits, axis=-1) == np.asarray(labels)) & np.isfinite(logits).all(axis=-1)
    return float(100.0 * (1.0 - right.mean()))
