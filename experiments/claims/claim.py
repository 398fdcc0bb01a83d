"""A claim, the numbers that decide it, and the tables that show where they come from."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

from resnets.columns import aligned

CONFIRMED, REFUTED = "confirmed", "refuted"
INCONSISTENT, NOT_TESTABLE = "inconsistent", "not testable here"

Value = int | float


@dataclasses.dataclass(frozen=True)
class Number:
    """A number that a document reports, beside ours.

    Attributes:
      what: it counts.
      reported: as printed, or `yes` for a statement without a number.
      ours: in the same unit. A whole number must be the same; a fraction must round to the
        reported digits, or be cut to them; a statement must hold.
      unit: of both.
      step: what the last reported digit counts, if it is not its place: 10 for "about 60".
    """

    what: str
    reported: str
    ours: Value
    unit: str = ""
    step: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether the document is right."""
        if isinstance(self.ours, bool):
            return self.ours
        if isinstance(self.ours, int) and self.step is None:
            return self.ours == int(self.reported.replace(",", ""))
        step = self.step or 10.0**-self._decimals
        steps = self.ours / step
        wanted = round(float(self.reported.replace(",", "")) / step)
        return wanted in (round(steps), math.floor(steps))

    @property
    def _decimals(self) -> int:
        return len(self.reported.partition(".")[2])

    @property
    def shown(self) -> str:
        """Ours as text, a digit more than reported, or three digits."""
        if isinstance(self.ours, bool):
            return "yes" if self.ours else "no"
        if isinstance(self.ours, int):
            return f"{self.ours:,}"
        leading = math.floor(math.log10(abs(self.ours))) if self.ours else 0
        return f"{self.ours:,.{max(self._decimals + 1, 2 - leading)}f}"


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under headings, each with its unit."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Aligned text below the title; columns of numbers to the right."""
        numeric = [
            column
            for column in range(len(self.headings))
            if any(_number(row[column]) for row in self.rows)
            and all(_number(row[column]) or not row[column] for row in self.rows)
        ]
        return f"{self.title}\n{aligned([self.headings, *self.rows], numeric)}"


def _number(text: str) -> bool:
    digits = text.replace(",", "").removeprefix("-").replace(".", "", 1)
    return digits.isdecimal() and digits != ""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What we found.

    Attributes:
      numbers: each reported number beside ours.
      why: one line: where the numbers come from, or why they differ.
      tables: the numbers behind them.
      contradiction: the document's own numbers do not fit together.
      testable: whether this project can decide it.
    """

    numbers: tuple[Number, ...]
    why: str
    tables: tuple[Table, ...] = ()
    contradiction: bool = False
    testable: bool = True

    @property
    def verdict(self) -> str:
        """In a word or three."""
        if not self.testable:
            return NOT_TESTABLE
        if self.contradiction:
            return INCONSISTENT
        return CONFIRMED if all(number.agrees for number in self.numbers) else REFUTED


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of a source document.

    Attributes:
      id: such as `C08`.
      claim: the statement, in our words.
      find: finds our numbers.
      command: that shows them, where there is one.
    """

    id: str
    claim: str
    find: Callable[[], Finding]
    command: str = ""

    @functools.cached_property
    def finding(self) -> Finding:
        """What we found; looked for once."""
        return self.find()

    @property
    def reported(self) -> str:
        """The document's numbers, each with what it counts."""
        return "; ".join(
            _joined(number.what, number.reported, number.unit) for number in self.finding.numbers
        )

    @property
    def ours(self) -> str:
        """Our numbers in the same order."""
        return "; ".join(_joined(number.shown, number.unit) for number in self.finding.numbers)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
