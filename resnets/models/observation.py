"""What networks show of themselves while they are traced; unobserved, they compute nothing more.

An observer (`resnets.diagnostics`) is told of values that no module returns: the two sides of an
addition, and what a rectifier lets through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jaxtyping import Array

Observer = Callable[[str, tuple[Array, ...]], None]
"""Called with what is shown, `addition` or `relu`, and the arrays."""

COLLECTION = "diagnostics"
"""Flax's collection for what an observer keeps; stages that run as a loop stack it by block."""

_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Show everything that is traced in this context, on this thread, to an observer."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def show(kind: str, *values: Array) -> None:
    """Show values to the observer, if there is one."""
    observer = _observer.get()
    if observer is not None:
        observer(kind, values)
