"""The documentation's pictures: a command writes every one of them."""

import re
from pathlib import Path

from resnets.cli import screenshots

DOCS = Path(__file__).parents[2]


def test_every_picture_of_the_readme_and_the_pages_is_one_that_the_command_writes() -> None:
    pages = [DOCS / "README.md", *sorted((DOCS / "docs").glob("*.md"))]
    shown = {
        name
        for page in pages
        for name in re.findall(r"(?:docs/|\]\()([\w-]+)\.png", page.read_text(encoding="utf-8"))
    }
    shots = [name for name, *_ in screenshots.SHOTS]
    written = {f"{of}-{name}" for of in ("report", "tensorboard") for name in shots}
    written |= {f"tensorboard-{tab}" for tab in screenshots.TABS}
    written |= {name for _, names in screenshots.DRAWN for name in names.values()}
    assert shown - written == set()
