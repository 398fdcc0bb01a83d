"""`launch.sh install`: what only some verbs need: device compilers, tools of the browser tests."""

from collections.abc import Sequence

from resnets.cli import browser, targets
from resnets.cli.parser import Parser

_DESCRIPTION = """\
Install a compiler for machines that are not here, for `launch.sh analyze --target=...`:
`tpu` (0.7 GB) or `cuda` (0.4 GB). It lies in .targets/, where only compilations see it. Or
`browser`: Playwright from PyPI into this environment and axe-core (MPL-2.0) by npm into .browser/,
for `launch.sh test --browser` and `launch.sh screenshots`; they drive this machine's Chromium."""

_EPILOG = """\
examples:
  launch.sh install tpu
  launch.sh install browser
exit status: 0 done, 1 failed, 2 bad arguments."""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("install", _DESCRIPTION, _EPILOG)
    parser.add_argument("extra", choices=(*targets.EXTRAS, "browser"), help="which")
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"install takes no {overrides[0]}")
    if args.extra == "browser":
        print(browser.install())
        return 0
    print(f"{targets.install(args.extra)}: {targets.version(args.extra)}")
    return 0
