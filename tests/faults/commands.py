"""Commands of the project in processes of their own, and what they leave behind."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
GRID = ("--depths=8", "--seeds=3")
"""Six runs: two arms with three seeds each."""
SMALL = (
    "--config.data.train=train[:128]",
    "--config.data.test=test[:50]",
    "--config.batch_size=32",
    "--config.schedule=constant",
    "--config.checkpoint_every=1",
)


def environment(**more):
    """That of a user: one CPU device, not the eight of the tests."""
    kept = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "PYTHONPATH")}
    return kept | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"} | more


def start(*argv, errors=subprocess.STDOUT, **more):
    """A command of launch.sh; its output is there when it has ended."""
    return subprocess.Popen(
        [sys.executable, "-m", "resnets.cli", *argv],
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def finish(process, seconds=400):
    """Wait for a command; its exit status and output."""
    try:
        output = process.communicate(timeout=seconds)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return process.returncode, output


def wait_for(condition, seconds=240):
    """What `condition` gives once that is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
    return value


def hashes(study):
    """The parameters of every run that is done."""
    found = study.glob("runs/*/done.json")
    return {f.parent.name: json.loads(f.read_text())["parameters_sha256"] for f in found}


def outcomes(study):
    """How the attempts at every run ended, in their order; None for one that never said so."""
    found = {}
    for begun in sorted(study.glob("attempts/*/????.json")):
        end = begun.with_name(begun.name.replace(".json", ".end.json"))
        outcome = json.loads(end.read_text())["outcome"] if end.exists() else None
        found.setdefault(begun.parent.name, []).append(outcome)
    return found


def epochs(study, run):
    """The epochs that a run has recorded, wherever its directory is."""
    files = [*study.glob(f"attempts/{run}/*/metrics.jsonl"), study / "runs" / run / "metrics.jsonl"]
    for file in files:
        with contextlib.suppress(OSError):
            records = [json.loads(line) for line in file.read_text().splitlines()]
            return [r["epoch"] for r in records if r["kind"] == "epoch"]
    return []


def processes_of(study):
    """Command lines of processes that work on a study."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(study) in line and int(file.parent.name) != os.getpid():
                found.append(line)
    return found
