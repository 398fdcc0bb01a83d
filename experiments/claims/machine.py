"""Claims about time on the documents' machine: C08, C09, C14."""

from collections.abc import Callable, Sequence

from experiments.claims import networks
from experiments.claims.claim import Claim, Finding, Number, Table
from experiments.claims.parameters import deepnet_rows
from resnets.analysis import hardware
from resnets.analysis.costs import FLOPS_PER_MAC
from resnets.analysis.projection import Projection
from resnets.analysis.render_projection import layer_times

NETWORK, SHORTER = "cifar_resnet32", "cifar_resnet20"
MEGABYTES = {"10^6 B": 10**6, "2^20 B": 2**20}
MILLI = 1e3
FLOAT32 = 4
Times = tuple[float, float, float]


def _times(projection: Projection) -> Times:
    """Milliseconds of moving data, of convolutions and products, and of everything else."""
    spent = projection.resources
    moving, matrix, general = (MILLI * spent[name] for name in ("ddr", "matrix", "general"))
    return moving, matrix, general


def _wide_maps(spec: str) -> list[int]:
    """Input maps, bytes times channels, of the convolutions from 64 channels to 64."""
    schedule = networks.scheduled(spec, "streamed")
    return [
        schedule.sizes[step.product.input] * step.product.nest.channels
        for step in networks.products(spec)
        if step.product is not None
        and step.kind == "convolution"
        and step.product.nest.channels == step.product.nest.features == 64
    ]


def _slipped(spec: str) -> Times:
    """The times by the document's arithmetic, as far as its numbers can be had that way.

    Coefficients enter the work as bytes where counts are meant; maps of the 64-channel layers are
    multiplied by their channels, and no other maps move. That coefficients move a byte each is our
    reading: it makes up what these maps leave of the reported time.
    """
    machine = hardware.load(networks.MACHINE)
    counted = networks.macs(spec) * FLOAT32
    moved = sum(_wide_maps(spec)) + networks.parameters(spec)
    matrix, general = (
        machine.unit_for(kind).peak["float32"] for kind in ("convolution", "elementwise")
    )
    return (
        MILLI * moved / machine.memory("ddr").read,
        MILLI * FLOPS_PER_MAC * counted / matrix,
        MILLI * counted / general,
    )


def _stages(projection: Projection) -> Table:
    rows = []
    for layer in layer_times(projection, depth=1):
        spent = layer.resources
        moved = layer.read["ddr"] + layer.written["ddr"]
        times = [spent.get(name, 0.0) for name in ("ddr", "matrix", "general")]
        rows.append(
            (layer.name, f"{moved / 1e3:,.1f}", *(f"{MILLI * seconds:.4f}" for seconds in times))
        )
    whole = _times(projection)
    moved = sum(plan.bytes for name, plan in projection.plans.items() if name == "ddr")
    rows.append(("all", f"{moved / 1e3:,.1f}", *(f"{time:.4f}" for time in whole)))
    return Table(
        f"{NETWORK} on {networks.MACHINE}, one image, float32: maps stay inside, weights move once",
        ("stage", "moved, kB", "data movement, ms", "convolution, ms", "other, ms"),
        rows,
    )


def _sheet(ours: Times, reported: tuple[str, ...]) -> Table:
    columns = (ours, _slipped(NETWORK), _slipped(SHORTER))
    names = ("data movement", "convolution", "other operations")
    rows = [
        (name, *(f"{column[place]:.3f}" for column in columns), reported[place])
        for place, name in enumerate(names)
    ]
    sums = (f"{sum(column):.2f}" for column in columns)
    return Table(
        "Milliseconds, first the right ones, then with the sheet's slips",
        ("part", "32 layers", "32 layers with slips", "20 layers with slips", "reported"),
        (*rows, ("sum", *sums, reported[3])),
    )


def _agreeing(times: Times, reported: Sequence[str]) -> int:
    """How many of the reported times these are."""
    pairs = zip(reported, times, strict=False)
    return sum(Number("", text, time).agrees for text, time in pairs)


def _residual() -> Finding:
    projection = networks.projected(NETWORK)
    ours = _times(projection)
    reported = ("5.5", "0.324", "16", "22")
    names = ("data movement", "convolution", "other", "in all")
    numbers = tuple(
        Number(name, text, time, "ms")
        for name, text, time in zip(names, reported, (*ours, sum(ours)), strict=True)
    )
    maps = _wide_maps(SHORTER)
    slips = _slipped(SHORTER)
    return Finding(
        numbers,
        f"With two slips {_agreeing(slips, reported)} of the sheet's three parts come out for "
        f"{SHORTER}, and {_agreeing(_slipped(NETWORK), reported)} for {NETWORK}. Bytes of "
        f"coefficients, not counts, times output positions give {FLOAT32} x "
        f"{networks.macs(SHORTER):,} multiply-adds: {slips[1]:.3f} ms at two operations each, and "
        f"{slips[2]:.1f} ms once more on the general unit. {len(maps)} layers of 64 channels are "
        f"charged {maps[0]:,} bytes of input map each, the map times its channels; with "
        f"coefficients at a byte each, which is our reading, that is {slips[0]:.2f} ms.",
        (_stages(projection), _sheet(ours, reported)),
    )


