"""The least traffic that any residency can have, as a linear program.

What a tensor holds between two touches is one variable; bytes are divisible. A result is written as
far as it is missing in any of its gaps, and each read fetches what is missing in the gap before it.
The program has as many variables as there are uses: fine for one network, dear for sweeps.
"""

import dataclasses
import itertools

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from resnets.analysis.residency import Walk
from resnets.analysis.schedule import Schedule, Step


@dataclasses.dataclass(frozen=True)
class _Gap:
    """Between two touches of a tensor."""

    tensor: int
    start: int
    end: int
    read: int  # bytes that the touch at the end reads
    grows: bool  # the touch at the start has the whole tensor at hand


class Optimal(Walk):
    """Holds what a linear program says."""

    def __init__(self, schedule: Schedule, room: float) -> None:
        """Solve for at most `room` bytes."""
        super().__init__(schedule)
        self._plan = solve(schedule, room)

    def hold(self, number: int, step: Step) -> int:
        """Look up what each tensor that the step touches holds until its next use."""
        touched = dict.fromkeys((*(tensor for tensor, _ in step.reads), *step.writes))
        before = {tensor: self.held.get(tensor, 0) for tensor in touched}
        for tensor in touched:
            self.held[tensor] = self._plan.get((tensor, number), 0)
            is_earlier = tensor not in step.writes and tensor in self._outside
            if is_earlier and self.next_use(tensor, number) is not None:
                self.given_up(number, tensor)
        return sum(self.held.values()) + sum(
            max(0, before[tensor] - self.held[tensor]) for tensor in touched
        )


def _gaps(schedule: Schedule) -> list[_Gap]:
    made = {tensor: n for n, step in enumerate(schedule.steps) for tensor in step.writes}
    gaps = []
    for tensor, steps in schedule.uses.items():
        whole = schedule.sizes[tensor]
        touches = [made[tensor], *steps] if tensor in made else steps
        for start, end in itertools.pairwise(touches):
            read = dict(schedule.steps[end].reads)[tensor]
            writes = start == made.get(tensor)
            grows = writes or dict(schedule.steps[start].reads)[tensor] == whole
            gaps.append(_Gap(tensor, start, end, read, grows))
    return [gap for gap in gaps if schedule.sizes[gap.tensor]]


class _Program:
    """Rows of `A x <= b`, sparse."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.columns: list[int] = []
        self.values: list[float] = []
        self.limits: list[float] = []

    def add(self, terms: list[tuple[int, float]], limit: float) -> None:
        for column, value in terms:
            self.rows.append(len(self.limits))
            self.columns.append(column)
            self.values.append(value)
        self.limits.append(limit)


def solve(schedule: Schedule, room: float) -> dict[tuple[int, int], int]:
    """Bytes to hold of each tensor after each step that touches it, by tensor and step.

    Raises:
      RuntimeError: the solver gives up; never seen.
    """
    gaps = _gaps(schedule)
    if not gaps:
        return {}
    program, sizes = _Program(), schedule.sizes
    spilled = {
        gap.tensor: None for gap in gaps if gap.tensor not in schedule.inputs | schedule.outputs
    }
    column_of = {tensor: len(gaps) + place for place, tensor in enumerate(spilled)}
    costs = np.array(
        [-gap.read / sizes[gap.tensor] for gap in gaps] + [1.0] * len(spilled), dtype=float
    )
    bounds = [(0, sizes[gap.tensor]) for gap in gaps] + [(0, sizes[t]) for t in spilled]
    for number, gap in enumerate(gaps):
        if gap.tensor in column_of:
            program.add([(number, -1.0), (column_of[gap.tensor], -1.0)], -sizes[gap.tensor])
        joined = number and gaps[number - 1].tensor == gap.tensor
        if not gap.grows:
            program.add([(number, 1.0), *([(number - 1, -1.0)] if joined else [])], 0.0)
    if np.isfinite(room):
        costs, bounds = _capacity(program, schedule, gaps, room, costs, bounds)
    shape = (len(program.limits), len(costs))
    matrix = coo_array((program.values, (program.rows, program.columns)), shape=shape)
    limits = program.limits
    found = linprog(
        costs, A_ub=matrix.tocsr() if limits else None, b_ub=limits or None, bounds=bounds
    )
    if found.x is None:
        raise RuntimeError(f"the linear program of the residency was not solved: {found.message}")
    return {
        (gap.tensor, gap.start): int(held + 1e-6)
        for gap, held in zip(gaps, found.x[: len(gaps)], strict=True)
    }


def _capacity(
    program: _Program,
    schedule: Schedule,
    gaps: list[_Gap],
    room: float,
    costs: np.ndarray,
    bounds: list[tuple[int, int]],
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """At each step the memory holds what gaps span it, and the larger of two gaps that meet."""
    held: list[list[tuple[int, float]]] = [[] for _ in schedule.steps]
    meeting: dict[tuple[int, int], list[int]] = {}
    for number, gap in enumerate(gaps):
        for step in range(gap.start + 1, gap.end):
            held[step].append((number, 1.0))
        meeting.setdefault((gap.tensor, gap.start), []).append(number)
        meeting.setdefault((gap.tensor, gap.end), []).append(number)
    for (tensor, step), numbers in meeting.items():
        if len(numbers) == 1:
            held[step].append((numbers[0], 1.0))
            continue
        column = len(costs)
        costs, bounds = np.append(costs, 0.0), [*bounds, (0, schedule.sizes[tensor])]
        for number in numbers:
            program.add([(number, 1.0), (column, -1.0)], 0.0)
        held[step].append((column, 1.0))
    for terms in held:
        if terms:
            program.add(terms, room)
    return costs, bounds
