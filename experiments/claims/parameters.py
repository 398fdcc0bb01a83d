"""Claims about numbers of parameters: C01, C02, C10, C18, C21, C24."""

import collections
import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from experiments.claims import networks
from experiments.claims.claim import Claim, Finding, Number, Table, told

THOUSAND, MILLION = 1e3, networks.MILLION


@dataclasses.dataclass(frozen=True)
class DeepnetRow:
    """A row of the documents' table of DeepNet; seconds as the document has them."""

    row: str
    layer: str
    parameters: int
    bytes: int
    movement_s: float
    compute_s: float


def deepnet_rows() -> list[DeepnetRow]:
    """The documents' table: layers without parameters are left out, names are cut short there."""
    with Path(__file__).with_name("deepnet_layers.csv").open(encoding="utf-8") as file:
        return [
            DeepnetRow(
                row["row"],
                row["keras_layer"],
                int(row["parameters"]),
                int(row["size_in_bytes"]),
                float(row["data_movement_s"]),
                float(row["compute_s"]),
            )
            for row in csv.DictReader(file)
        ]


def _lenet() -> Finding:
    kernels = networks.kernels("lenet5")
    return Finding(
        (
            Number("parameters", "60", networks.parameters("lenet5") / THOUSAND, "k", step=10),
            Number("layers", "5", len(kernels)),
        ),
        "Three convolutions and two dense layers, every map connected to every one before it; the "
        "1998 paper leaves some connections of C3 out.",
    )


def _alexnet() -> Finding:
    given = ("alexnet", 10, "64")
    return Finding(
        (
            Number("parameters", "57", networks.account(*given).parameters / MILLION, "M"),
            Number("non-trainable", "0", networks.statistics(*given)),
        ),
        "The single column with adaptive pooling to 6x6 before fc6, so images of 64x64 need as "
        "many weights as larger ones; it has no normalisation, so no statistics.",
    )


def _paths() -> dict[str, str]:
    """Paths of DeepNet's convolutions by Keras's name: merges and head have their own."""
    found: dict[str, str] = {}
    numbered = merges = 0
    for path, kind in networks.lowered("deepnet").modules.items():
        if kind != "ConvUnit":
            continue
        name = "/".join(path)
        if name == "head":
            found["conv_7b"] = name
        elif name.endswith("/merge"):
            found[f"block35_{merges}_conv"] = name
            merges += 1
        else:
            found[f"conv2d_{numbered}" if numbered else "conv2d"] = name
            numbered += 1
    return found


def _matched() -> Iterator[tuple[DeepnetRow, str, int]]:
    """Rows of the documents' table with our layer and its numbers.

    The names of normalisations are cut short there; those of one depth stand below the
    convolutions of that depth, in their order.
    """
    paths, ours = _paths(), networks.numbers_by_layer("deepnet")
    waiting: collections.deque[str] = collections.deque()
    for row in deepnet_rows():
        if row.layer == "predictions":
            path = "classifier"
        elif "batch_norm" in row.layer or row.layer.endswith("_bn"):
            path = f"{waiting.popleft()}/bn"
        else:
            waiting.append(paths[row.layer])
            path = f"{paths[row.layer]}/conv"
        yield row, path, ours[path]


def _deepnet() -> Finding:
    matched = list(_matched())
    table = sum(row.parameters for row, _, _ in matched)
    ours = sum(networks.numbers_by_layer("deepnet").values())
    total = Number("in all", "1,082,538", ours)
    wrong = [path for row, path, numbers in matched if row.parameters != numbers]
    rows = [
        (row.row, row.layer, f"{row.parameters:,}", path, f"{numbers:,}")
        for row, path, numbers in matched
    ]
    trainable = networks.parameters("deepnet")
    missing = int(total.reported.replace(",", "")) - table
    return Finding(
        (total, Number("sum of its table", f"{table:,}", ours)),
        f"Each of the {len(rows)} rows is right"
        + (f" but {', '.join(wrong)}" if wrong else "")
        + f"; they add up to {table:,}, and the total given is {total.reported}"
        + (f": {missing:,} more, which no reading that we know of explains" if missing else "")
        + f". Keras counts moving statistics: {trainable:,} are trainable.",
        (
            Table(
                "DeepNet, parameters and moving statistics of each layer",
                ("row", "layer in the document", "reported", "layer", "ours"),
                (*rows, ("", "all", f"{table:,}", "", f"{ours:,}")),
            ),
        ),
        contradiction=not total.agrees and table == ours and not wrong,
    )


