"""The recipe of this project's contestants: what a config of theirs would say."""

import argparse

from resnets import models
from resnets.data.augmentation import Preprocessing
from resnets.training.setup import device_mesh
from resnets.training.step import Recipe

BATCHES = 16
"""Batches of the data set that lies on the device."""
_SMALL = 8  # pixels: digits, which are moved by one and not mirrored


def image_shape(asked: argparse.Namespace) -> tuple[int, int, int]:
    """`(height, width, channels)`."""
    return asked.size, asked.size, asked.channels


def recipe(asked: argparse.Namespace) -> Recipe:
    """SGD with weight decay, crops of CIFAR's recipe or of digits'."""
    fields = {"scan_blocks": not asked.unrolled, "dtype": asked.dtype, "remat": asked.remat}
    digits = asked.size <= _SMALL
    mean, deviation = (0.5,) * asked.channels, (0.25,) * asked.channels
    return Recipe(
        model=models.create(asked.network, asked.classes, **fields),
        preprocessing=Preprocessing(mean, deviation, 1 if digits else 4, not digits),
        mesh=device_mesh(),
        batch_size=asked.batch,
        weight_decay=1e-4,
    )
