"""What depth does to plain and residual networks, on digits: C04, C07, C31."""

from experiments.claims import seeds
from experiments.claims.behaviour import Behaviour
from experiments.claims.claim import Finding, Picture, Table
from experiments.claims.effects import Effect
from experiments.claims.seeds import TEST, TRAIN
from experiments.claims.workplace import Trial
from resnets.reports.results import Study

DEGRADATION = Trial(
    "degradation", "degradation", arms=("plain", "residual"), depths=(20, 56), seeds=5
)
SHALLOW, DEEP = DEGRADATION.depths


def degradation(study: Study) -> Finding:
    """C04: training error of plain networks rises with depth, of residual ones it does not."""
    rise = {
        arm: seeds.difference(study, (arm, DEEP), (arm, SHALLOW), TRAIN) for arm in DEGRADATION.arms
    }
    means = {
        group: seeds.spread(seeds.errors(study, group, TRAIN)) for group in seeds.groups(study)
    }
    return Finding(
        (),
        f"Training error from {SHALLOW} to {DEEP} layers, plain: {means['plain', SHALLOW]} % to "
        f"{means['plain', DEEP]} %; residual: {means['residual', SHALLOW]} % to "
        f"{means['residual', DEEP]} %. `Do not` is read as: by less than a tenth of what plain "
        "networks lose, as the errors of residual ones are near zero. Their own is "
        f"{Effect('', rise['residual']).says('higher', 'lower')} points.",
        (seeds.error_table(study),),
        effects=(
            Effect(f"plain, training error, {DEEP} over {SHALLOW} layers", rise["plain"]),
            Effect(
                "residual, a tenth of that less the same rise",
                tuple(
                    seeds.TENTH * plain - residual
                    for plain, residual in zip(rise["plain"], rise["residual"], strict=True)
                ),
            ),
        ),
        charts=(_by_depth(study),),
    )


def _by_depth(study: Study) -> Picture:
    points = [
        (f"{arm}, {name}", depth, sum(values) / len(values))
        for metric, name in seeds.NAMES.items()
        for arm, depth in seeds.groups(study)
        for values in [seeds.errors(study, (arm, depth), metric)]
    ]
    return Picture("depth", "Plain and residual networks on digits", "Layers", "Error, %", points)


def underfitting(study: Study) -> Finding:
    """C31: the deeper plain network has a higher training error, not only a higher test error."""
    deep, shallow = ("plain", DEEP), ("plain", SHALLOW)
    rises = {
        name: Effect(
            f"plain, {name}, {DEEP} over {SHALLOW} layers",
            seeds.difference(study, deep, shallow, metric),
        )
        for metric, name in seeds.NAMES.items()
    }
    said = ", ".join(f"{name} {rise.says('higher', 'lower')}" for name, rise in rises.items())
    return Finding(
        (),
        f"The same runs as C04; the deeper plain network's {said}. A fit that fails raises both; "
        "overfitting would raise the test error alone.",
        (seeds.error_table(study),),
        effects=tuple(rises.values()),
    )


_DOCUMENT = {
    "cifar_resnet20": ("20", 91.87),
    "cifar_resnet32": ("34", 92.88),
    "cifar_resnet56": ("50", 93.31),
}
"""The published network nearest to each of the document's, its layers there, and its accuracy."""


def cifar(study: Study) -> Finding:
    """C07: accuracies on CIFAR-10, which need a training run of hours each."""
    rows = []
    for network, (layers, accuracy) in _DOCUMENT.items():
        found = seeds.published()[network, "test_error_pct"]
        rows.append(
            (
                f"ResNet-{layers}",
                f"{accuracy}",
                network,
                f"{100 - float(found['value']):.2f}",
                found["source"],
            )
        )
    deep, shallow = ("residual", DEEP), ("residual", SHALLOW)
    return Finding(
        (),
        "Needs CIFAR-10 and hours for each network; the command trains one with this recipe. The "
        "family has 6n+2 layers, so the published neighbours of 34 and 50 are 32 and 56: within "
        f"0.7 points. On digits the same comparison, {SHALLOW} against {DEEP} layers, is below.",
        (
            Table(
                "Test accuracy on CIFAR-10, %",
                ("document", "reported", "nearest network", "published", "source"),
                rows,
            ),
            seeds.error_table(study),
        ),
        testable=False,
        stated="CIFAR-10 accuracy of ResNet-20 91.87 %, -34 92.88 %, -50 93.31 %",
        effects=(
            Effect(
                f"digits: residual, test error, {SHALLOW} over {DEEP} layers",
                seeds.difference(study, shallow, deep, TEST),
            ),
        ),
    )


BEHAVIOURS = (
    Behaviour(
        "C04",
        "Plain networks get worse with depth, in training error; residual ones do not",
        lambda workplace: degradation(workplace.study(DEGRADATION)),
        DEGRADATION.command,
    ),
    Behaviour(
        "C07",
        "On CIFAR-10 ResNet-20 reaches 91.87 %, ResNet-34 92.88 %, ResNet-50 93.31 %",
        lambda workplace: cifar(workplace.study(DEGRADATION)),
        "./launch.sh train --config=configs/cifar.py:depth=56 --workdir=runs/cifar56 "
        f"--config.schedule=step:every_epochs=10,factor=0.5\n{DEGRADATION.command}",
        judged=False,
    ),
    Behaviour(
        "C31",
        "A deeper plain network underfits: its training error is worse too",
        lambda workplace: underfitting(workplace.study(DEGRADATION)),
        DEGRADATION.command,
    ),
)
