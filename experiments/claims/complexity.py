"""The complexity chart: C32."""

from experiments.claims import networks, seeds
from experiments.claims.claim import Claim, Finding, Number, Picture, Table
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


def _error(network: str) -> str:
    """The published error and how many crops it is of, where there is one."""
    found = seeds.published().get((network, "top1_error_pct"))
    return f"{found['value']} ({found['n']})" if found else ""


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
            _error(short(spec).partition(":")[0]),
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
        "Two axes are counts. The third, accuracy, needs training on ImageNet, so that GoogLeNet "
        "is the most efficient is not tested; where a result has been published it stands beside "
        "the counts.",
        (
            Table(
                "Of one image of the paper's size",
                (
                    "network",
                    "G multiply-adds",
                    "M parameters",
                    "parameters in 1000 multiply-adds",
                    "top-1 error published, %",
                ),
                rows,
            ),
        ),
        charts=(
            Picture(
                "complexity",
                "What networks for ImageNet cost",
                "M parameters",
                "G multiply-adds of one image",
                [
                    (short(spec).partition(":")[0], weights[spec] / networks.MILLION, gmacs(spec))
                    for spec in NETWORKS
                ],
                log=True,
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
