"""What trained networks do without some of their blocks, on digits: C33."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.claims import seeds
from experiments.claims.behaviour import Behaviour
from experiments.claims.claim import Finding, Picture, Table
from experiments.claims.depth import DEEP, DEGRADATION, SHALLOW
from experiments.claims.effects import Effect
from experiments.claims.looking import Found, by_block, each_run
from experiments.claims.workplace import Workplace
from resnets.probes import lesions
from resnets.probes.trained import Trained


def harm(run: Trained) -> dict[str, Any]:
    """Test error as it is, and without each block that keeps the shape, percent."""
    images, labels = run.examples("test")
    sites = lesions.sites(run.model, images.shape[1:])
    same = [site.name for site in sites if site.keeps_shape]
    found = lesions.delete_each(run.model, run.variables, images, labels)
    errors = {lesion.blocks[0]: lesion.error_pct for lesion in found if lesion.blocks}
    return {"whole": found[0].error_pct, "without": {name: errors[name] for name in same}}


LITTLE, DESTROYED = 10.0, 30.0
"""Points of test error: our reading of `hurts little` and of `destroys it`."""


def ensemble(found: Mapping[seeds.Group, Sequence[Found]]) -> Finding:
    """C33: deleting a residual block hurts little, deleting a plain layer destroys the network."""
    rise = {
        group: [statistics.fmean(run["without"].values()) - run["whole"] for run in runs]
        for group, runs in found.items()
    }
    worst = {
        group: statistics.fmean(max(run["without"].values()) - run["whole"] for run in runs)
        for group, runs in found.items()
    }
    rows = [
        (
            f"{arm} {depth}",
            str(len(found[arm, depth][0]["without"])),
            seeds.spread([run["whole"] for run in found[arm, depth]]),
            seeds.spread(values),
            f"{worst[arm, depth]:.2f}",
        )
        for (arm, depth), values in rise.items()
    ]
    pairs = zip(rise["plain", SHALLOW], rise["residual", SHALLOW], strict=True)
    little = {
        depth: Effect(
            f"residual {depth}: {LITTLE:.0f} points less its rise",
            seeds.left_of(LITTLE, rise["residual", depth]),
        )
        for depth in (SHALLOW, DEEP)
    }
    return Finding(
        (),
        "Blocks of two layers that keep the shape, one deleted at a time, none trained again; rise "
        "of the test error, mean over the blocks: plain "
        f"{SHALLOW} {seeds.spread(rise['plain', SHALLOW])}, residual {SHALLOW} "
        f"{seeds.spread(rise['residual', SHALLOW])}, residual {DEEP} "
        f"{seeds.spread(rise['residual', DEEP])} points. Little is read as less than "
        f"{LITTLE:.0f}, destroyed as more than {DESTROYED:.0f}. By that a residual network loses "
        + ", ".join(f"{_word(effect)} with {depth} layers" for depth, effect in little.items())
        + "; its worst block costs "
        + ", ".join(f"{worst['residual', depth]:.0f} with {depth}" for depth in little)
        + f". The plain network of {DEEP} layers is left out: C04 says how it fares.",
        (
            Table(
                "Points of test error, mean ± standard deviation over seeds",
                ("network", "blocks", "whole, %", "mean rise", "worst block's rise"),
                rows,
            ),
        ),
        effects=(
            Effect(
                f"rise without a block, plain over residual, {SHALLOW} layers",
                tuple(plain - residual for plain, residual in pairs),
            ),
            *little.values(),
            Effect(
                f"plain {SHALLOW}: its rise less {DESTROYED:.0f} points",
                tuple(value - DESTROYED for value in rise["plain", SHALLOW]),
            ),
        ),
        charts=(_lesion_chart(found),),
    )


def _word(little: Effect) -> str:
    return "little" if little.shown else "more" if little.reversed else "not clearly little"


def _lesion_chart(found: Mapping[seeds.Group, Sequence[Found]]) -> Picture:
    return Picture(
        "lesions",
        "Test error without one block",
        "Block that keeps the shape, share of their number",
        "Test error, mean of seeds, %",
        by_block(found, lambda run: run["without"]),
    )


def _lesions(workplace: Workplace) -> Finding:
    study = workplace.study(DEGRADATION)
    return ensemble(each_run(workplace, "lesions", study, harm))


BEHAVIOURS = (
    Behaviour(
        "C33",
        "Deleting one block of a residual network hurts little; a plain network is destroyed",
        _lesions,
        "./launch.sh study claims --only=C33",
    ),
)
