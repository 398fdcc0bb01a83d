"""Runs as tasks of Ray: on this machine, or on a cluster whose nodes all see the study directory.

Ray places the runs and starts a run again elsewhere when its node is lost; a process that is not
Ray's own does the work, so that what Ray knows is never needed to tell how a run stands.
"""

import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from resnets.errors import RunError, UserError
from resnets.studies import attempts
from resnets.studies.engines import Limits, Resources
from resnets.studies.following import Follower, failures, open_rows
from resnets.studies.row import Row
from resnets.studies.worker import PREEMPTED, command
from resnets.training.config_file import CHECKOUT
from resnets.training.progress import Display

ENGINE = "ray"
_SETTINGS = ("JAX_", "XLA_", "TFDS_")
"""Beginnings of the environment variables that a run must find as here."""
_STOPPING_S = 60.0
_KNOCKING_S = 10.0


def load() -> ModuleType:
    """Import Ray, with its reports home off.

    Raises:
      UserError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UserError(
            f"--engine=ray needs Ray; install it with {sys.executable} -m pip install ray"
        ) from None
    module: ModuleType = ray
    return module


def run(
    rows: Sequence[Row],
    directory: Path,
    limits: Limits,
    resources: Resources,
    address: str | None,
    dashboard: bool,
) -> list[str]:
    """Run what is not done yet; a run that fails does not stop the others.

    Args:
      rows: the runs.
      directory: the study directory; all nodes must see it under this path.
      limits: a lost node counts as one of the retries.
      resources: of each run.
      address: a cluster's; None starts Ray on this machine for as long as the study takes.
      dashboard: whether a Ray that is started here serves its page, on 127.0.0.1.

    Returns:
      The reasons of the runs that failed.

    Raises:
      UserError: Ray is not installed, or no machine has what a run asks for.
      RunError: the cluster cannot be reached.
    """
    ray = load()
    _connect(ray, address, dashboard)
    try:
        with Display(len(rows)) as display:
            _check(ray, resources, address, display)
            _Tasks(ray, directory, limits, resources).see_through(rows, display)
    finally:
        ray.shutdown()
    return failures(rows, directory)


def _reach(address: str) -> None:
    """Knock at a cluster's door: Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"--address={address} must read HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCKING_S).close()
    except (OSError, OverflowError) as error:
        raise RunError(
            f"no Ray cluster at --address={address} ({error}); start one with ray start --head"
        ) from None


def _connect(ray: ModuleType, address: str | None, dashboard: bool) -> None:
    if address:
        _reach(address)
    own = {"include_dashboard": dashboard, "dashboard_host": "127.0.0.1"}
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    on_termination = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        # JAX warns of every fork; Ray's children go on to another program at once
        warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
        try:
            ray.init(address=address or "local", **quiet, **({} if address else own))
        except (ConnectionError, RuntimeError, ValueError) as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            where = f"Ray at {address}" if address else "Ray on this machine"
            raise RunError(f"{where} did not start: {said[0]}") from None
    signal.signal(signal.SIGTERM, on_termination)  # Ray has put its own in place


def _check(ray: ModuleType, resources: Resources, address: str | None, display: Display) -> None:
    """Find out before waiting for ever that no node is large enough."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(n.get("CPU", 0) >= resources.cpus and n.get("GPU", 0) >= resources.gpus for n in nodes):
        return
    wanted = f"no node has --cpus={resources.cpus} --gpus={resources.gpus}"
    largest = ", ".join(f"{n.get('CPU', 0):g} cpus and {n.get('GPU', 0):g} gpus" for n in nodes)
    if not address:
        raise UserError(f"{wanted}; here: {largest or 'none'}")
    display.say(f"{wanted} yet ({largest or 'no node'}); waiting for one")


def _task() -> Callable[[list[str], str, Mapping[str, str]], int]:
    """What a node runs, as a function of its own: the node need not import this package."""

    def work(arguments: list[str], folder: str, settings: Mapping[str, str]) -> int:
        import os
        import subprocess
        import sys
        import time

        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder if os.path.isdir(folder) else None,  # noqa: PTH112
            env=os.environ | settings,
        )
        try:
            while process.poll() is None:  # in short sleeps, so that a cancellation gets through
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        return int(process.returncode)

    return work


class _Tasks:
    """The runs that Ray has."""

    def __init__(
        self, ray: ModuleType, directory: Path, limits: Limits, resources: Resources
    ) -> None:
        self._ray, self._directory, self._limits = ray, directory.absolute(), limits
        self._remote = ray.remote(
            num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=limits.retries
        )(_task())
        self._settings = {k: v for k, v in os.environ.items() if k.startswith(_SETTINGS)}
        self._settings["PYTHONPATH"] = str(CHECKOUT)
        self._active: dict[Any, Row] = {}

    def see_through(self, rows: Sequence[Row], display: Display) -> None:
        """Keep Ray supplied until no run is left."""
        follower = Follower(rows, self._directory, display)
        waiting = open_rows(rows, self._directory)
        most = self._limits.max_parallel or len(waiting)
        try:
            while waiting or self._active:
                while waiting and len(self._active) < most:
                    self._submit(waiting.pop(0))
                ready, _ = self._ray.wait(list(self._active), timeout=1.0)
                waiting += [row for ref in ready if (row := self._ended(ref))]
                follower.update()
        except BaseException:
            self._stop()
            raise

    def _submit(self, row: Row) -> None:
        arguments = command(self._directory, row.id, ENGINE, self._limits)
        ref = self._remote.options(name=row.id).remote(arguments, str(Path.cwd()), self._settings)
        self._active[ref] = row

    def _ended(self, ref: Any) -> Row | None:
        """Take note that a task has ended; the row, if it was preempted and must go again."""
        row = self._active.pop(ref)
        try:
            status = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            attempts.fail(self._directory, row.id, ENGINE, f"Ray: {said[0]}")
            return None
        if status == PREEMPTED:
            return row
        if attempts.ending(self._directory, row.id) is None:
            reason = (
                f"ended with exit status {status} and left no record; "
                f"do all nodes see {self._directory}?"
            )
            attempts.fail(self._directory, row.id, ENGINE, reason)
        return None

    def _stop(self) -> None:
        for ref in self._active:
            self._ray.cancel(ref)
        if self._active:
            self._ray.wait(list(self._active), num_returns=len(self._active), timeout=_STOPPING_S)
