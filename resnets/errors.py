"""The ways a command ends early without it being a bug."""

import difflib
import os
import re
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in what the user asked for: one line says what, where and the valid values."""

    exit_code = 2


class RunError(RuntimeError):
    """A run that started well and could not end: one line says why and what to do."""

    exit_code = 1


class Preempted(KeyboardInterrupt):
    """A run that was asked to stop and has saved what it had: the same command goes on from there.

    Not an `Exception`, so that nobody takes it for a failure; the exit status is EX_TEMPFAIL.
    """

    exit_code = 75


def reason(error: Exception) -> str:
    """Say in one line what went wrong with a file, whatever library noticed it.

    >>> reason(OSError(28, "No space left on device", "/runs/a"))
    'No space left on device (/runs/a)'
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f" ({error.filename})" if error.filename else "")
    code = of_the_disk(error)
    return os.strerror(code) if code else (str(error).splitlines() or [type(error).__name__])[0]


def of_the_disk(error: Exception) -> int | None:
    """The system's error number that Python or tensorstore reports; None if it is not of a disk.

    >>> of_the_disk(ValueError("Failed to write 9 bytes: ... [os_error_code='28']"))
    28
    """
    if isinstance(error, OSError):
        return error.errno
    code = re.search(r"os_error_code='(\d+)'", str(error))
    return int(code[1]) if code else None


def suggest(value: str, valid: Iterable[str]) -> str:
    """Say which of the valid names comes nearest, and list them all if they are few.

    >>> suggest("dephts", ["depths", "seeds"])
    "did you mean 'depths'? (valid: depths, seeds)"
    """
    names = list(valid)
    near = difflib.get_close_matches(value, names, 1, 0.5)
    listed = f"valid: {', '.join(names) or 'none'}"
    if not near:
        return listed
    return f"did you mean {near[0]!r}?" + (f" ({listed})" if len(names) <= 12 else "")
