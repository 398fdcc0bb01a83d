"""The two ways a command ends badly without it being a bug."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in what the user asked for: one line says what, where and the valid values."""

    exit_code = 2


class RunError(RuntimeError):
    """A run that started well and could not end: one line says why and what to do."""

    exit_code = 1


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
