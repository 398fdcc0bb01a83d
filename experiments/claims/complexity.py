"""The complexity chart: C32."""

from experiments.claims import networks
from experiments.claims.claim import Claim, Finding, Number, Table
from experiments.claims.operations import PAPER, gmacs, short

NETWORKS = (
    "alexnet",
    "nin",
    "vgg16",
    "vgg19",
    "googlenet",
    "inception_v3",
    "inception_v4",
    *PAPER.values(),
    "resnext50_32x4d",
    "densenet121",
)
"""Networks of the chart, and the two families that the documents add to it."""


def _chart() -> Finding:
    work = {spec: networks.macs(spec) for spec in NETWORKS}
    weights = {spec: networks.parameters(spec) for spec in NETWORKS}
    load = {spec: weights[spec] / work[spec] for spec in NETWORKS}
    most, least = max(work, key=work.__getitem__), min(work, key=work.__getitem__)
    rows = [
        (
            short(spec),
            f"{gmacs(spec):.2f}",
            f"{weights[spec] / networks.MILLION:.1f}",
            f"{1000 * load[spec]:.1f}",
        )
        for spec in sorted(NETWORKS, key=lambda spec: -work[spec])
    ]
    return Finding(
        (
            Number("VGG does most operations", "yes", most == "vgg19"),
            Number("AlexNet fewest", "yes", least == "alexnet"),
            Number(
                "AlexNet reads most weights an operation",
                "yes",
                max(load, key=load.__getitem__) == "alexnet",
            ),
            Number(
                "GoogLeNet has fewest parameters",
                "yes",
                min(weights, key=weights.__getitem__) == "googlenet",
            ),
        ),
        "Counts only: accuracy, the third axis and what `efficient` is measured by, needs training "
        "on ImageNet.",
        (
            Table(
                "Of one image of the paper's size",
                (
                    "network",
                    "G multiply-adds",
                    "M parameters",
                    "parameters in 1000 multiply-adds",
                ),
                rows,
            ),
        ),
    )


CLAIMS = (
    Claim(
        "C32",
        "VGG does most operations; AlexNet few, on many weights; GoogLeNet has the fewest weights",
        _chart,
        f"./launch.sh analyze --compare={','.join(NETWORKS[:5])},resnet152:strided=1x1",
    ),
)
