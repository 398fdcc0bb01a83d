"""What tests and pictures of the pages need: Playwright, a Chromium, and axe-core's rules."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from resnets.cli import extras
from resnets.errors import RunError
from resnets.training.config_file import CHECKOUT

HOME = CHECKOUT / ".browser"
AXE = "axe-core@4.14.1"
"""Deque's accessibility rules, MPL-2.0: fetched once by npm, not part of this project."""

_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> Path:
    """The browser: the one that `CHROMIUM` names, or one on the PATH.

    Raises:
      RunError: there is none.
    """
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _CHROMIUMS)), None)
    if not found or not Path(found).is_file():
        raise RunError(
            f"no Chromium {f'at CHROMIUM={named}' if named else 'on the PATH'}; "
            "on Debian: apt-get install chromium"
        )
    return Path(found)


def axe() -> Path:
    """The script with the rules, where `install` puts it."""
    return HOME / AXE / "axe.min.js"


def install() -> str:
    """Install what is not there yet; say what is.

    Raises:
      RunError: a browser, pip or npm is missing or failed.
    """
    browser = chromium()
    extras.install("browser", ("playwright",))
    if not axe().exists():
        _fetch_axe()
    return f"{browser}, Playwright, {AXE} in {HOME}"


def _fetch_axe() -> None:
    """Take one file out of npm's package, without installing it."""
    npm = shutil.which("npm")
    if not npm:
        raise RunError(f"npm is missing, which fetches {AXE}; on Debian: apt-get install npm")
    print(f"fetching {AXE} (once)", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, stdout=sys.stderr).returncode:
            raise RunError(f"npm could not fetch {AXE}; the lines above say why")
        package = next(Path(folder).glob("*.tgz"))
        with tarfile.open(package) as archive:
            script = archive.extractfile("package/axe.min.js")
            content = script.read() if script else b""
    axe().parent.mkdir(parents=True, exist_ok=True)
    axe().write_bytes(content)
