"""Runs as array jobs of Slurm, on nodes that all see the study directory.

`slurm/` of the study directory holds for each array the script and the runs, one a line, in the
order of the array's indices. A job that Slurm requeues goes on from its run's last checkpoint.
"""

import collections
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from resnets.errors import RunError, UserError
from resnets.studies import attempts
from resnets.studies.engines import Limits, Resources
from resnets.studies.following import Follower, failures, open_rows
from resnets.studies.row import Row
from resnets.studies.worker import command
from resnets.training.config_file import CHECKOUT
from resnets.training.durable import write_json
from resnets.training.progress import Display

ENGINE = "slurm"
_LARGEST_ARRAY = 1000
"""Slurm's own default allows indices up to 1000."""
_POLL_S = 2.0
_STOPPING_S = 90.0
_LIVE = ("PENDING", "RUNNING", "SUSPENDED", "CONFIGURING", "COMPLETING", "REQUEUED", "REQUEUE_HOLD")


def check() -> None:
    """Find Slurm's commands.

    Raises:
      UserError: they are not on the PATH.
    """
    missing = [name for name in ("sbatch", "squeue", "scancel") if not shutil.which(name)]
    if missing:
        raise UserError(
            f"--engine=slurm needs {', '.join(missing)} on the PATH; start it on a machine that "
            "submits to the cluster"
        )


def run(
    rows: Sequence[Row],
    directory: Path,
    limits: Limits,
    resources: Resources,
    options: Sequence[str],
) -> list[str]:
    """Submit what is not done yet and follow it; a run that fails does not stop the others.

    An array that an earlier call submitted and that is still queued or running is followed, not
    submitted again. Interrupting cancels the arrays.

    Args:
      rows: the runs.
      directory: the study directory; all nodes must see it under this path.
      limits: of each run, and how many at once.
      resources: of each run.
      options: more options for sbatch, such as `--partition=gpu`.

    Returns:
      The reasons of the runs that failed.

    Raises:
      UserError: Slurm is not here.
      RunError: Slurm refuses the job or does not answer.
    """
    check()
    array = _Arrays(directory.absolute(), limits, resources, options)
    with Display(len(rows)) as display:
        follower = Follower(rows, directory, display)
        try:
            left = open_rows(rows, directory)
            for job in array.live():
                display.say(f"Slurm still has job {job} of this study")
                array.follow(job, follower)
            while left := [r for r in left if not _settled(r, directory, array, limits)]:
                job = array.submit(left[:_LARGEST_ARRAY])
                display.say(f"Slurm has {min(len(left), _LARGEST_ARRAY)} runs as job {job}")
                array.follow(job, follower)
        except KeyboardInterrupt:
            array.cancel()
            raise
    return failures(rows, directory)


def _settled(row: Row, directory: Path, arrays: "_Arrays", limits: Limits) -> bool:
    """Whether a run needs no job, or no other one; says why where its own job could not."""
    ending = attempts.ending(directory, row.id)
    if row.id not in arrays.ended:
        return ending is not None and ending.outcome == "done"
    state = arrays.ended[row.id]
    if ending is not None and ending.outcome != "preempted":
        return True
    if state == "PREEMPTED" or (ending and state not in ("CANCELLED", "TIMEOUT")):
        return False
    if state == "TIMEOUT" and arrays.submitted[row.id] <= limits.retries:
        return False
    attempts.fail(directory, row.id, ENGINE, f"Slurm ended its job: {state or 'unknown'}")
    return True


