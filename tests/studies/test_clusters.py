"""Ray and Slurm without either: what is said when they are missing, and what Slurm is handed.

tests/faults has both for real.
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from resnets.errors import RunError, UserError
from resnets.studies import attempts, manifest
from resnets.studies.engines import Limits, Resources, ray, slurm
from resnets.studies.grid import expand, find_study

FAKE = Path(__file__).with_name("fake_training.py")
WORKER = f"""
import sys
from resnets.studies import worker
worker.TRAIN = ({sys.executable!r}, "-S", {str(FAKE)!r})
sys.exit(worker.main(sys.argv[1:]))
"""
SBATCH = """#!/bin/bash
# What Slurm does with an array, one index after the other.
echo "$@" > "$SLURM_FAKE/arguments"
script="${@: -1}"
last=$(sed -n 's/^#SBATCH --array=1-\\([0-9]*\\).*/\\1/p' "$script")
for index in $(seq "$last"); do
  SLURM_ARRAY_TASK_ID=$index bash "$script" 2>> "$SLURM_FAKE/log"
  echo "$index COMPLETED" >> "$SLURM_FAKE/states"
done
echo "7;cluster"
"""


@pytest.fixture
def study(tmp_path):
    """A directory whose name needs quoting, and its two runs."""
    about = dataclasses.replace(find_study("degradation"), depths=(8,), seeds=1)
    rows = expand(about)
    directory = tmp_path / "a study, 100 %"
    manifest.extend(directory, about, rows)
    return directory, rows


@pytest.fixture
def fake_slurm(tmp_path, monkeypatch):
    """Slurm's commands as small scripts, and training that takes no time."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    commands = {
        "sbatch": SBATCH,
        "squeue": '#!/bin/sh\ncat "$SLURM_FAKE/states"\n',
        "scancel": "#!/bin/sh\n",
    }
    for name, text in commands.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_FAKE", str(folder))
    real = slurm.command
    monkeypatch.setattr(slurm, "command", lambda *args: ["-c", WORKER, *real(*args)[2:]])
    return folder


def test_slurm_gets_an_array_with_the_resources_and_every_run_is_done(
    study, fake_slurm, monkeypatch
):
    directory, rows = study
    monkeypatch.setenv("FAKE", "done")
    limits = Limits(max_parallel=2, retries=1, timeout_s=60.0)
    assert slurm.run(rows, directory, limits, Resources(3, 1), ["--partition=long"]) == []
    assert {r.id: attempts.ending(directory, r.id).outcome for r in rows} == {
        "plain-d8-s0": "done",
        "residual-d8-s0": "done",
    }
    script = (directory / "slurm" / "1.sh").read_text()
    for line in ("--array=1-2%2", "--cpus-per-task=3", "--gres=gpu:1", "--requeue"):
        assert f"#SBATCH {line}\n" in script
    assert "--partition=long" in (fake_slurm / "arguments").read_text()
    assert json.loads((directory / "slurm" / "1.json").read_text())["job"] == "7"
    assert slurm.run(rows, directory, limits, Resources(), []) == []
    assert not (directory / "slurm" / "2.sh").exists()


def test_a_run_that_fails_under_slurm_is_named_with_its_last_lines(study, fake_slurm, monkeypatch):
    directory, rows = study
    monkeypatch.setenv("FAKE", "crash:9")
    (first, second) = slurm.run(rows, directory, Limits(), Resources(), [])
    assert first == "plain-d8-s0: killed by SIGSEGV: hello from crash"
    assert second.startswith("residual-d8-s0: ")


def test_a_job_that_slurm_refuses_is_one_line(study, fake_slurm):
    directory, rows = study
    (fake_slurm / "sbatch").write_text("#!/bin/sh\necho 'invalid partition' >&2\nexit 1\n")
    with pytest.raises(RunError, match="sbatch: invalid partition"):
        slurm.run(rows, directory, Limits(), Resources(), [])


def test_without_slurm_the_message_says_where_to_start(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="needs sbatch, squeue, scancel on the PATH"):
        slurm.check()


def test_without_ray_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="pip install ray"):
        ray.load()


def test_a_cluster_that_is_not_there_is_said_at_once():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(RunError, match="no Ray cluster at"):
            ray._reach(f"127.0.0.1:{nobody.getsockname()[1]}")
    with pytest.raises(UserError, match="HOST:PORT"):
        ray._reach("somewhere")


def test_what_only_watches_runs_does_not_load_jax():
    code = "import sys, resnets.studies.worker; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
