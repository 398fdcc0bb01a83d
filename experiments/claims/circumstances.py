"""What a measurement depends on besides the thing measured: code, libraries, machine."""

import functools
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax
import jax

import resnets
from resnets.training.machine import machine

_CODE = ("analysis", "data", "models", "probes", "training")
"""Packages that measurements call."""


def circumstances(measure: Callable[..., Any]) -> dict[str, Any]:
    """Hash of the code that measures, versions, processor and device."""
    own = Path(str(sys.modules[measure.__module__].__file__))
    return {
        "code": _digest(own),
        "versions": {"jax": jax.__version__, "flax": flax.__version__},
        "machine": machine(),
        "device": jax.devices()[0].device_kind,
    }


@functools.cache
def _digest(own: Path) -> str:
    root = Path(resnets.__file__).parent
    files = [path for package in _CODE for path in sorted((root / package).rglob("*.py"))]
    digest = hashlib.sha256()
    for path in (own, *files):
        digest.update(path.read_bytes())
    return digest.hexdigest()
