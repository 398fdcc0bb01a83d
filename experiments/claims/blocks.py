"""How blocks are built, on digits: C06, C13, C26."""

import statistics
from collections.abc import Mapping, Sequence

from experiments.claims import seeds
from experiments.claims.behaviour import Behaviour
from experiments.claims.claim import Finding, Picture, Table
from experiments.claims.effects import Effect
from experiments.claims.seeds import TEST, TRAIN
from experiments.claims.workplace import Trial
from resnets.analysis import published
from resnets.reports.results import Study

SHORT = ("epochs=12",)
"""Fewer epochs than the studies have: the comparison stays, and a claim takes minutes."""

SPAN = Trial("span", "span", depths=(56,), seeds=5, overrides=SHORT)
SCALE = Trial("residual_scale", "residual_scale", depths=(56,), seeds=5, overrides=SHORT)
PREACTIVATION = Trial("preactivation", "preactivation", depths=(56,), seeds=5, overrides=SHORT)


def _bars(study: Study, name: str, title: str, metric: seeds.Metric) -> Picture:
    groups = {arm: seeds.errors(study, (arm, depth), metric) for arm, depth in seeds.groups(study)}
    points = [
        (f"seed {seed}", arm, value)
        for arm, values in groups.items()
        for seed, value in enumerate(values)
    ]
    return Picture(name, title, "", f"{seeds.NAMES[metric].capitalize()}, %", points)


def span(study: Study) -> Finding:
    """C06: shortcuts around two or three layers help; around one they do not."""
    (depth,) = {run.depth for run in study.runs}
    error = {arm: seeds.errors(study, (arm, depth), TRAIN) for arm in study.arms}
    halves = zip(error["span1"], error["plain"], error["span2"], strict=True)
    return Finding(
        (),
        f"{depth} layers, {SHORT[0]}. Training error: "
        + "; ".join(f"{arm} {seeds.spread(values)} %" for arm, values in error.items())
        + ". `Behaves like a plain net` is read as: nearer to the plain network than to span 2. "
        f"{_longer(depth, error)}",
        (seeds.error_table(study),),
        effects=(
            _over(study, ("plain", depth), ("span2", depth)),
            _over(study, ("plain", depth), ("span3", depth)),
            Effect(
                "training error, span1 over the middle of plain and span2",
                tuple(one - (plain + two) / 2 for one, plain, two in halves),
            ),
        ),
        charts=(_bars(study, "span", "Layers that one shortcut skips, digits", TRAIN),),
    )


def _longer(depth: int, error: Mapping[str, Sequence[float]]) -> str:
    """Whether runs of the study's whole length, three seeds, stand on the same sides."""
    long = {arm: mean for (arm, layers), mean in seeds.committed("span").items() if layers == depth}
    short = {arm: statistics.fmean(values) for arm, values in error.items()}
    same = _sides(long) == _sides(short)
    means = "; ".join(f"{arm} {mean:.2f} %" for arm, mean in long.items())
    return (
        f"The whole study, with all epochs of its recipe, has {means}: each difference points to "
        f"{'the same' if same else 'not always the same'} side."
    )


def _sides(error: Mapping[str, float]) -> tuple[bool, ...]:
    plain, one, two, three = (error[arm] for arm in ("plain", "span1", "span2", "span3"))
    return plain > two, plain > three, one > (plain + two) / 2


def _over(study: Study, first: seeds.Group, second: seeds.Group) -> Effect:
    return Effect(
        f"training error, {first[0]} over {second[0]}",
        seeds.difference(study, first, second, TRAIN),
    )


def _less(first: Sequence[float], second: Sequence[float]) -> tuple[float, ...]:
    return tuple(one - other for one, other in zip(first, second, strict=True))


def _deviations(values: Sequence[float]) -> list[float]:
    """From the median, as in the test of Brown and Forsythe (1974) for equal spreads."""
    middle = statistics.median(values)
    return [abs(value - middle) for value in values]