def _flattened(ending: str) -> int:
    """Units that the dense layer reads; 0 without one."""
    spec = f"goodfellow_{ending}"
    products = networks.operations(spec, kinds=("dot_general",))
    return sum(op.operand_types[0].elements for op in products)


def _endings() -> Finding:
    endings = (
        ("fixed", "fixed size", "16,384"),
        ("grid", "3x3 grid", "576"),
        ("conv", "convolutional", "0"),
    )
    rows = [
        (
            f"goodfellow_{ending}",
            f"{_flattened(ending):,}",
            f"{networks.parameters(f'goodfellow_{ending}'):,}",
        )
        for ending, _, _ in endings
    ]
    return Finding(
        tuple(Number(what, units, _flattened(ending)) for ending, what, units in endings),
        "Two convolutions of 64 channels with pooling by 4; the third network averages one map "
        "a class and flattens nothing.",
        (Table("Three endings", ("network", "flattened units", "parameters"), rows),),
    )


def _first_dense() -> Finding:
    layers = (
        ("lenet5", "conv5"),
        ("alexnet", "fc6"),
        ("alexnet:grid=5", "fc6"),
        ("vgg16", "fc6"),
    )
    first = {spec: networks.kernels(spec)[layer] for spec, layer in layers}
    rows = [
        (
            spec,
            layer,
            f"{first[spec]:,}",
            f"{networks.kernels(spec)['classifier']:,}",
        )
        for spec, layer in layers
    ]
    return Finding(
        (
            Number("LeNet", "48", first["lenet5"] / THOUSAND, "k"),
            Number("AlexNet, 5x5 map", "26", first["alexnet:grid=5"] / MILLION, "M"),
            Number("VGG", "102", first["vgg16"] / MILLION, "M"),
        ),
        "The first layer after the feature maps is meant, not the last. A 5x5 map is what a first "
        "convolution without padding leaves of 224x224; the padded one of the published AlexNet "
        f"leaves 6x6, and {first['alexnet'] / MILLION:.1f} M weights.",
        (
            Table(
                "Weights of the first layer after the feature maps, biases left out",
                ("network", "layer", "weights", "weights of the last layer"),
                rows,
            ),
        ),
    )


def _googlenet() -> Finding:
    google, alex = networks.parameters("googlenet"), networks.parameters("alexnet")
    dense = networks.kernels("vgg16")
    vgg = sum(dense[name] for name in ("fc6", "fc7", "classifier"))
    last = networks.kernels("googlenet")["classifier"]
    rows = [
        (spec, f"{networks.parameters(spec):,}", f"{alex / networks.parameters(spec):.1f}")
        for spec in ("alexnet", "googlenet")
    ]
    numbers = (
        Number("GoogLeNet", "5", google / MILLION, "M"),
        Number("AlexNet over GoogLeNet", "12", alex / google, "times"),
        Number("VGG-16's classifier", "123", vgg / MILLION, "M"),
        Number("GoogLeNet's classifier", "1.0", last / MILLION, "M"),
    )
    return Finding(
        numbers,
        f"{told(numbers)} Counted without the auxiliary heads, which only training has; all but "
        f"the classifier is {(google - last) / MILLION:.1f} M.",
        (
            Table(
                "Parameters",
                ("network", "parameters", "AlexNet's over these"),
                rows,
            ),
        ),
    )


_STUDY = "./launch.sh study claims"
CLAIMS = (
    Claim(
        "C01",
        "LeNet-5 has about 60k parameters in 5 layers",
        _lenet,
        "./launch.sh analyze lenet5",
    ),
    Claim(
        "C02",
        "AlexNet with 10 outputs on 64x64 images has 57M parameters, all trainable",
        _alexnet,
        "./launch.sh analyze alexnet --classes=10 --image_size=64",
    ),
    Claim(
        "C10",
        "DeepNet has 1,082,538 parameters",
        _deepnet,
        f"{_STUDY} --only=C10",
    ),
    Claim(
        "C18",
        "Three ways to end a network flatten 16,384, 576 and 0 units",
        _endings,
        "./launch.sh analyze --compare=goodfellow_fixed,goodfellow_grid,goodfellow_conv",
    ),
    Claim(
        "C21",
        "The last layer of LeNet has 48k weights, AlexNet's 26M (5x5 map), VGG's 102M",
        _first_dense,
        "./launch.sh analyze --compare=lenet5,alexnet:grid=5,alexnet,vgg16",
    ),
    Claim(
        "C24",
        "GoogLeNet has 5M parameters, 12 times fewer than AlexNet; pooling saves VGG's classifier",
        _googlenet,
        "./launch.sh analyze --compare=alexnet,googlenet,vgg16",
    ),
)