class _Arrays:
    """The array jobs of one study."""

    def __init__(
        self, directory: Path, limits: Limits, resources: Resources, options: Sequence[str]
    ) -> None:
        self._directory, self._limits = directory, limits
        self._resources, self._options = resources, options
        self._folder = directory / "slurm"
        self._following: str | None = None
        self.submitted: collections.Counter[str] = collections.Counter()
        self.ended: dict[str, str] = {}  # run: the last state that Slurm gave its job

    def submit(self, rows: Sequence[Row]) -> str:
        """Write and submit an array; return the job's number."""
        self._folder.mkdir(exist_ok=True)
        number = len(list(self._folder.glob("*.sh"))) + 1
        listed = self._folder / f"{number}.runs"
        listed.write_text("".join(f"{row.id}\n" for row in rows), encoding="utf-8")
        script = self._folder / f"{number}.sh"
        script.write_text(self._script(listed, len(rows)), encoding="utf-8")
        job = _slurm("sbatch", "--parsable", *self._options, str(script)).split(";")[0].strip()
        self._following = job
        self.submitted.update(row.id for row in rows)
        write_json(self._folder / f"{number}.json", {"job": job, "runs": [r.id for r in rows]})
        return job

    def _script(self, listed: Path, count: int) -> str:
        most = f"%{self._limits.max_parallel}" if self._limits.max_parallel else ""
        gpus = self._resources.gpus
        head = [
            "#SBATCH --job-name=study",
            f"#SBATCH --array=1-{count}{most}",
            f"#SBATCH --cpus-per-task={self._resources.cpus}",
            *([f"#SBATCH --gres=gpu:{gpus}"] if gpus else []),
            "#SBATCH --ntasks=1",
            "#SBATCH --requeue",
            "#SBATCH --open-mode=append",
            f'#SBATCH --output="{str(self._folder).replace("%", "%%")}/%A_%a.log"',
        ]
        work = shlex.join([sys.executable, *command(self._directory, "RUN", ENGINE, self._limits)])
        return "\n".join(
            [
                "#!/bin/bash",
                *head,
                "set -eu",
                f'run=$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" {shlex.quote(str(listed))})',
                f"export PYTHONPATH={shlex.quote(str(CHECKOUT))}${{PYTHONPATH:+:$PYTHONPATH}}",
                # exec: the worker is what Slurm's signals reach
                f'exec {work.removesuffix("RUN")}"$run"',
                "",
            ]
        )

    def live(self) -> list[str]:
        """The jobs of earlier calls that Slurm still has."""
        jobs = []
        for file in sorted(self._folder.glob("*.json")):
            job = str(json.loads(file.read_text())["job"])
            if any(state in _LIVE for state in _states(job).values()):
                jobs.append(job)
        return jobs

    def follow(self, job: str, follower: Follower) -> None:
        """Wait until Slurm has nothing more of a job to do."""
        self._following = job
        runs = self._runs(job)
        while True:
            states = _states(job)
            for index, run in enumerate(runs, 1):
                if str(index) in states:
                    self.ended[run] = states[str(index)]
            follower.update()
            if not any(state in _LIVE for state in states.values()):
                break
            time.sleep(_POLL_S)
        for run in runs:
            self.ended.setdefault(run, "")
        self._following = None

    def _runs(self, job: str) -> list[str]:
        for file in self._folder.glob("*.json"):
            record = json.loads(file.read_text())
            if record["job"] == job:
                return list(record["runs"])
        return []

    def cancel(self) -> None:
        """Cancel the job that is followed and wait until nothing of it runs."""
        job = self._following
        if job is None:
            return
        _slurm("scancel", job)
        end = time.monotonic() + _STOPPING_S
        while any(state in _LIVE for state in _states(job).values()):
            if time.monotonic() > end:
                raise RunError(f"Slurm still runs job {job} after scancel; see squeue -j {job}")
            time.sleep(0.5)


def _states(job: str) -> dict[str, str]:
    """Slurm's state of each index of an array, as long as it remembers it."""
    question = ("squeue", "--noheader", "--array", "--states=all", f"--jobs={job}")
    try:
        answer = _slurm(*question, "--format=%K %T")
    except RunError as error:
        if "Invalid job id" in str(error):
            return {}
        raise
    pairs = [line.split() for line in answer.splitlines()]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _slurm(*command: str) -> str:
    """Ask one of Slurm's commands; again for a while if its controller does not answer.

    Raises:
      RunError: it refuses, or does not answer.
    """
    said = ""
    for pause in (1, 5, 20, 60, 0):
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"}
        )
        if not answer.returncode:
            return answer.stdout
        said = " ".join(answer.stderr.split())
        if "Unable to contact" not in said and "timed out" not in said:
            break
        time.sleep(pause)
    raise RunError(f"{command[0]}: {said or f'exit status {answer.returncode}'}")
