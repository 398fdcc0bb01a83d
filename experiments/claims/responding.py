"""How strong the responses of trained networks are, on digits: C05."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from experiments.claims import seeds
from experiments.claims.behaviour import Behaviour
from experiments.claims.claim import Finding, Picture, Table
from experiments.claims.depth import DEEP, DEGRADATION, SHALLOW
from experiments.claims.effects import Effect
from experiments.claims.looking import Found, by_block, each_run
from experiments.claims.workplace import Workplace
from resnets.probes import lesions, responses
from resnets.probes.trained import Trained

SMALLER = 0.9
"""Share of another response that a smaller one must stay below: our reading of `small`."""


def strengths(run: Trained) -> dict[str, Any]:
    """Of each block, as trained and as initialised: the response that is added, branch to shortcut.

    Initial values run with the statistics of the training images, as training normalises them.
    """
    train, _ = run.examples("train")
    first = run.initial_variables()
    # a step keeps a share of the old statistics: what 0 and 1 become tells it, and the batch's own
    zero, one = (
        run.model.apply(
            {
                **first,
                "batch_stats": jax.tree.map(lambda x, old=old: 0 * x + old, first["batch_stats"]),
            },
            train,
            train=True,
            mutable=["batch_stats"],
        )[1]["batch_stats"]
        for old in (0.0, 1.0)
    )
    settled = jax.tree.map(lambda low, high: low / (1 - (high - low)), zero, one)
    return {
        "trained": _strengths(run, run.variables),
        "untrained": _strengths(run, {**first, "batch_stats": settled}),
    }


def _strengths(run: Trained, variables: Mapping[str, Any]) -> dict[str, Any]:
    images, _ = run.examples("test")
    layers = responses.responses(run.model, variables, images)
    added = {}
    if any(site.residual for site in lesions.sites(run.model, images.shape[1:])):
        ratios = responses.ratios(run.model, variables, images)
        added = {one.block: one.ratio for one in ratios}
    return {"responses": last({one.layer: one.std for one in layers}), "ratios": added}


def last(layers: Mapping[str, float]) -> dict[str, float]:
    """By block, the response of its last normalisation: what comes before the addition."""
    blocks = {}
    for layer, std in layers.items():
        block, _, own = layer.rpartition("/")
        if block.startswith("stage") and "shortcut" not in own:
            blocks[block] = std
    return blocks


def _means(runs: Sequence[Found], when: str, what: str) -> list[float]:
    return [statistics.fmean(run[when][what].values()) for run in runs]


def small(found: Mapping[seeds.Group, Sequence[Found]]) -> Finding:
    """C05: learned residual functions respond less than plain layers, and than unlearned ones."""
    learned = {group: _means(runs, "trained", "responses") for group, runs in found.items()}
    before = {group: _means(runs, "untrained", "responses") for group, runs in found.items()}

    def below(what: str, others: Sequence[float], own: Sequence[float]) -> Effect:
        values = (SMALLER * other - one for other, one in zip(others, own, strict=True))
        return Effect(f"{what} by {100 * (1 - SMALLER):.0f} %", tuple(values), "")

    shallow, deep = learned["residual", SHALLOW], learned["residual", DEEP]
    deeper = tuple(one - other for one, other in zip(shallow, deep, strict=True))
    parts = [
        f"{arm} {depth} {seeds.spread(before[arm, depth])} before and "
        f"{seeds.spread(values)} after training"
        for (arm, depth), values in learned.items()
    ]
    return Finding(
        (),
        "Standard deviation after the last normalisation of each block, before the addition, test "
        f"images, mean over the blocks: {'; '.join(parts)}. `Small` is read as: at least "
        f"{100 * (1 - SMALLER):.0f} % below the plain network's, and below the same network's "
        "before training, where normalisation alone sets it. From "
        f"{SHALLOW} to {DEEP} layers the residual response is "
        f"{Effect('', deeper, '').says('smaller', 'larger')}. The plain network of {DEEP} layers "
        "is left out: C04 says how it fares.",
        (_table(found, learned, before),),
        effects=(
            below(
                f"response, residual below plain, {SHALLOW} layers",
                learned["plain", SHALLOW],
                shallow,
            ),
            *(
                below(
                    f"response, residual {depth}, trained below untrained",
                    before["residual", depth],
                    learned["residual", depth],
                )
                for depth in (SHALLOW, DEEP)
            ),
        ),
        charts=(_chart(found),),
    )


def _table(
    found: Mapping[seeds.Group, Sequence[Found]],
    learned: Mapping[seeds.Group, Sequence[float]],
    before: Mapping[seeds.Group, Sequence[float]],
) -> Table:
    rows = []
    for (arm, depth), runs in found.items():
        ratios = ["", ""]
        if runs[0]["trained"]["ratios"]:
            ratios = [seeds.spread(_means(runs, when, "ratios")) for when in _WHEN]
        own = [seeds.spread(of[arm, depth]) for of in (before, learned)]
        rows.append((f"{arm} {depth}", *own, *ratios))
    return Table(
        "Mean ± standard deviation over seeds, before and after training",
        (
            "network",
            *(f"response, {when}" for when in _WHEN),
            *(f"branch over shortcut, RMS, {when}" for when in _WHEN),
        ),
        rows,
    )


_WHEN = ("untrained", "trained")


def _chart(found: Mapping[seeds.Group, Sequence[Found]]) -> Picture:
    return Picture(
        "responses",
        "Responses of trained blocks after their last normalisation, before the addition",
        "Block, share of the depth",
        "Standard deviation, mean of seeds",
        by_block(found, lambda run: run["trained"]["responses"]),
    )


def _responses(workplace: Workplace) -> Finding:
    return small(each_run(workplace, "responses", workplace.study(DEGRADATION), strengths))


BEHAVIOURS = (
    Behaviour(
        "C05",
        "Learned residual functions have small responses",
        _responses,
        "./launch.sh study claims --only=C05",
    ),
)
