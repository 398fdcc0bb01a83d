"""How much one call of the device does: about a second of it, so that the host can react."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Adapts the amount of a call to its time; the numbers must not depend on the amount."""

    seconds = 1.0

    def __init__(self) -> None:
        """Begin with one: the first call also compiles."""
        self.amount = 1

    @contextmanager
    def call(self, amount: int) -> Iterator[None]:
        """Time a call that does `amount`, and choose the next."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        if took > 2 * self.seconds:
            self.amount = max(1, self.amount // 2)
        elif took < self.seconds / 2 and amount == self.amount:
            self.amount *= 2
