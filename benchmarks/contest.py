"""Contestants in turn, A B A B ...: each a process that waits while the others run."""

import dataclasses
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

CHECKOUT = Path(__file__).parents[1]


class ContestantError(Exception):
    """A contestant that did not start or did not answer; what it said last."""


class Contestant:
    """A process of `benchmarks.steps`; a context manager.

    Attributes:
      facts: what it said of itself: versions, device, `first_step_s`.
    """

    def __init__(self, module: str, arguments: Sequence[str], python: str = sys.executable):
        """Start it and wait until it has taken its first steps.

        Raises:
          ContestantError: it ended instead.
        """
        command = [python, "-m", f"benchmarks.steps.{module}", *arguments]
        self._process = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._name = module
        try:
            self.facts: dict[str, Any] = json.loads(self._answer())
        except ContestantError:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def seconds(self, steps: int) -> float:
        """Time of one step, mean over so many."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            raise ContestantError(f"{self._name} ended with status {status}")
        return line


@dataclasses.dataclass(frozen=True)
class Timing:
    """Rounds of one contestant.

    Attributes:
      seconds: median over the rounds.
      fastest: of the rounds.
      rounds: how many.
    """

    seconds: float
    fastest: float
    rounds: int


def take_turns(contestants: Mapping[str, Contestant], rounds: int, steps: int) -> dict[str, Timing]:
    """Let each take some steps in every round; who begins moves on by one from round to round."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(contestants[name].seconds(steps))
    return {
        name: Timing(statistics.median(times), min(times), len(times))
        for name, times in taken.items()
    }
