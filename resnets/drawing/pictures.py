"""The form of small pictures in rows: arrays as images, with captions and frames in them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from resnets.drawing import palette
from resnets.drawing.heading import CAPTION, TITLE, WIDTH, wrapped
from resnets.drawing.rendering import FONT, on_white

INK = ("#ffffff", "#f2c26b", "#cc4778", "#2a0b7d")
"""Stops from nothing to much: lightness falls all the way, so that print keeps it."""
SIGNED = (palette.BLUE, "#ffffff", palette.VERMILION)
"""Stops from below zero to above."""
_GAP, _LINE = 8, 15


@dataclass(frozen=True)
class Frame:
    """A rectangle in a picture.

    Attributes:
      top: edge, pixels of the picture; may lie outside of it, as all may.
      left: edge.
      height: of it.
      width: of it.
      colour: of the line.
      dashed: whether the line is.
    """

    top: float
    left: float
    height: float
    width: float
    colour: str
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture.

    Attributes:
      pixels: uint8 `[height, width, 3]`.
      caption: lines below it.
      frames: drawn over it, cut off at its border.
    """

    pixels: np.ndarray
    caption: Sequence[str] = ()
    frames: Sequence[Frame] = ()


def coloured(values: np.ndarray, stops: Sequence[str]) -> np.ndarray:
    """Shares from 0 to 1, `[height, width]`, in the colours of a scale: uint8 with 3 channels."""
    table = np.array(
        [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in palette.scale(stops, 256)], np.uint8
    )
    return table[np.clip(np.rint(np.asarray(values) * 255), 0, 255).astype(np.int64)]


def grey(image: np.ndarray) -> np.ndarray:
    """Bytes `[height, width, channels]` of one channel or three as uint8 with 3 channels."""
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]


def _data(pixels: np.ndarray, side: int) -> str:
    """A PNG as an address, enlarged by whole pixels so that no viewer smooths it."""
    factor = max(1, -(-2 * side // max(pixels.shape[:2])))
    large = np.kron(pixels, np.ones((factor, factor, 1), np.uint8))
    stream = io.BytesIO()
    Image.fromarray(large).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _text(x: float, y: float, text: str, size: int, extra: str = "") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{palette.TEXT}" {extra}>'
        f"{escape(text)}</text>"
    )


def _drawn(picture: Picture, x: float, y: float, side: int, number: int) -> str:
    height, width = picture.pixels.shape[:2]
    unit = side / max(height, width)
    parts = [
        f'<clipPath id="picture{number}"><rect x="{x:g}" y="{y:g}" width="{width * unit:g}" '
        f'height="{height * unit:g}"/></clipPath>',
        f'<image x="{x:g}" y="{y:g}" width="{width * unit:g}" height="{height * unit:g}" '
        f'preserveAspectRatio="none" href="{_data(picture.pixels, side)}"/>',
        f'<rect x="{x:g}" y="{y:g}" width="{width * unit:g}" height="{height * unit:g}" '
        f'fill="none" stroke="{palette.AXIS}" stroke-width="0.8"/>',
    ]
    for frame in picture.frames:
        dash = ' stroke-dasharray="5 3"' if frame.dashed else ""
        parts.append(
            f'<rect clip-path="url(#picture{number})" x="{x + frame.left * unit:g}" '
            f'y="{y + frame.top * unit:g}" width="{frame.width * unit:g}" '
            f'height="{frame.height * unit:g}" fill="none" stroke="{frame.colour}" '
            f'stroke-width="2"{dash}/>'
        )
    for line, text in enumerate(picture.caption):
        parts.append(_text(x, y + height * unit + _LINE * (line + 0.85), text, 12))
    return "".join(parts)


def pictures(
    rows: Sequence[tuple[str, Sequence[Picture]]],
    title: str,
    caption: str,
    side: int,
) -> str:
    """Draw pictures as an SVG on white; a row that is too long goes on in the next line.

    Args:
      rows: a heading and its pictures.
      title: the finding, or the question.
      caption: what is shown, and what colours and frames mean.
      side: pixels of the longer side of each picture.
    """
    parts, y = [], 8.0
    for size, advance, lines in (
        (17, 21, wrapped(title, WIDTH, TITLE)),
        (12, 16, wrapped(caption, WIDTH, CAPTION)),
    ):
        for line in lines:
            y += advance
            weight = 'font-weight="bold"' if size == 17 else ""
            parts.append(_text(0, y, line, size, weight))
        y += 4
    number = 0
    for heading, shown in rows:
        y += 14
        if heading:
            y += _LINE
            parts.append(_text(0, y, heading, 13, 'font-weight="bold"'))
            y += 7
        x, lowest = 0.0, 0.0
        for picture in shown:
            if x and x + side > WIDTH:
                x, y, lowest = 0.0, y + lowest + _GAP, 0.0
            parts.append(_drawn(picture, x, y, side, number))
            high = side * picture.pixels.shape[0] / max(picture.pixels.shape[:2])
            lowest = max(lowest, high + _LINE * len(picture.caption))
            x, number = x + side + _GAP, number + 1
        y += lowest
    width, height = WIDTH + 12, y + 12
    return on_white(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-6 0 {width} {height:g}" '
        f'width="{width}" height="{height:g}" font-family="{escape(FONT)}">{"".join(parts)}</svg>'
    ).replace('<rect width="100%"', '<rect x="-6" width="100%"', 1)
