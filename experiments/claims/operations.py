"""Claims about multiply-adds of whole networks: C03, C20, C25, C27."""

from experiments.claims import networks
from experiments.claims.claim import Claim, Finding, Number, Table, told
from resnets import analysis
from resnets.models.layers import Conv

GIGA = networks.GIGA
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
    share = Number("share", "18", 100 * gmacs("plain34") / vgg, "%")
    numbers = (
        Number("VGG-19", "19.6", vgg, "G"),
        Number("plain-34", "3.6", gmacs("plain34"), "G"),
        Number("ResNet-34", "3.6", gmacs("resnet34"), "G"),
        share,
    )
    return Finding(
        numbers,
        f"{told(numbers)} Multiply-adds, which the documents call FLOPs. The ratio is "
        f"{share.shown} %: {share.reported} is that "
        f"{'rounded' if round(share.ours) == int(share.reported) else 'cut, not rounded'}. "
        f"Shortcuts A cost {1e3 * (gmacs(specs[2]) - gmacs(specs[1])):.1f} M, B's projections "
        f"{1e3 * (gmacs(specs[3]) - gmacs(specs[1])):.1f} M.",
        (Table("Of one image", ("network", "G multiply-adds", "of VGG-19's, %"), rows),),
    )


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
    numbers = (
        *resnets,
        Number("VGG-16", "15.3", counted["vgg16"].ours, "G"),
        Number("VGG-19", "19.6", counted["vgg19"].ours, "G"),
        Number("152 below both", "yes", below),
    )
    held = {
        spec: " or ".join(
            name
            for name, number in (("with", counted[spec]), ("without", alone[spec]))
            if number.agrees
        )
        for spec in vggs
    }
    return Finding(
        numbers,
        f"{told(numbers)} VGG-16 and -19 are {counted['vgg16'].shown} and "
        f"{counted['vgg19'].shown} G with their dense layers, {alone['vgg16'].shown} and "
        f"{alone['vgg19'].shown} G without: the document's number of VGG-16 is that "
        f"{held['vgg16'] or 'of neither'}, of VGG-19 that {held['vgg19'] or 'of neither'}.",
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


BUDGET = 5.0
"""Percent more or less that still keep a budget: our reading."""


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
            Number(
                "ResNeXt-50 within 5 % of ResNet-50",
                "yes",
                all(abs(share - 100) < BUDGET for share in (weights, work)),
            ),
        ),
        f"ResNeXt-50 32x4d has {weights:.1f} % of ResNet-50's parameters and {work:.1f} % of its "
        f"multiply-adds; {BUDGET:.0f} % more or less is our reading of `keeps the budget`.",
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