def scale(study: Study) -> Finding:
    """C13: a factor below one on branch or shortcut makes training stable."""
    (depth,) = {run.depth for run in study.runs}
    error = {arm: seeds.errors(study, (arm, depth), TRAIN) for arm in study.arms}
    effects, said = [], []
    for half in ("branch", "shortcut"):
        arms = [values for arm, values in error.items() if arm.startswith(half)]
        scaled = [statistics.fmean(values) for values in zip(*arms, strict=True)]
        deviations = [statistics.fmean(d) for d in zip(*map(_deviations, arms), strict=True)]
        lower, steadier = (
            Effect(f"{what}, unscaled over {half} scaled", _less(first, second))
            for what, first, second in (
                ("training error", error["unscaled"], scaled),
                ("deviation from the median", _deviations(error["unscaled"]), deviations),
            )
        )
        effects += [lower, steadier]
        said.append(
            f"With a factor on the {half} the training error is {lower.says('lower', 'higher')}, "
            f"its deviation from the median seed {steadier.says('smaller', 'larger')}."
        )
    return Finding(
        (),
        f"{depth} layers, no warm-up, the full rate from the first step, {SHORT[0]}. Training "
        "error: "
        + "; ".join(f"{arm} {seeds.spread(values)} %" for arm, values in error.items())
        + f". {' '.join(said)} Stable is read, as in the study, as a lower error and a smaller "
        "spread, of the mean over the factors; the claim says it of both places. A factor of its "
        "own for each stage (0.17, 0.1, 0.2, then 1) is not among the arms.",
        (seeds.error_table(study),),
        effects=tuple(effects),
        charts=(_bars(study, "residual_scale", "Factor on branch or shortcut, digits", TRAIN),),
    )


_IMAGENET = {
    "resnet18": "10.92",
    "resnet34": "8.58",
    "resnet50": "7.13",
    "resnet101": "6.44",
    "resnet152": "5.94",
}


def preactivation(study: Study) -> Finding:
    """C26: errors on ImageNet, of which the document and the paper differ."""
    (depth,) = {run.depth for run in study.runs}
    known = seeds.published()
    measured = published.published()
    rows = [
        (network, top5, f"{measured[network].top5_error_pct}", measured[network].source)
        for network, top5 in _IMAGENET.items()
    ]
    same = sum(float(top5) == measured[name].top5_error_pct for name, top5 in _IMAGENET.items())
    small = [
        (network, known[network, "test_error_pct"]["value"])
        for network in ("cifar_resnet110", "preact_resnet110", "preact_resnet164")
    ]
    return Finding(
        (),
        f"Needs ImageNet and days for each network. {same} of the {len(_IMAGENET)} top-5 errors "
        "are those of resnets/analysis/published.csv, where the sources stand. On CIFAR-10 the "
        "published gain of pre-activation at 110 layers is "
        f"{float(small[0][1]) - float(small[1][1]):.2f} points; on digits the same comparison is "
        "below.",
        (
            Table(
                "ImageNet, single crop, %",
                ("network", "top-5 error reported", "published", "source"),
                rows,
            ),
            Table("CIFAR-10, published", ("network", "test error, %"), small),
            seeds.error_table(study),
        ),
        testable=False,
        stated="ImageNet top-5 error of ResNet-18 to -152 10.92, 8.58, 7.13, 6.44, 5.94 %; "
        "pre-activation: ResNet-152 21.3 to 21.1 %, ResNet-200 21.8 to 20.7 % top-1",
        effects=(
            Effect(
                f"digits, {depth} layers: test error, post- over pre-activation",
                seeds.difference(study, ("post", depth), ("pre", depth), TEST),
            ),
        ),
        charts=(_bars(study, "preactivation", "Form of the block, digits", TEST),),
    )


BEHAVIOURS = (
    Behaviour(
        "C06",
        "Shortcuts around 2 or 3 layers are good; around 1 the network behaves like a plain one",
        lambda workplace: span(workplace.study(SPAN)),
        SPAN.command,
    ),
    Behaviour(
        "C13",
        "Scaling the branch or the shortcut by a factor below 1 makes training stable",
        lambda workplace: scale(workplace.study(SCALE)),
        SCALE.command,
    ),
    Behaviour(
        "C26",
        "ImageNet top-5 errors from 18 to 152 layers; pre-activation helps 152 and 200 layers",
        lambda workplace: preactivation(workplace.study(PREACTIVATION)),
        "./launch.sh train --config=configs/imagenet.py:model=preact_resnet152 "
        f"--workdir=runs/preact152\n{PREACTIVATION.command}",
        judged=False,
    ),
)
