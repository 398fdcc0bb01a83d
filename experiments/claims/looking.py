"""What trained networks do inside, and without some of their blocks, on digits: C05, C33."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.claims import seeds
from experiments.claims.behaviour import Behaviour
from experiments.claims.claim import Finding, Picture, Table
from experiments.claims.depth import DEEP, DEGRADATION, SHALLOW
from experiments.claims.effects import Effect
from experiments.claims.workplace import Json, Workplace
from resnets.probes import lesions, responses, trained
from resnets.probes.trained import Trained
from resnets.reports.results import Study

LOOKED_AT = (("plain", SHALLOW), ("residual", SHALLOW), ("residual", DEEP))
"""Networks that have learned: the deep plain one has not."""

Found = Mapping[str, Any]
"""What was found in each run, by its id."""


def each_run(
    workplace: Workplace, name: str, study: Study, look: Callable[[Trained], Json]
) -> dict[seeds.Group, list[Json]]:
    """What `look` finds in every run of `LOOKED_AT`, by group, in the order of the seeds."""
    runs = {group: sorted(study.select(*group), key=lambda run: run.seed) for group in LOOKED_AT}
    places = {run.id: study.path / "runs" / run.id for found in runs.values() for run in found}
    weights = {
        run: json.loads((place / "done.json").read_text())["parameters_sha256"]
        for run, place in places.items()
    }
    found = workplace.measured(
        name, lambda: {run: look(trained.restore(place)) for run, place in places.items()}, weights
    )
    return {group: [found[run.id] for run in runs[group]] for group in LOOKED_AT}


def strengths(run: Trained) -> dict[str, Any]:
    """Standard deviation of each response inside the stages; branch over shortcut of each block."""
    images, _ = run.examples("test")
    layers = responses.responses(run.model, run.variables, images)
    inside = {one.layer: one.std for one in layers if one.layer.startswith("stage")}
    added = {}
    if any(site.residual for site in lesions.sites(run.model, images.shape[1:])):
        ratios = responses.ratios(run.model, run.variables, images)
        added = {one.block: one.ratio for one in ratios}
    return {"responses": inside, "ratios": added}


def small(found: Mapping[seeds.Group, Sequence[Found]]) -> Finding:
    """C05: responses of residual networks are smaller than those of plain ones."""
    means = {
        group: [statistics.fmean(run["responses"].values()) for run in runs]
        for group, runs in found.items()
    }
    ratios = [statistics.fmean(run["ratios"].values()) for run in found["residual", DEEP]]
    pairs = zip(means["plain", SHALLOW], means["residual", SHALLOW], strict=True)
    rows = [
        (
            f"{arm} {depth}",
            seeds.spread(values),
            seeds.spread([statistics.fmean(run["ratios"].values()) for run in found[arm, depth]])
            if found[arm, depth][0]["ratios"]
            else "",
        )
        for (arm, depth), values in means.items()
    ]
    return Finding(
        (),
        f"After normalisation, before the addition, test images, mean over the layers of the "
        f"stages: plain {SHALLOW} {seeds.spread(means['plain', SHALLOW])}, residual {SHALLOW} "
        f"{seeds.spread(means['residual', SHALLOW])}, residual {DEEP} "
        f"{seeds.spread(means['residual', DEEP])}. The plain network of {DEEP} layers has not "
        "learned, so the comparison is made where both have. Small is also: a branch adds less "
        "than its shortcut brings.",
        (
            Table(
                "Mean ± standard deviation over seeds",
                ("network", "standard deviation of responses", "branch over shortcut, RMS"),
                rows,
            ),
        ),
        effects=(
            Effect(
                f"response, plain over residual, {SHALLOW} layers",
                tuple(plain - residual for plain, residual in pairs),
                "",
            ),
            Effect(
                f"residual {DEEP}: 1 less branch over shortcut",
                tuple(1 - ratio for ratio in ratios),
                "",
            ),
        ),
        charts=(_response_chart(found),),
    )


def _response_chart(found: Mapping[seeds.Group, Sequence[Found]]) -> Picture:
    points = []
    for (arm, depth), runs in found.items():
        layers = list(runs[0]["responses"])
        for place, layer in enumerate(layers, 1):
            mean = statistics.fmean(run["responses"][layer] for run in runs)
            points.append((f"{arm} {depth}", place / len(layers), mean))
    return Picture(
        "responses",
        "Responses of layers after normalisation, before the addition",
        "Layer, share of the depth",
        "Standard deviation, mean of seeds",
        points,
    )


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
    return Finding(
        (),
        "Blocks of two layers that keep the shape, one deleted at a time, none trained again; rise "
        "of the test error, mean over the blocks: plain "
        f"{SHALLOW} {seeds.spread(rise['plain', SHALLOW])}, residual {SHALLOW} "
        f"{seeds.spread(rise['residual', SHALLOW])}, residual {DEEP} "
        f"{seeds.spread(rise['residual', DEEP])} points. Little is read as less than "
        f"{LITTLE:.0f}, destroyed as more than {DESTROYED:.0f}.",
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
            Effect(
                f"residual {DEEP}: {LITTLE:.0f} points less its rise",
                seeds.left_of(LITTLE, rise["residual", DEEP]),
            ),
            Effect(
                f"plain {SHALLOW}: its rise less {DESTROYED:.0f} points",
                tuple(value - DESTROYED for value in rise["plain", SHALLOW]),
            ),
        ),
        charts=(_lesion_chart(found),),
    )


def _lesion_chart(found: Mapping[seeds.Group, Sequence[Found]]) -> Picture:
    points = []
    for (arm, depth), runs in found.items():
        blocks = list(runs[0]["without"])
        for place, block in enumerate(blocks, 1):
            mean = statistics.fmean(run["without"][block] for run in runs)
            points.append((f"{arm} {depth}", place / len(blocks), mean))
    return Picture(
        "lesions",
        "Test error without one block",
        "Block that keeps the shape, share of their number",
        "Test error, mean of seeds, %",
        points,
    )


def _responses(workplace: Workplace) -> Finding:
    study = workplace.study(DEGRADATION)
    return small(each_run(workplace, "responses", study, strengths))


def _lesions(workplace: Workplace) -> Finding:
    study = workplace.study(DEGRADATION)
    return ensemble(each_run(workplace, "lesions", study, harm))


BEHAVIOURS = (
    Behaviour(
        "C05",
        "Learned residual functions have small responses",
        _responses,
        "./launch.sh study claims --only=C05",
    ),
    Behaviour(
        "C33",
        "Deleting one block of a residual network hurts little; a plain network is destroyed",
        _lesions,
        "./launch.sh study claims --only=C33",
    ),
)
