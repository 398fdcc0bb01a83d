"""How blocks are built, on digits: C06, C13, C26."""

from experiments.claims import seeds
from experiments.claims.behaviour import Behaviour
from experiments.claims.claim import Finding, Picture, Table
from experiments.claims.effects import Effect
from experiments.claims.seeds import TEST, TRAIN
from experiments.claims.workplace import Trial
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
        + ". `Behaves like a plain net` is read as: nearer to the plain network than to span 2.",
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


def _over(study: Study, first: seeds.Group, second: seeds.Group) -> Effect:
    return Effect(
        f"training error, {first[0]} over {second[0]}",
        seeds.difference(study, first, second, TRAIN),
    )


def scale(study: Study) -> Finding:
    """C13: a factor below one on branch or shortcut makes training stable."""
    (depth,) = {run.depth for run in study.runs}
    error = {arm: seeds.errors(study, (arm, depth), TRAIN) for arm in study.arms}
    scaled = [arm for arm in study.arms if arm != "unscaled"]
    return Finding(
        (),
        f"{depth} layers, no warm-up, twice the rate, {SHORT[0]}. Training error: "
        + "; ".join(f"{arm} {seeds.spread(values)} %" for arm, values in error.items())
        + ". Every scaled arm must end below the unscaled one. A factor on the shortcut shrinks "
        "the signal block after block.",
        (seeds.error_table(study),),
        effects=tuple(_over(study, ("unscaled", depth), (arm, depth)) for arm in scaled),
        charts=(_bars(study, "residual_scale", "Factor on branch or shortcut, digits", TRAIN),),
    )


_IMAGENET = {"resnet50": "7.13", "resnet101": "6.44", "resnet152": "5.94"}


def preactivation(study: Study) -> Finding:
    """C26: errors on ImageNet, of which the document and the paper differ."""
    (depth,) = {run.depth for run in study.runs}
    known = seeds.published()
    rows = [
        (network, top5, known[network, "top1_error_pct"]["value"])
        for network, top5 in _IMAGENET.items()
    ]
    small = [
        (network, known[network, "test_error_pct"]["value"])
        for network in ("cifar_resnet110", "preact_resnet110", "preact_resnet164")
    ]
    return Finding(
        (),
        "Needs ImageNet and days for each network. The top-5 errors are those that torchvision "
        "documents for its own weights, not the paper's; 18 and 34 layers are among them. The "
        "order by depth is that of the published top-1 errors. On CIFAR-10 the published gain of "
        "pre-activation at 110 layers is 0.06 points; on digits the same comparison is below.",
        (
            Table(
                "ImageNet, single crop, %",
                ("network", "top-5 error reported", "top-1 error published"),
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
