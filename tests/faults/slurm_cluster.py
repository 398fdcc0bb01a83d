"""A Slurm of two virtual nodes on this machine, from Debian's packages, without systemd.

Needs slurm-wlm and munge, and root. Everything lies in one directory and ends with the context.
"""

import contextlib
import os
import platform
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
NODES = ("node1", "node2")

CONFIGURATION = """\
ClusterName=study
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MailProg=/bin/true
ReturnToService=2
KillWait=30
SchedulerParameters=sched_interval=1,batch_sched_delay=0
{nodes}
PartitionName=all Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no cluster here; empty if there can."""
    search = os.environ["PATH"] + ":/usr/sbin"
    absent = [name for name in PROGRAMS if not shutil.which(name, path=search)]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurm-wlm, munge)"
    return "" if os.geteuid() == 0 else "needs root"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


def _configure(folder: Path) -> Path:
    controller, *ports = _free_ports(1 + len(NODES))
    host = platform.node()
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1"
        for name, port in zip(NODES, ports, strict=True)
    )
    file = folder / "slurm.conf"
    file.write_text(
        CONFIGURATION.format(
            host=host, controller_port=controller, folder=folder, nodes=nodes, names=",".join(NODES)
        )
    )
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    return file


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start everything; gives the environment in which Slurm's commands find it."""
    folder.mkdir()
    file = _configure(folder)
    environment = os.environ | {
        "SLURM_CONF": str(file),
        "PATH": os.environ["PATH"] + ":/usr/sbin",
    }
    munge = (
        *("munged", "--foreground", "--force", "--num-threads=2"),
        *(f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket"),
        *(f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed"),
        f"--log-file={folder}/munged.log",
    )
    daemons = [("slurmctld", "-D", "-f", file), *(("slurmd", "-D", "-N", n) for n in NODES)]
    running: list[subprocess.Popen[bytes]] = []
    with (folder / "output.log").open("wb") as log:

        def start(*command: object) -> None:
            words = [str(word) for word in command]
            running.append(
                subprocess.Popen(words, env=environment, stdout=log, stderr=subprocess.STDOUT)
            )

        try:
            start(*munge)
            _wait(lambda: (folder / "munge.socket").exists(), folder)
            for daemon in daemons:
                start(*daemon)
            _wait(lambda: _idle(environment) == len(NODES), folder)
            yield environment
        finally:
            for process in reversed(running):
                process.terminate()
            for process in reversed(running):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                process.kill()
                process.wait()


def _idle(environment: dict[str, str]) -> int:
    answer = subprocess.run(
        ["sinfo", "--noheader", "--Node", "--format=%T"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.split().count("idle")


def _wait(condition, folder: Path) -> None:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            logs = [f"{f}\n{f.read_text(errors='replace')[-2000:]}" for f in folder.glob("*.log")]
            raise AssertionError("Slurm did not start\n" + "\n".join(logs))
        time.sleep(0.2)