def _maps(pick: Callable[..., int]) -> dict[str, int]:
    """Bytes of a map by layer."""
    sizes = networks.scheduled(NETWORK, "streamed").sizes
    return {step.layer: sizes[pick(step.product)] for step in networks.products(NETWORK)}


def _fit() -> Finding:
    inputs = _maps(lambda product: product.input)
    outputs = _maps(lambda product: product.output)
    kernels = _maps(lambda product: product.kernel)
    wide, charged = len(_wide_maps(NETWORK)), _wide_maps(NETWORK)[0]
    five = len(_wide_maps(SHORTER))
    small = min(MEGABYTES.values())
    rows = [
        (
            "network",
            f"{size:,}",
            str(sum(found == size for found in inputs.values())),
            str(sum(found == size for found in outputs.values())),
            *("yes" if size <= capacity else "no" for capacity in MEGABYTES.values()),
        )
        for size in sorted({*inputs.values(), *outputs.values()}, reverse=True)
    ]
    fits = ("yes" if charged <= capacity else "no" for capacity in MEGABYTES.values())
    rows.append(("sheet", f"{charged:,}", str(five), "", *fits))
    whole = max(inputs[layer] + outputs[layer] + kernels[layer] for layer in inputs)
    headings = ("map of", "bytes", "inputs", "outputs", *(f"fits {name}" for name in MEGABYTES))
    return Finding(
        (
            Number("output maps too large", "0", sum(size > small for size in outputs.values())),
            Number("input maps too large", "5", sum(size > small for size in inputs.values())),
        ),
        f"The largest map takes {max({*inputs.values(), *outputs.values()}):,} bytes, the largest "
        f"layer with weights, input and output {whole:,}: "
        f"{'within' if whole <= small else 'above'} {small:,}. The sheet charges its five "
        f"{charged:,} each by mistake (C08): "
        + "; ".join(
            f"{'within' if charged <= size else 'above'} 1 MB read as {name}"
            for name, size in MEGABYTES.items()
        )
        + f". Layers from 64 channels to 64 are {five} in {SHORTER}, {wide} here.",
        (Table(f"Maps of {NETWORK}, one image, float32, by size", headings, rows),),
    )


def _deepnet() -> Finding:
    sheet = deepnet_rows()
    moving = MILLI * sum(row.movement_s for row in sheet)
    computing = MILLI * sum(row.compute_s for row in sheet)
    rows: list[tuple[str, ...]] = [
        (
            "the document's table",
            f"{moving:.2f}",
            f"{computing:.3f}",
            "",
            f"{moving + computing:.2f}",
        )
    ]
    scenes = {
        f"maps stay where they fit, {name}": networks.projected("deepnet", capacity=size)
        for name, size in MEGABYTES.items()
    }
    scenes["nothing stays, maps move once a convolution"] = networks.projected(
        "deepnet", "streamed", "none"
    )
    for name, scene in scenes.items():
        times = _times(scene)
        rows.append((name, *(f"{time:.3f}" for time in times), f"{sum(times):.2f}"))
    first = next(iter(scenes.values()))
    floor = MILLI * first.floor
    numbers = sum(row.parameters for row in sheet)
    per_number = sum(row.bytes for row in sheet) / numbers
    per_second = computing / MILLI * networks.GIGA / numbers
    return Finding(
        (Number("time", "10.58", sum(_times(first)), "ms"),),
        f"The table takes {per_number:.0f} bytes and {per_second:.0f} operations for each of "
        f"{numbers:,} parameters at 10^9 a second, and no feature maps. In fact a weight takes "
        f"{FLOAT32} bytes and convolutions run at 10^12, but maps that do not fit move too: "
        f"weights, image and logits take {floor:.2f} of {_times(first)[0]:.2f} ms of movement. "
        f"The table's sum of {moving + computing:.2f} ms is "
        f"{100 * abs((moving + computing) / sum(_times(first)) - 1):.0f} % off by other "
        "arithmetic, so near or far by chance. With computing hidden behind movement it is "
        f"{MILLI * first.estimate:.2f} ms.",
        (
            Table(
                "DeepNet on the machine, one image, float32, ms",
                ("scenario", "data movement", "convolution", "other", "sum"),
                rows,
            ),
        ),
    )


_ON_MACHINE = f"--hardware={networks.MACHINE} --depth=1"
CLAIMS = (
    Claim(
        "C08",
        "The CIFAR ResNet takes 22 ms an image on the documents' machine",
        _residual,
        f"./launch.sh analyze {NETWORK} {_ON_MACHINE}",
    ),
    Claim(
        "C09",
        "All its output maps, and all but five input maps, fit the machine's 1 MB",
        _fit,
        f"./launch.sh analyze {NETWORK}",
    ),
    Claim(
        "C14",
        "DeepNet takes 10.58 ms on the machine",
        _deepnet,
        f"./launch.sh analyze deepnet {_ON_MACHINE}",
    ),
)
