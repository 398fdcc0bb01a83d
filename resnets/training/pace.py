"""How much one call of the device does: about a second of it, so that the host can react."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from resnets.training.processes import ALONE, Team


class Pace:
    """Adapts the amount of a call to its time; the numbers must not depend on the amount."""

    seconds = 1.0

    def __init__(self, team: Team = ALONE) -> None:
        """Begin with one: the first call also compiles."""
        self._team, self._amount = team, 1

    def amount(self) -> int:
        """How much the next call does: alike at all processes, though their clocks differ."""
        return self._team.share(lambda: self._amount)

    @contextmanager
    def call(self, amount: int) -> Iterator[None]:
        """Time a call that does `amount`, and choose the next."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        if took > 2 * self.seconds:
            self._amount = max(1, self._amount // 2)
        elif took < self.seconds / 2 and amount == self._amount:
            self._amount *= 2
