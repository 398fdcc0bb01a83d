"""`launch.sh screenshots`: pictures of a study's page and TensorBoard for the documentation."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from resnets.cli import browser
from resnets.cli.parser import Parser
from resnets.cli.served import served
from resnets.errors import RunError, UserError
from resnets.training.config_file import CHECKOUT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_DESCRIPTION = """\
Take pictures of a study's report page and of its curves in TensorBoard, in a headless Chromium, for
the README: light, dark, and on a phone. `launch.sh install browser` brings what that takes, and is
run first."""

_EPILOG = """\
example:
  launch.sh screenshots runs/degradation --out=docs
exit status: 0 done, 1 failed, 2 bad arguments."""

_SHOTS: tuple[tuple[str, int, int, Literal["light", "dark"]], ...] = (
    ("light", 1180, 1060, "light"),
    ("dark", 1180, 1060, "dark"),
    ("phone", 390, 1520, "light"),
)
"""Name, width and height of the window, theme."""

_CHART = "tf-custom-scalar-multi-line-chart-card"
_SETTLED_MS = 6000
"""TensorBoard says nowhere that its charts are drawn; they fade in."""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("screenshots", _DESCRIPTION, _EPILOG)
    parser.add_argument("directory", type=Path, metavar="DIR", help="study directory")
    parser.add_argument(
        "--out", type=Path, default=CHECKOUT / "docs", help="folder (default: docs)"
    )
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"screenshots take no {overrides[0]}")
    report = args.directory / "report" / "report.html"
    if not report.is_file():
        raise UserError(f"{report} is missing; write it with ./launch.sh report {args.directory}")
    browser.install()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(browser.chromium()))
        for name, page in _pages(chromium):
            page.goto(report.absolute().as_uri())
            page.wait_for_selector("html[data-ready]")
            print(_written(args.out / f"report-{name}.png", _picture(page)))
        with served(args.directory) as address:
            for name, page in _pages(chromium):
                page.goto(address)
                page.wait_for_selector(_CHART, timeout=60_000)
                page.wait_for_timeout(_SETTLED_MS)
                print(_written(args.out / f"tensorboard-{name}.png", page.screenshot()))
        chromium.close()
    return 0


def _pages(chromium: "Browser") -> Iterator[tuple[str, "Page"]]:
    """A new page for each picture, with its name."""
    for name, width, height, theme in _SHOTS:
        page = chromium.new_page(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            device_scale_factor=1.25,
        )
        yield name, page
        page.close()


def _picture(page: "Page") -> bytes:
    """What a reader sees first; with a wide screen the pointer is on the first chart."""
    place = page.locator("#curves-0 .drawing")
    box = place.bounding_box() if place.count() else None
    if box and box["y"] + box["height"] / 2 < (page.viewport_size or {"height": 0})["height"]:
        place.hover(position={"x": box["width"] * 0.42, "y": box["height"] / 2})
    return page.screenshot()


def _written(file: Path, picture: bytes) -> Path:
    from PIL import Image

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Image.open(io.BytesIO(picture)).convert("RGB")
        # A third of the size; the method that takes the rare colours, which are those of the data.
        small = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        small.save(file, optimize=True)
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror}") from None
    return file
