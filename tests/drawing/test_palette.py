"""Colours as readers with and without colour blindness see them."""

import itertools

import numpy as np
import pytest

from resnets.drawing import palette

SIGHT = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
"""On linear RGB: Machado, Oliveira and Fernandes 2009, severity 1."""
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
LEAST = 15.0
"""Distance in CIE Lab; Okabe and Ito's own green and purple are 18 apart in deuteranopia."""


def linear(colour: str) -> np.ndarray:
    """Linear RGB of `#rrggbb`."""
    shown = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab of linear RGB, daylight 6500 K."""
    share = XYZ @ rgb / (0.95047, 1.0, 1.08883)
    root = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("paper", ["light", "dark"])
def test_any_two_categories_are_told_apart(sight: str, paper: str) -> None:
    light, dark = palette.CATEGORIES, tuple(palette.DARK_CATEGORIES.values())
    seen = {
        colour: lab(np.clip(np.array(SIGHT[sight]) @ linear(colour), 0, 1))
        for colour in (light if paper == "light" else dark)
    }
    near = {
        pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]]))
        for pair in itertools.combinations(seen, 2)
    }
    assert {pair: gap for pair, gap in near.items() if gap < LEAST} == {}
