"""Claims about parts of GoogLeNet, counted layer by layer: C22, C23."""

from experiments.claims import networks
from experiments.claims.claim import Claim, Finding, Number, Table, told

MILLION = networks.MILLION
KIB, MIB = 2**10, 2**20

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
        f"Its own rows, {' + '.join(_STEM_MFLOP)}, sum to {own_sum}, and {total.reported} is "
        f"printed{_swapped(own_sum, total.reported)}. Row by row: {told(reported)} They are "
        "multiply-adds and comparisons; MB is 2^20 bytes; biases and normalisation are left out.",
        (
            Table(
                "GoogLeNet's stem, 224 to 28",
                ("layer", "outputs, KiB", "weights", "M operations", "reported"),
                (*rows, (*last, f"{own_sum} or {total.reported}")),
            ),
        ),
        contradiction=not total.agrees and all(number.agrees for number in reported),
    )


def _swapped(own: int, printed: str) -> str:
    """What sets a sum apart from the one that is printed, where it is two digits' places."""
    same = str(own) == printed
    return ": two digits changed places" if not same and sorted(str(own)) == sorted(printed) else ""


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
    numbers = (
        Number("naive", "854", sum(naive.values()) / MILLION, "M"),
        Number("channels", "672", channels),
        total,
        own,
    )
    apart = int(own.reported) != int(total.reported)
    return Finding(
        numbers,
        f"{told(numbers)} The document's own rows sum to {own.reported} M and its total is "
        f"{total.reported} M{'; it is refuted, as it is the total that it claims' * apart}. With "
        f"the 3x3 layer counted twice it would be {twice:.0f} M.",
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


CLAIMS = (
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
)
