"""Compilers of machines that are not here: installed on request, run apart, results kept."""

import argparse
import gzip
import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from resnets.errors import RunError, UserError
from resnets.training.config_file import CHECKOUT

HOME = CHECKOUT / ".targets"
EXTRAS = {"tpu": "libtpu", "cuda": "jax-cuda13-pjrt"}
"""The package that brings each compiler; what runs programs on a device is not needed."""

SECONDS, GIGABYTES = 900, 18
EFFORTS = ("full", "quick")
EFFORT = "of a TPU's compiler (default: full); quick takes a tenth, for programs that run slower"
WORKER = "resnets.cli.target_worker"
_POLL = 0.2
_MISTAKE = 3


def requirement(extra: str) -> str:
    """The compiler's package, as the installed JAX asks for it.

    Raises:
      RunError: it does not say.
    """
    package = EXTRAS[extra]
    if extra == "cuda":  # one version for all of them
        return f"{package}=={importlib.metadata.version('jaxlib')}"
    for line in importlib.metadata.requires("jax") or ():
        if line.startswith(package):
            return line.partition(";")[0].strip()
    raise RunError(f"the installed JAX names no {package}; install jax[{extra}] by hand")


def install(extra: str) -> Path:
    """Install a compiler beside the project, where nothing but the compilations sees it.

    Raises:
      RunError: the installation failed.
    """
    folder = HOME / extra
    wanted = requirement(extra)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += [
        "--upgrade",
        f"--target={folder}",
        "--no-deps",
        wanted,
    ]
    print(f"installing {wanted} into {folder}", file=sys.stderr)
    if subprocess.run(command).returncode:
        raise RunError(f"{wanted} could not be installed; the lines above say why")
    return folder


def version(extra: str) -> str:
    """The installed version of a compiler.

    Raises:
      UserError: it is not installed; says which command does that.
    """
    name = EXTRAS[extra].replace("-", "_")
    for found in (HOME / extra).glob(f"{name}-*.dist-info"):
        return found.name.removeprefix(f"{name}-").removesuffix(".dist-info")
    raise UserError(f"no compiler for {extra} here; `./launch.sh install {extra}` brings it")


def compiled(
    target: str,
    extra: str,
    devices: int,
    subject: list[str],
    overrides: list[str],
    limits: tuple[float, float] = (SECONDS, GIGABYTES),
    hardware: str = "",
    effort: str = "full",
) -> dict[str, Any]:
    """Compile one program, or find it compiled, and project it onto a machine.

    Args:
      target: as on the command line.
      extra: of its compiler.
      devices: that the program is for.
      subject: the network's options, as `subject.as_arguments` gives them.
      overrides: of its config.
      limits: seconds and gigabytes that the compilation may take.
      hardware: a hardware file or name; empty for the target's own.
      effort: one of `EFFORTS`; a program made quickly runs several times as long.

    Raises:
      UserError: the compiler is not installed or knows no efforts, or a mistake in the network's
        options.
      RunError: the compiler failed, crashed, or took too long or too much memory.
    """
    if effort != "full" and extra != "tpu":
        raise UserError(f"--effort={effort} is for TPUs; {target} compiles in full only")
    job = {"target": target, "devices": devices, "subject": subject, "overrides": overrides}
    job["effort"] = effort
    return _found(job | {"hardware": hardware, "chain": 0}, extra, limits)


def compiled_chain(target: str, extra: str, width: int, batch_size: int) -> dict[str, Any]:
    """Compile a network of `analysis.targets.chains` and describe its layers.

    Raises:
      UserError: the compiler is not installed.
      RunError: as `compiled`.
    """
    subject = [f"chain of width {width}", f"--batch_size={batch_size}"]
    job = {"target": target, "devices": 1, "subject": subject, "overrides": []}
    job["effort"] = "full"
    return _found(job | {"hardware": "", "chain": width}, extra, (SECONDS, GIGABYTES))


