"""More groups at equal cost: the cardinality of aggregated residual networks.

Question: Xie et al. 2017 (arXiv 1611.05431), table 3: at equal cost more groups err less.
Command: ./launch.sh study cardinality
At scale: --config=configs/cifar.py --depths=29, or --config=configs/imagenet.py --depths=50,101
"""

from resnets.studies.grid import Study


def groups(shape: str) -> dict[str, str | dict[int, str]]:
    """An arm: groups and channels of one in the first stage, as the paper writes them."""
    depths = (11, 20, 29, 50, 101)
    width = {depth: "16" if depth < 50 else "64" for depth in depths}
    return {
        "model": {depth: f"resnext{depth}_{shape}" for depth in depths},
        "config.model.width": width,
        "config.model.scan_blocks": "true",
    }


STUDY = Study(
    name="cardinality",
    question="Do aggregated residual networks err less with more groups at equal cost?",
    reading=(
        "Bottlenecks with 1 (the reference), 2 and 4 groups of 64, 40 and 24 channels, on digits "
        "and CIFAR a quarter of that; parameters are equal within 4 %."
    ),
    config="configs/digits.py",
    arms={"2x40d": groups("2x40d"), "4x24d": groups("4x24d"), "1x64d": groups("1x64d")},
    depths=(11, 29),
    seeds=3,
)
