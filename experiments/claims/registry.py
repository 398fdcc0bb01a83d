"""All claims, by group."""

from operator import itemgetter

from experiments.claims import complexity, machine, operations, parameters, windows
from experiments.claims.claim import Claim
from resnets.errors import UserError

GROUPS = (parameters, windows, operations, complexity, machine)
"""Modules with a tuple CLAIMS each."""

CLAIMS: dict[str, Claim] = dict(
    sorted(((claim.id, claim) for group in GROUPS for claim in group.CLAIMS), key=itemgetter(0))
)


def chosen(ids: tuple[str, ...]) -> list[Claim]:
    """Claims by id; all if none is named.

    Raises:
      UserError: an unknown id; names the valid ones.
    """
    wanted = [name.upper() for name in ids]
    for name in wanted:
        if name not in CLAIMS:
            raise UserError(f"unknown claim {name!r}; valid: {', '.join(CLAIMS)}")
    return [CLAIMS[name] for name in dict.fromkeys(wanted)] or list(CLAIMS.values())
