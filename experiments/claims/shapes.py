"""Other shapes than thin, deep and residual, on digits: C12, C29, C30."""

import re

import jax
import jax.numpy as jnp

from experiments.claims import networks, seeds
from experiments.claims.behaviour import Behaviour
from experiments.claims.claim import Finding, Number, Picture, Table
from experiments.claims.effects import Effect
from experiments.claims.seeds import TEST, TRAIN
from experiments.claims.workplace import Trial
from resnets import models
from resnets.reports.results import Study

DROPOUT = Trial(
    "deepnet_dropout",
    "deepnet_dropout",
    seeds=3,
    overrides=("epochs=8", "model.bn_momentum=0.9"),
)
WIDTH = Trial("width", "width", depths=(50,), seeds=5)
DENSE = Trial("densenet", "densenet", arms=("half", "residual"), depths=(14,), seeds=5)


def dropout(study: Study) -> Finding:
    """C12: accuracies of DeepNet on CIFAR-10."""
    (depth,) = {run.depth for run in study.runs}
    return Finding(
        (),
        "Needs CIFAR-10 and hours; nobody else has published DeepNet. On digits, 8x8 instead of "
        f"28x28, {DROPOUT.overrides[0]}, statistics that keep 0.9 instead of 0.99 of a step, as "
        "the training is short, the same comparison is below.",
        (seeds.error_table(study),),
        testable=False,
        stated="CIFAR-10 accuracy of DeepNet 92.47 %, with dropout 0.3 93.15 %",
        effects=(
            Effect(
                "digits: test error, no dropout over dropout 0.3",
                seeds.difference(study, ("dropout0", depth), ("dropout0.3", depth), TEST),
            ),
        ),
    )


_WIDE, _DEEP = "wide_resnet50_2", "resnet152:scan_blocks=true"


def width(study: Study) -> Finding:
    """C29: a wide network of 50 layers against a thin one of 152; on digits, 14 against 50."""
    (depth,) = {run.depth for run in study.runs}
    work = {spec: networks.macs(spec) / networks.GIGA for spec in (_WIDE, _DEEP)}
    layers = {spec: int("".join(re.findall(r"net(\d+)", spec))) for spec in work}
    rows = [
        (spec.partition(":")[0], f"{work[spec]:.2f}", str(count), f"{work[spec] / count:.3f}")
        for spec, count in layers.items()
    ]
    gain = seeds.difference(study, ("thin", depth), ("wide", depth), TEST)
    error = {arm: seeds.spread(seeds.errors(study, (arm, depth), TEST)) for arm in study.arms}
    return Finding(
        (Number("multiply-adds within 5 %", "yes", abs(work[_WIDE] / work[_DEEP] - 1) < 0.05),),
        f"What can run at once is a layer: the wide network has {work[_WIDE]:.1f} G multiply-adds "
        f"in {layers[_WIDE]} layers, the deep one {work[_DEEP]:.1f} G in {layers[_DEEP]}. Whether "
        "it parallelises better is read as: it trains in less time here, on this machine's cores. "
        "Whether it beats it needs ImageNet; on digits, at equal multiply-adds, test error is "
        f"{error['wide']} % with 14 wide layers and {error['thin']} % with {depth} thin ones.",
        (
            Table(
                "Of one ImageNet image",
                ("network", "G multiply-adds", "layers", "G multiply-adds a layer"),
                rows,
            ),
            seeds.error_table(study),
        ),
        effects=(
            Effect(f"digits: test error, {depth} thin over 14 wide layers", gain),
            Effect("digits: training time, thin over wide", _slower(study, depth), "s"),
        ),
    )


def _slower(study: Study, depth: int) -> tuple[float, ...]:
    """Seconds that training takes longer with thin layers, by seed."""
    times = [
        {run.seed: run.final.wall_s for run in study.select(arm, depth) if run.final}
        for arm in ("thin", "wide")
    ]
    thin, wide = times
    return tuple(
        (thin[seed] or 0.0) - (wide[seed] or 0.0) for seed in sorted(thin.keys() & wide.keys())
    )


