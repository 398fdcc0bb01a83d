"""`launch.sh screenshots`: pictures of a study's page and TensorBoard for the documentation."""

import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
Make every picture of the documentation anew: a study's report page and its curves in TensorBoard,
light, dark and on a phone, TensorBoard's other tabs, the study's probes, the roofline
and the memory of ResNet-50, the complexity of all networks. `launch.sh install browser` brings what
that takes, and is run first. All take ten to fifteen minutes, most of them for the last."""

_EPILOG = """\
example:
  launch.sh screenshots runs/degradation --out=docs
exit status: 0 done, 1 failed, 2 bad arguments."""

SHOTS: tuple[tuple[str, int, int, Literal["light", "dark"]], ...] = (
    ("light", 1180, 1060, "light"),
    ("dark", 1180, 1060, "dark"),
    ("phone", 390, 1520, "light"),
)
"""Name, width and height of the window, theme."""

TABS = ("images", "histograms", "text")
"""Of TensorBoard, beside the curves."""

_RESNET50 = ("analyze", "resnet50", "--hardware=tpu_v5e", "--batch_size=128")
PROBED = ("response", "gradient", "shift", "receptive_field", "calibration")
"""Probes whose first chart of the study's deepest networks is shown; lesions say more at 20 layers.
"""

DRAWN: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
    (("probe", "DIR", "--what=lesion", "--depth=20", "--out=OUT"), {"lesion": "probes-lesion"}),
    *(
        (("probe", "DIR", f"--what={what}", "--out=OUT"), {what: f"probes-{what}"})
        for what in PROBED
    ),
    (
        ("probe", "DIR/runs/residual-d20-s0", "--what=features", "--images=3", "--out=OUT"),
        {"features": "probes-features"},
    ),
    (
        (*_RESNET50, "--precision=bfloat16", "--format=csv", "--charts=OUT"),
        {"roofline": "roofline", "occupancy_vmem": "occupancy"},
    ),
    (("complexity", "--out=OUT"), {"imagenet": "complexity"}),
)
"""Commands that draw charts, and the names of these in the documentation."""

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
            for tab, picture in _tabs(chromium, address):
                print(_written(args.out / f"tensorboard-{tab}.png", picture))
        chromium.close()
    for command, names in DRAWN:
        for name, picture in _charts(command, names, args.directory):
            print(_written(args.out / f"{name}.png", picture))
    return 0


def _tabs(chromium: "Browser", address: str) -> Iterator[tuple[str, bytes]]:
    """What TensorBoard shows in its other tabs."""
    for tab in TABS:
        page = chromium.new_page(viewport={"width": 1180, "height": 760})
        page.goto(f"{address.partition('#')[0]}?tab={tab}#{tab}")
        page.wait_for_timeout(_SETTLED_MS)
        yield tab, page.screenshot()
        page.close()


def _charts(
    command: Sequence[str], names: Mapping[str, str], study: Path
) -> Iterator[tuple[str, bytes]]:
    """The charts that a verb draws, under their names in the documentation.

    Raises:
      RunError: the verb failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = [part.replace("OUT", folder) for part in command]
        said = [re.sub("^DIR", lambda _: str(study), part) for part in said]
        line = [sys.executable, "-m", "resnets.cli", *said]
        if subprocess.run(line, stdout=subprocess.DEVNULL, check=False).returncode:
            raise RunError(f"launch.sh {' '.join(command)} failed; the lines above say why")
        for name, called in names.items():
            yield called, (Path(folder) / f"{name}.png").read_bytes()


def _pages(chromium: "Browser") -> Iterator[tuple[str, "Page"]]:
    """A new page for each picture, with its name."""
    for name, width, height, theme in SHOTS:
        page = chromium.new_page(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            device_scale_factor=1.25,
        )
        yield name, page
        page.close()


def _picture(page: "Page") -> bytes:
    """What a reader sees first; with a wide screen the pointer is on the residual curves.

    On the plain ones its box would lie over the curve that the page is about.
    """
    place = page.locator("#curves-1 .drawing")
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
