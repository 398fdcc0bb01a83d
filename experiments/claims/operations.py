"""Claims about multiply-adds: C03, C20, C22, C23, C25, C27."""

from experiments.claims import networks
from experiments.claims.claim import Claim, Finding, Number, Table
from resnets import analysis
from resnets.models.layers import Conv

MILLION, GIGA = networks.MILLION, networks.GIGA
KIB, MIB = 2**10, 2**20
PAPER = {
    18: "resnet18",
    34: "resnet34",
    50: "resnet50:strided=1x1",
    101: "resnet101:strided=1x1,scan_blocks=true",
    152: "resnet152:strided=1x1,scan_blocks=true",
}
"""Residual networks with the stride where the paper has it; loops only make lowering faster."""


def gmacs(spec: str) -> float:
    """Multiply-adds of one image, 10^9."""
    return networks.macs(spec) / GIGA


def short(spec: str) -> str:
    """The name without the field that changes no count."""
    return spec.removesuffix(",scan_blocks=true")


def _identity() -> Finding:
    plain, residual = "cifar_plain32", "cifar_resnet32"
    more = networks.parameters(residual) - networks.parameters(plain)
    added = networks.macs(residual) - networks.macs(plain)
    rows = [
        (spec, f"{networks.parameters(spec):,}", f"{networks.macs(spec):,}")
        for spec in (plain, residual)
    ]
    return Finding(
        (
            Number("layers", "32", len(networks.kernels(residual))),
            Number("parameters added", "0", more),
            Number("multiply-adds added", "0", added),
        ),
        "31 convolutions and a dense layer; where the size changes, shortcut A drops positions and "
        "adds zero channels.",
        (Table("Of one image", ("network", "parameters", "multiply-adds"), rows),),
    )


def _plain_34() -> Finding:
    vgg = gmacs("vgg19")
    specs = ("vgg19", "plain34", "resnet34:shortcut=A", "resnet34")
    rows = [(spec, f"{gmacs(spec):.3f}", f"{100 * gmacs(spec) / vgg:.1f}") for spec in specs]
    return Finding(
        (
            Number("VGG-19", "19.6", vgg, "G"),
            Number("plain-34", "3.6", gmacs("plain34"), "G"),
            Number("ResNet-34", "3.6", gmacs("resnet34"), "G"),
            Number("share", "18", 100 * gmacs("plain34") / vgg, "%"),
        ),
        "Multiply-adds, which the documents call FLOPs. 18 % is the ratio cut, not rounded; "
        "shortcuts A cost nothing, B's projections a little.",
        (Table("Of one image", ("network", "G multiply-adds", "of VGG-19's, %"), rows),),
    )


_STEM = ("conv1", "pool1", "conv2_reduce", "conv2", "pool2")
_STEM_MFLOP = ("118", "2", "13", "347", "1")


def _stem() -> Finding:
    sizes, weights, work = [], [], []
    for layer in _STEM:
        kind = "reduce_window" if layer.startswith("pool") else "convolution"
        prefix = layer if kind == "reduce_window" else f"{layer}/"
        ops = networks.operations("googlenet", prefix, (kind,))
        cost = networks.spent("googlenet", ops)
        sizes.append(cost.output_bytes)
        weights.append(networks.kernels("googlenet").get(f"{layer}/conv", 0))
        work.append((cost.macs + cost.elementwise) / MILLION)
    reported = [
        Number(layer, mflop, found)
        for layer, mflop, found in zip(_STEM, _STEM_MFLOP, work, strict=True)
    ]
    total = Number("operations", "418", sum(work), "M")
    rows = [
        (layer, f"{size / KIB:,.0f}", f"{count:,}", f"{found:.1f}", mflop)
        for layer, size, count, found, mflop in zip(
            _STEM, sizes, weights, work, _STEM_MFLOP, strict=True
        )
    ]
    own_sum = sum(map(int, _STEM_MFLOP))
    last = ("all", f"{sum(sizes) / KIB:,.0f}", f"{sum(weights):,}", f"{sum(work):.1f}")
    return Finding(
        (
            Number("outputs", "7.5", sum(sizes) / MIB, "MB"),
            Number("parameters", "124", sum(weights) / 1e3, "k"),
            total,
        ),
        f"Its own rows, {' + '.join(_STEM_MFLOP)}, sum to {own_sum}, not {total.reported}, and "
        "each is right: two digits changed places. They are multiply-adds and comparisons; MB is "
        "2^20 bytes; biases and normalisation are left out.",
        (
            Table(
                "GoogLeNet's stem, 224 to 28",
                ("layer", "outputs, KiB", "weights", "M operations", "reported"),
                (*rows, (*last, f"{own_sum} or {total.reported}")),
            ),
        ),
        contradiction=not total.agrees and all(number.agrees for number in reported),
    )


_SLIM = "inception_naive:bottlenecks=true"


def _module(spec: str) -> tuple[dict[str, int], int]:
    """Multiply-adds of each layer of the module, and channels of its result."""
    ops = networks.operations(spec, "inception/", ("convolution",))
    layers = {
        op.name.removeprefix("inception/").removesuffix("/conv"): networks.spent(spec, [op]).macs
        for op in ops
    }
    last = networks.operations(spec, "inception", ("concatenate",))[-1]
    return layers, networks.channels(last)