def _found(job: dict[str, Any], extra: str, limits: tuple[float, float]) -> dict[str, Any]:
    """What a worker made of a job, now or before."""
    from resnets.analysis.targets.kept import SETTINGS, write_whole

    packages = [importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax")]
    settings = [os.environ.get(name, "") for name in SETTINGS]
    known = [job, version(extra), *packages, *settings, _sources(job)]
    index = HOME / "index" / f"{hashlib.sha256(json.dumps(known).encode()).hexdigest()}.json.gz"
    if not index.exists():
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            _run(job | {"result": str(result), "programs": str(HOME / "programs")}, extra, limits)
            found = result.read_bytes()
        write_whole(index, gzip.compress(found, mtime=0))
    content: dict[str, Any] = json.loads(gzip.decompress(index.read_bytes()))
    return content


def show(args: argparse.Namespace, overrides: list[str], devices: int) -> int:
    """Print what the compiler of `args.target` makes of a network; return the exit status."""
    from resnets.analysis import render as writing
    from resnets.analysis.targets import render
    from resnets.analysis.targets.catalogue import read_target, slice_for
    from resnets.cli import subject

    chosen = slice_for(read_target(args.target), devices)
    if args.batch_size % devices:
        raise UserError(f"--batch_size={args.batch_size} does not divide by --devices={devices}")
    given = subject.as_arguments(args)
    found = compiled(
        args.target, chosen.target.extra, devices, given, overrides, effort=args.effort
    )
    content = render.as_dict(found, chosen, devices, args.depth)
    if args.format == "json":
        print(writing.as_json(content))
    elif args.format == "csv":
        print(writing.rows_as_csv(content["layers"]))
    else:
        what = f"{args.name or args.config}, {args.phase}, batch {args.batch_size}"
        print(f"{what} on {args.target}\n\n{render.as_table(content)}")
    return 0


def _sources(job: dict[str, Any]) -> str:
    """A hash of all that the result depends on: the package, a config and a hardware file."""
    files = sorted((CHECKOUT / "resnets").rglob("*.py"))
    files += [Path(a[9:].partition(":")[0]) for a in job["subject"] if a.startswith("--config=")]
    files += sorted((CHECKOUT / "configs").glob("*.py"))
    files += sorted((CHECKOUT / "resnets").rglob("*.toml"))
    files += [Path(job["hardware"])] if job["hardware"].endswith(".toml") else []
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes() if file.exists() else b"")
    return digest.hexdigest()


def _run(job: dict[str, Any], extra: str, limits: tuple[float, float]) -> None:
    shown = f"{job['subject'][0].removeprefix('--config=')} for {job['target']}"
    path = [str(CHECKOUT), str(HOME / extra), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    with tempfile.TemporaryFile("w+") as errors:
        worker = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
            cwd=CHECKOUT,
            text=True,
        )
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(job))
        worker.stdin.close()
        reason = _watch(worker, limits)
        errors.seek(0)
        said = [line.strip() for line in errors.read().splitlines() if line.strip()]
    if reason:
        raise RunError(f"{shown}: {reason}")
    if worker.returncode == _MISTAKE:
        raise UserError(said[-1])
    if worker.returncode:
        last = next((line for line in reversed(said) if re.search(r"[Ee]rror|FATAL", line)), "")
        how = f"exit status {worker.returncode}: {last or (said or ['no message'])[-1]}"
        raise RunError(f"{shown}: the compiler failed, {how[:300]}")


def _watch(worker: "subprocess.Popen[str]", limits: tuple[float, float]) -> str:
    """Wait for the end; stop what takes too long or too much, and say so."""
    seconds, gigabytes = limits
    start = time.monotonic()
    reason = ""
    try:
        while worker.poll() is None and not reason:
            time.sleep(_POLL)
            if time.monotonic() - start > seconds:
                reason = f"the compiler was stopped after {seconds:g} s"
            elif _resident(worker.pid) > gigabytes * 1e9:
                reason = f"the compiler was stopped: it took over {gigabytes:g} GB of memory"
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()
    return reason


def _resident(pid: int) -> float:
    """Bytes of memory that a process holds; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return 1024.0 * int(found[1]) if found else 0.0
