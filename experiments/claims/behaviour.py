"""Claims that rest on runs and measurements, and the correction over all of them."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence

from experiments.claims.claim import Claim, Finding
from experiments.claims.effects import p_value
from experiments.claims.workplace import Ledger, MissingError, Workplace
from resnets.errors import RunError, UserError
from resnets.reports.statistics import holm


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """A claim that rests on runs or measurements.

    Attributes:
      id: such as `C04`.
      claim: the statement, in our words.
      find: runs what is missing, if the workplace lets it, and reads the answer.
      command: that shows it; several stand in lines of their own.
      judged: its verdict rests on effects, so it counts in the correction for several looks.
    """

    id: str
    claim: str
    find: Callable[[Workplace], Finding]
    command: str
    judged: bool = True

    def finding(self, workplace: Workplace) -> Finding:
        """What we found; what is missing, if it is and is not to be run, or failed."""
        ledger, began = Ledger(), time.monotonic()
        try:
            found = self.find(dataclasses.replace(workplace, ledger=ledger))
        except (MissingError, RunError, UserError) as error:
            what = str(error)
            failed = not isinstance(error, MissingError)
            return Finding((), f"{what[:1].upper()}{what[1:]}.", missing=what, failed=failed)
        own = time.monotonic() - began - ledger.now
        return dataclasses.replace(found, spent={**ledger.spent, self.id: own})


def judged(
    family: Sequence[Behaviour], chosen: Sequence[Behaviour], workplace: Workplace
) -> list[Claim]:
    """Find what is chosen, and correct its p-values for the whole family.

    A claim of the family that is not chosen is only read; with runs missing it counts with a
    p-value of 1, so that a verdict never comes easier for what has not been run.
    """
    resting = dataclasses.replace(workplace, run=False)
    found = {one.id: one.finding(workplace) for one in chosen}
    others = {one.id: one.finding(resting) for one in family if one.judged and one.id not in found}
    tested = {one.id for one in family if one.judged}
    values = {name: p_value(f.effects) for name, f in (found | others).items() if name in tested}
    corrected = dict(zip(values, holm(tuple(values.values())), strict=True))
    return [
        Claim(
            one.id,
            one.claim,
            functools.partial(
                dataclasses.replace, found[one.id], corrected=corrected.get(one.id, 1.0)
            ),
            one.command,
        )
        for one in chosen
    ]
