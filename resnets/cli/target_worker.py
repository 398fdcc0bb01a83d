"""Compiles one program for a machine that is not there; a process of its own.

Compilers of devices may crash, hang or take all the memory, and want settings of the environment
that a process makes once. Reads a job as JSON from standard input, writes `result.json`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def _environment() -> None:
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"
    os.environ["TPU_SKIP_MDS_QUERY"] = "1"
    os.environ["TPU_WORKER_HOSTNAMES"] = "localhost"
    os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "true"  # no device is touched, so none is locked
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)  # programs are kept by their own hash
    os.environ.setdefault("TPU_STDERR_LOG_LEVEL", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> int:
    """Do the job; exit 3 for a mistake of the user, 4 if the compiler refuses, with one line."""
    job = json.load(sys.stdin)
    _environment()
    from resnets.errors import UserError

    try:
        found = _compile(job)
    except UserError as error:
        print(str(error), file=sys.stderr)
        return 3
    except ValueError as error:  # an AnalysisError, which only JAX's side of the program knows
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 4
    Path(job["result"]).write_text(json.dumps(found), encoding="utf-8")
    return 0


def _compile(job: dict[str, Any]) -> dict[str, Any]:
    from resnets.analysis import hardware
    from resnets.analysis.targets import program, projected
    from resnets.analysis.targets.catalogue import read_target, slice_for
    from resnets.cli import backend, subject

    given = os.environ.get("XLA_FLAGS", "")
    backend.configure()
    os.environ["XLA_FLAGS"] = given  # what is set for CPUs would reach compilers of devices
    chosen, devices = slice_for(read_target(job["target"]), job["devices"]), job["devices"]
    platform, mesh = chosen.target.platform, program.mesh(chosen, devices)
    programs = Path(job["programs"])
    args = subject.parse(job["subject"])
    if job["chain"]:
        return _chain(job["chain"], args.batch_size, chosen, programs, mesh)
    network = subject.given(args, job["overrides"])
    lowered = subject.lower(network, args, platform, mesh, prepared=False)
    found = program.compiled(lowered, chosen, programs, job["effort"] == "quick")
    if devices > 1:  # our own projection is of one device's part of the batch
        args.batch_size //= devices
        lowered = subject.lower(network, args, platform, prepared=False)
    machine = hardware.load(job["hardware"] or chosen.target.hardware)
    return found | projected.projected(lowered, machine, devices, args.phase == "train")


def _chain(width: int, batch: int, chosen: Any, programs: Path, mesh: Any) -> dict[str, Any]:
    from resnets.analysis import lower
    from resnets.analysis.targets import chains, program, projected

    network, platform = chains.Chain(width), chosen.target.platform
    lowered = lower.inference(network, chains.IMAGE, batch, platform, mesh, prepared=False)
    return program.compiled(lowered, chosen, programs) | projected.described(lowered)


if __name__ == "__main__":
    sys.exit(main())
