"""The machine that a run is on, as its reader would name it."""

import os
import platform
from pathlib import Path
from typing import Any


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown processor")


def cores() -> int:
    """How many of its cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, str | int]:
    """What `config.json` says of it; no name of a host or a person."""
    system = f"{platform.system()} {platform.machine()}"
    return {"processor": processor(), "cores": cores(), "system": system}


def device_memory(device: Any) -> int:
    """Bytes that a JAX device has in all; of a processor, what is available now; 0 if not known."""
    try:
        known = (device.memory_stats() or {}).get("bytes_limit", 0)
        if known or device.platform != "cpu":
            return int(known)
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
        free = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, RuntimeError):
        return 0
    return min([int(free) * 1024, *_limits()])


def _limits() -> list[int]:
    """The memory limit of a container, if there is one."""
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text("utf-8").strip()
    except OSError:
        return []
    return [int(text)] if text.isdecimal() else []