def sees_all(network: str = "densenet_cifar16_10") -> bool:
    """Whether each layer of a dense block reads as many channels as all before it have written."""
    growth = int(network.rpartition("_")[2])
    shapes = jax.eval_shape(
        lambda: models.create(network).init(
            jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False
        )
    )["params"]
    channels, right = shapes["stem_conv"]["kernel"].shape[-1], []
    for name in sorted(name for name in shapes if name.startswith("block")):
        for index in range(1, len(shapes[name]) + 1):
            kernel = shapes[name][f"layer{index}"]["conv1"]["kernel"]
            right.append(kernel.shape[-2] == channels and kernel.shape[-1] == growth)
            channels += growth
    return all(right) and bool(right)


def dense(study: Study) -> Finding:
    """C30: every layer sees every earlier one; fewer parameters do as well."""
    (depth,) = {run.depth for run in study.runs}
    known = seeds.published()
    rows = [
        (
            network,
            f"{networks.parameters(network) / networks.MILLION:.2f}",
            known[network, "test_error_pct"]["value"],
        )
        for network in ("cifar_resnet110", "densenet_bc100_12")
    ]
    errors = {arm: seeds.errors(study, (arm, depth), TEST) for arm in study.arms}
    error = {arm: seeds.spread(values) for arm, values in errors.items()}
    half, whole = "densenet_cifar16_10", f"cifar_resnet{depth}"
    share = 100 * networks.parameters(half) / networks.parameters(whole)
    return Finding(
        (
            Number("every layer of a block reads all channels before it", "yes", sees_all()),
            Number("fewer parameters on digits", "yes", share < 100),
        ),
        f"On digits a DenseNet with {share:.0f} % of the parameters of ResNet-{depth} ends at "
        f"{error['half']} % test error, the ResNet at {error['residual']} %; `the same accuracy` "
        "is read as: fewer than half as many errors more. Published on CIFAR-10: see the table.",
        (
            Table(
                "Published on CIFAR-10",
                ("network", "M parameters", "test error, %"),
                rows,
            ),
            seeds.error_table(study),
        ),
        effects=(
            Effect(
                "digits: test error, one and a half times the ResNet's less the DenseNet's",
                tuple(
                    (1 + seeds.AGAIN) * whole_error - half_error
                    for whole_error, half_error in zip(
                        errors["residual"], errors["half"], strict=True
                    )
                ),
            ),
        ),
        charts=(_dense_chart(study),),
    )


def _dense_chart(study: Study) -> Picture:
    points = [
        (seeds.NAMES[metric], f"{arm}, {depth} layers", sum(values) / len(values))
        for metric in (TRAIN, TEST)
        for arm, depth in seeds.groups(study)
        for values in [seeds.errors(study, (arm, depth), metric)]
    ]
    return Picture("densenet", "Half the parameters, digits", "", "Error, mean of seeds, %", points)


BEHAVIOURS = (
    Behaviour(
        "C12",
        "DeepNet reaches 92.47 % on CIFAR-10, with dropout 0.3 before the classifier 93.15 %",
        lambda workplace: dropout(workplace.study(DROPOUT)),
        "./launch.sh train --config=configs/deepnet.py:dropout=0.3 --workdir=runs/deepnet0.3\n"
        "./launch.sh train --config=configs/deepnet.py:dropout=0 --workdir=runs/deepnet0\n"
        f"{DROPOUT.command}",
        judged=False,
    ),
    Behaviour(
        "C29",
        "A wide network of 50 layers beats one of 152 layers, and parallelises better",
        lambda workplace: width(workplace.study(WIDTH)),
        WIDTH.command,
    ),
    Behaviour(
        "C30",
        "In a DenseNet every layer sees all earlier ones; fewer parameters are as accurate",
        lambda workplace: dense(workplace.study(DENSE)),
        DENSE.command,
    ),
)