def _inception() -> Finding:
    naive, channels = _module("inception_naive")
    slim, slim_channels = _module(_SLIM)
    own = Number("sum of its rows", "271", sum(slim.values()) / MILLION, "M")
    total = Number("with bottlenecks", "358", own.ours, "M")
    twice = (sum(slim.values()) + slim["branch3x3"]) / MILLION
    rows = [
        (layer, _millions(naive.get(layer, 0)), _millions(slim.get(layer, 0)))
        for layer in dict.fromkeys([*slim, *naive])
    ]
    sums = ("all", _millions(sum(naive.values())), _millions(sum(slim.values())))
    return Finding(
        (
            Number("naive", "854", sum(naive.values()) / MILLION, "M"),
            Number("channels", "672", channels),
            total,
            own,
        ),
        f"The first half is right. The second is not: the document's own rows sum to "
        f"{own.reported} M, as ours do, not {total.reported} M; with the 3x3 layer counted twice "
        f"it would be {twice:.0f} M.",
        (
            Table(
                "Inception module on 28x28x256, M multiply-adds",
                ("layer", "naive", "with bottlenecks"),
                (*rows, sums, ("channels", str(channels), str(slim_channels))),
            ),
        ),
    )


def _millions(count: int) -> str:
    return f"{count / MILLION:.1f}" if count else ""


def _resnets() -> Finding:
    reported = {18: "1.8", 34: "3.6", 50: "3.8", 101: "7.6", 152: "11.3"}
    resnets = [
        Number(f"ResNet-{depth}", text, gmacs(PAPER[depth]), "G")
        for depth, text in reported.items()
    ]
    vggs = {"vgg16": "15.3", "vgg19": "19.6"}
    counted = {spec: Number(spec, text, gmacs(spec), "G") for spec, text in vggs.items()}
    alone = {
        spec: Number(spec, text, networks.convolution_macs(spec) / GIGA, "G")
        for spec, text in vggs.items()
    }
    below = all(resnets[-1].ours < number.ours for number in (*counted.values(), *alone.values()))
    rows = [
        (short(spec), f"{gmacs(spec):.3f}", f"{networks.convolution_macs(spec) / GIGA:.3f}", text)
        for spec, text in (*((PAPER[d], t) for d, t in reported.items()), *vggs.items())
    ]
    return Finding(
        (
            *resnets,
            Number("VGG-16", "15.3", counted["vgg16"].ours, "G"),
            Number("VGG-19", "19.6", counted["vgg19"].ours, "G"),
            Number("152 below both", "yes", below),
        ),
        "The residual networks and the order are right. VGG-16's number leaves its dense layers "
        "out, VGG-19's counts them: alike they are "
        f"{counted['vgg16'].shown} and {counted['vgg19'].shown} G with, "
        f"{alone['vgg16'].shown} and {alone['vgg19'].shown} G without.",
        (
            Table(
                "Of one image, G multiply-adds",
                ("network", "all", "convolutions alone", "reported"),
                rows,
            ),
        ),
        contradiction=not counted["vgg16"].agrees
        and alone["vgg16"].agrees
        and counted["vgg19"].agrees
        and not alone["vgg19"].agrees,
    )


def _groups() -> Finding:
    shape, groups = (14, 14, 64), (1, 2, 4, 32)
    costs = {g: analysis.cost(Conv(64, (3, 3), groups=g), shape) for g in groups}
    whole = costs[1]
    exact = all(
        (g * costs[g].total.macs, g * costs[g].parameters) == (whole.total.macs, whole.parameters)
        for g in groups
    )
    wide, deep = "resnext50_32x4d", "resnet50"
    weights = 100 * networks.parameters(wide) / networks.parameters(deep)
    work = 100 * networks.macs(wide) / networks.macs(deep)
    rows = [(str(g), f"{c.total.macs:,}", f"{c.parameters:,}") for g, c in costs.items()]
    budget = [
        (spec, f"{gmacs(spec):.3f}", f"{networks.parameters(spec):,}") for spec in (deep, wide)
    ]
    return Finding(
        (
            Number("g groups cost and weigh g times less", "yes", exact),
            Number("ResNeXt-50 within 5 % of ResNet-50", "yes", max(weights, work) < 105),
        ),
        f"ResNeXt-50 32x4d has {weights:.1f} % of ResNet-50's parameters and {work:.1f} % of its "
        "multiply-adds; 5 % is our reading of `keeps the budget`.",
        (
            Table(
                "A 3x3 convolution of 64 channels on 14x14",
                ("groups", "multiply-adds", "weights"),
                rows,
            ),
            Table("Of one image", ("network", "G multiply-adds", "parameters"), budget),
        ),
    )


CLAIMS = (
    Claim(
        "C03",
        "3 stages of 5 blocks of 2 layers, and 2 more, are 32; identity shortcuts cost nothing",
        _identity,
        "./launch.sh analyze --compare=cifar_plain32,cifar_resnet32",
    ),
    Claim(
        "C20",
        "VGG-19 takes 19.6 GFLOPs, plain-34 and ResNet-34 3.6: 18 %",
        _plain_34,
        "./launch.sh analyze --compare=vgg19,plain34,resnet34",
    ),
    Claim(
        "C22",
        "GoogLeNet's stem, 224 to 28: 7.5 MB of outputs, 124k parameters, 418 MFLOP",
        _stem,
        "./launch.sh analyze googlenet",
    ),
    Claim(
        "C23",
        "An inception module on 28x28x256 takes 854M multiply-adds, with bottlenecks 358M",
        _inception,
        f"./launch.sh analyze {_SLIM}",
    ),
    Claim(
        "C25",
        "ResNet-18 to 152 take 1.8 to 11.3 G multiply-adds, below VGG-16's 15.3 and VGG-19's 19.6",
        _resnets,
        f"./launch.sh analyze --compare={','.join(map(short, PAPER.values()))},vgg16,vgg19",
    ),
    Claim(
        "C27",
        "A convolution in g groups costs and weighs g times less; ResNeXt keeps ResNet-50's budget",
        _groups,
        "./launch.sh analyze --compare=resnet50,resnext50_32x4d",
    ),
)
