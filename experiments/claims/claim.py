"""A claim, the numbers that decide it, and the tables that show where they come from."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence

from experiments.claims.effects import LEVEL, Effect
from resnets.columns import aligned

CONFIRMED, REFUTED, NOT_SHOWN = "confirmed", "refuted", "not shown"
INCONSISTENT, NOT_TESTABLE = "inconsistent", "not testable here"
NOT_RUN = "not run yet"
"""In place of a verdict: runs or measurements that it rests on are missing."""

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
        # nobody who has 0.9 prints 0: cutting is for numbers of some digits
        cut = math.floor(steps) if wanted else round(steps)
        return wanted in (round(steps), cut)

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


def told(numbers: Sequence[Number]) -> str:
    """Which numbers are right, and which are not, in a sentence or two.

    >>> told([Number("layers", "5", 5), Number("weights", "60", 71, "k")])
    'Right: layers. Wrong: weights, 71 k and not 60 k.'
    """
    right = "; ".join(number.what for number in numbers if number.agrees)
    wrong = "; ".join(
        f"{number.what}, {_joined(number.shown, number.unit)} and not "
        f"{_joined(number.reported, number.unit)}"
        for number in numbers
        if not number.agrees
    )
    parts = [f"{name}: {which}." for name, which in (("Right", right), ("Wrong", wrong)) if which]
    return " ".join(parts)


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


@dataclasses.dataclass(frozen=True)
class Picture:
    """A chart of the numbers behind a claim: lines or points over an axis.

    Attributes:
      name: of its file; unlike any other's.
      title: what it shows.
      x: what the axis to the right is, with its unit.
      y: what the axis upwards is, with its unit.
      points: series, x, y of each; a text x makes bars of them; a series of one point is named.
      log: whether the axes are logarithmic.
    """

    name: str
    title: str
    x: str
    y: str
    points: Sequence[tuple[str, float | str, float]]
    log: bool = False


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
      effects: differences over seeds that the claim says are above zero.
      corrected: the claim's p-value, corrected for the number of claims that rest on runs.
      missing: what has not been run yet; there is no verdict without it.
      failed: it was run, and failed.
      charts: pictures of the numbers.
      stated: the document's numbers where there are none of ours beside them.
      spent: seconds that each trial, measurement or claim took that it rests on; claims share some.
    """

    numbers: tuple[Number, ...]
    why: str
    tables: tuple[Table, ...] = ()
    contradiction: bool = False
    testable: bool = True
    effects: tuple[Effect, ...] = ()
    corrected: float = 1.0
    missing: str = ""
    failed: bool = False
    charts: tuple[Picture, ...] = ()
    stated: str = ""
    spent: Mapping[str, float] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def seconds(self) -> float:
        """That it takes in an empty folder."""
        return sum(self.spent.values())

    @property
    def verdict(self) -> str:
        """In a word or three; `effects` says when effects confirm or refute."""
        if self.missing:
            return NOT_RUN
        if not self.testable:
            return NOT_TESTABLE
        if self.contradiction:
            return INCONSISTENT
        if not all(number.agrees for number in self.numbers):
            return REFUTED
        if not self.effects:
            return CONFIRMED if self.numbers else NOT_SHOWN
        if self.corrected < LEVEL:
            if any(effect.reversed for effect in self.effects):
                return REFUTED
            if all(effect.shown for effect in self.effects):
                return CONFIRMED
        return NOT_SHOWN


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
        began = time.monotonic()
        found = self.find()
        own = {self.id: time.monotonic() - began}
        return found if found.spent else dataclasses.replace(found, spent=own)

    @property
    def reported(self) -> str:
        """The document's numbers, each with what it counts; an effect is said to be above zero."""
        numbers = [
            _joined(number.what, number.reported, number.unit) for number in self.finding.numbers
        ]
        stated = [self.finding.stated] if self.finding.stated else []
        effects = [f"{effect.what} > 0" for effect in self.finding.effects]
        return "; ".join([*stated, *numbers, *effects])

    @property
    def ours(self) -> str:
        """Our numbers in the same order; of an effect mean, 95 % interval, seeds and size."""
        numbers = [_joined(number.shown, number.unit) for number in self.finding.numbers]
        return "; ".join([*numbers, *(effect.text() for effect in self.finding.effects)])


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
