"""`launch.sh tensorboard`: look at a study or a run."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from resnets.cli.parser import Parser
from resnets.errors import UserError

_DESCRIPTION = """\
Serve TensorBoard on 127.0.0.1 for a study or run directory. Nothing needs to be set up. A study
opens on its degradation curves (tab Custom Scalars): an overlay of all depths for each arm, the gap
between the arms, an overlay of the arms for each depth. HParams lists the runs with their final
errors, Images has first filters and feature maps, Histograms the responses, Text the configs."""

_EPILOG = """\
examples:
  launch.sh tensorboard runs/degradation
  launch.sh tensorboard runs/degradation --port=6007
  launch.sh tensorboard runs/degradation/runs/plain-d56-s0"""

_MOST = 40
"""Event directories up to which TensorBoard shows all of them when it opens; of more it shows none.
"""

_CURVES = "custom_scalars&_smoothingWeight=0"
"""The tab with the study's curves, as measured: TensorBoard would smooth them."""

_Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("tensorboard", _DESCRIPTION, _EPILOG)
    parser.add_argument("directory", type=Path, metavar="DIR", help="study or run directory")
    parser.add_argument("--port", type=int, default=6006, help="port (default: 6006; 0: any free)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"TensorBoard takes no {overrides[0]}")
    if not args.directory.is_dir():
        raise UserError(f"{args.directory} is not a directory; name a study or run directory")
    folder, tab = args.directory, ""
    if (folder / "manifest.jsonl").is_file():
        folder, tab = _study(folder), _CURVES
    return _serve(folder, args.host, args.port, tab)


def _study(folder: Path) -> Path:
    """Write a study's curves as they are now; the folder to serve."""
    from resnets.reports.results import read_study
    from resnets.reports.tensorboard import write_tensorboard

    curves = write_tensorboard(read_study(folder))
    shown = {file.parent for file in folder.rglob("events.out.tfevents.*")}
    if len(shown) <= _MOST:
        return folder
    print(
        f"{len(shown)} curves and runs; TensorBoard would open with none of them on, so this shows "
        f"the study's curves alone. For its runs: launch.sh tensorboard {folder / 'runs'}",
        file=sys.stderr,
    )
    return curves


_START = """<!doctype html><html lang="en"><title>TensorBoard</title>
<script>
if (localStorage.getItem("_ignoreYOutliers") === null)
  localStorage.setItem("_ignoreYOutliers", "false");
location.replace("/?start=curves#TAB");
</script><a href="/?start=curves#TAB">The curves</a></html>
"""
"""TensorBoard leaves "outliers" out of its axes unless a browser's storage says otherwise, and the
first epochs of a network that learns fast are such: the curves would be cut where they begin."""


def starting_at(tab: str, application: _Application) -> _Application:
    """The application, which sends a browser that asks for `/` to one of its tabs, axes whole."""
    page = _START.replace("TAB", tab).encode()

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        bare = environ.get("PATH_INFO") in ("", "/") and not environ.get("QUERY_STRING")
        if not bare:
            return application(environ, start)
        # The part after # never reaches a server: without a query this would be a loop.
        kind = "text/html; charset=utf-8"
        start("200 OK", [("Content-Type", kind), ("Content-Length", str(len(page)))])
        return [page]

    return answer


def _serve(folder: Path, host: str, port: int, tab: str) -> int:
    """Serve until the process is interrupted."""
    import warnings

    warnings.simplefilter("ignore")  # TensorBoard's own, of its dependencies
    from tensorboard import default, program

    class Server(program.WerkzeugServer):
        """TensorBoard's server, with another start page."""

        def __init__(self, application: _Application, flags: Any) -> None:
            super().__init__(starting_at(tab, application) if tab else application, flags)

        def get_url(self) -> str:
            return f"{super().get_url()}{'#' if tab else ''}{tab}"

    board = program.TensorBoard(plugins=default.get_plugins(), server_class=Server)
    where = [f"--logdir={folder}", f"--host={host}", f"--port={port}"]
    board.configure(["tensorboard", *where, "--load_fast=false"])
    try:
        return int(bool(board.main()))
    except KeyboardInterrupt:
        return 0
