"""`launch.sh tensorboard`: look at a study or a run."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from resnets.cli.parser import Parser
from resnets.errors import UserError

_DESCRIPTION = """\
Serve TensorBoard on 127.0.0.1 for a study or run directory. Nothing needs to be set up: the tab
Custom Scalars overlays the curves of all depths, HParams lists the runs with their final errors."""

_EPILOG = """\
examples:
  launch.sh tensorboard runs/degradation
  launch.sh tensorboard runs/degradation --port=6007"""


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("tensorboard", _DESCRIPTION, _EPILOG)
    parser.add_argument("directory", type=Path, metavar="DIR", help="study or run directory")
    parser.add_argument("--port", type=int, default=6006, help="port (default: 6006)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"TensorBoard takes no {overrides[0]}")
    if not args.directory.is_dir():
        raise UserError(f"{args.directory} is not a directory; name a study or run directory")
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main"]
    where = [f"--logdir={args.directory}", f"--host={args.host}", f"--port={args.port}"]
    return subprocess.run([*command, *where, "--load_fast=false"]).returncode
