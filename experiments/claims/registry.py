"""All claims, by group."""

from operator import itemgetter

from experiments.claims import (
    blocks,
    complexity,
    depth,
    gradients,
    identity,
    inception,
    lesioned,
    machine,
    operations,
    parameters,
    profile,
    responding,
    shapes,
    shift,
    windows,
)
from experiments.claims.behaviour import Behaviour, judged
from experiments.claims.claim import Claim
from experiments.claims.workplace import Workplace
from resnets.errors import UserError

COUNTED = (parameters, windows, operations, inception, complexity, machine, shift, identity)
"""Modules with a tuple CLAIMS each: counted, projected or computed, the same on every machine."""

OBSERVED = (depth, responding, lesioned, blocks, shapes, gradients, profile)
"""Modules with a tuple BEHAVIOURS each: they rest on runs or measurements."""

CLAIMS: dict[str, Claim] = dict(
    sorted(((claim.id, claim) for group in COUNTED for claim in group.CLAIMS), key=itemgetter(0))
)
BEHAVIOURS: dict[str, Behaviour] = {one.id: one for group in OBSERVED for one in group.BEHAVIOURS}
IDS = tuple(sorted([*CLAIMS, *BEHAVIOURS]))


def chosen(ids: tuple[str, ...], workplace: Workplace) -> list[Claim]:
    """Claims by id; all if none is named. What rests on runs is run, or read, in the workplace.

    Raises:
      UserError: an unknown id; names the valid ones.
    """
    wanted = [name.upper() for name in ids]
    for name in wanted:
        if name not in IDS:
            raise UserError(f"unknown claim {name!r}; valid: {', '.join(IDS)}")
    names = tuple(dict.fromkeys(wanted)) or IDS
    family = tuple(BEHAVIOURS.values())
    observed = [BEHAVIOURS[name] for name in names if name in BEHAVIOURS]
    found = {claim.id: claim for claim in (judged(family, observed, workplace) if observed else ())}
    return [CLAIMS.get(name) or found[name] for name in names]
