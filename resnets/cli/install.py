"""`launch.sh install`: compilers of TPUs and GPUs, for machines that have neither."""

from collections.abc import Sequence

from resnets.cli import targets
from resnets.cli.parser import Parser

_DESCRIPTION = """\
Install a compiler for machines that are not here, for `launch.sh analyze --target=...`:
`tpu` (0.7 GB) or `cuda` (0.4 GB). It lies in .targets/, where only compilations see it."""

_EPILOG = """\
examples:
  launch.sh install tpu
exit status: 0 done, 1 failed, 2 bad arguments."""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("install", _DESCRIPTION, _EPILOG)
    parser.add_argument("extra", choices=tuple(targets.EXTRAS), help="which compiler")
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"install takes no {overrides[0]}")
    print(f"{targets.install(args.extra)}: {targets.version(args.extra)}")
    return 0
