"""The complexity chart: C32."""

from experiments.claims import networks
from experiments.claims.claim import Claim, Finding, Number, Picture, Table
from experiments.claims.operations import gmacs, short
from resnets.analysis.published import published

NETWORKS = (
    "alexnet",
    "nin",
    "vgg16",
    "vgg19",
    "googlenet:bn=true,five_by_five=false",
    "inception_v3",
    "inception_v4",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101:scan_blocks=true",
    "resnet152:scan_blocks=true",
    "resnext50_32x4d",
    "densenet121",
)
"""Networks of the chart, in the forms that accuracies have been published of, and the two families
that the documents add to it."""


def _name(spec: str) -> str:
    return spec.partition(":")[0]


def accuracies() -> dict[str, float]:
    """Published top-1 accuracy on one crop of ImageNet, percent, of the networks that have one."""
    known = published()
    return {
        spec: 100 - known[_name(spec)].top1_error_pct
        for spec in NETWORKS
        if _name(spec) in known and known[_name(spec)].crops == 1
    }


def efficient(
    accuracy: dict[str, float], work: dict[str, int], weights: dict[str, int]
) -> tuple[str, set[str]]:
    """The network with the most accuracy a weight, and those that none beats in work and accuracy.

    Work alone over accuracy would always favour the smallest network.
    """
    dense = max(accuracy, key=lambda spec: accuracy[spec] / weights[spec])
    front = {
        spec
        for spec in accuracy
        if not any(
            accuracy[other] >= accuracy[spec] and work[other] < work[spec] for other in accuracy
        )
    }
    return dense, front


def _picture(work: dict[str, int], weights: dict[str, int], accuracy: dict[str, float]) -> Picture:
    return Picture(
        "complexity",
        "Accuracy against operations and parameters (M, beside the name)",
        "G multiply-adds of one image",
        "Top-1 accuracy published, one crop, %",
        [
            (
                f"{_name(spec)} {weights[spec] / networks.MILLION:.0f}",
                work[spec] / networks.GIGA,
                accuracy[spec],
            )
            for spec in accuracy
        ],
        log=True,
    )


def _chart() -> Finding:
    work = {spec: networks.macs(spec) for spec in NETWORKS}
    weights = {spec: networks.parameters(spec) for spec in NETWORKS}
    load = {spec: weights[spec] / work[spec] for spec in NETWORKS}
    accuracy = accuracies()
    missing = [spec for spec in NETWORKS if spec not in accuracy]
    dense, front = efficient(accuracy, work, weights)
    most, least = max(work, key=work.__getitem__), min(work, key=work.__getitem__)
    rows = [
        (
            short(spec),
            f"{gmacs(spec):.2f}",
            f"{weights[spec] / networks.MILLION:.1f}",
            f"{1000 * load[spec]:.1f}",
            f"{accuracy[spec]:.2f}" if spec in accuracy else "",
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
                _name(min(weights, key=weights.__getitem__)) == "googlenet",
            ),
            Number("GoogLeNet most accurate a weight", "yes", _name(dense) == "googlenet"),
            Number(
                "none is as accurate with fewer operations than GoogLeNet",
                "yes",
                "googlenet" in map(_name, front),
            ),
        ),
        "Two axes are counts; the third, accuracy, is what others published of one crop "
        f"(resnets/analysis/published.csv; none of {', '.join(missing)}; GoogLeNet's is of the "
        "form with batch normalisation, which is counted here). `Most efficient` is read as: most "
        f"accuracy a weight ({_name(dense)}), and as accurate as any with fewer operations "
        f"(so are {', '.join(sorted(map(_name, front)))}).",
        (
            Table(
                "Of one image of the paper's size",
                (
                    "network",
                    "G multiply-adds",
                    "M parameters",
                    "parameters in 1000 multiply-adds",
                    "top-1 accuracy published, %",
                ),
                rows,
            ),
        ),
        charts=(_picture(work, weights, accuracy),),
    )


CLAIMS = (
    Claim(
        "C32",
        "VGG does most operations; AlexNet few, on many weights; GoogLeNet is most efficient",
        _chart,
        f"./launch.sh complexity --models={','.join(map(_name, NETWORKS))}",
    ),
)
