"""`launch.sh validate`: predicted against measured times of networks on this machine."""

import argparse
import datetime
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnets.cli import backend, subject
from resnets.cli.calibrate import processor, processor_load, versions
from resnets.cli.parser import Parser
from resnets.columns import aligned
from resnets.errors import RunError, UserError

if TYPE_CHECKING:
    from resnets.analysis.calibration.validation import Check
    from resnets.analysis.hardware import Hardware
    from resnets.analysis.lower import Lowered

_IMAGES = {
    "lenet5": "",
    "cifar_resnet20": "",
    "cifar_resnet56": "",
    "alexnet": "",
    "vgg11": "112",
    "resnet18": "",
    "resnet50": "",
    "googlenet": "",
    "densenet121": "",
    "inception_v3": "",
    "preact_resnet50": "",
}
"""The networks that are checked, and their images: the papers', or smaller ones to save time."""

_DESCRIPTION = """\
Predict how long networks take on this machine from its hardware file, run them, and compare: whole
networks by their error, layers by the correlation of their ranks."""

_EPILOG = f"""\
examples:
  launch.sh calibrate --out=here.toml && launch.sh validate --hardware=here.toml
  launch.sh validate --hardware=here.toml --models=resnet18:112,cifar_resnet20 --batch_sizes=1,8
  launch.sh validate --hardware=here.toml --models=resnet18 --depth=1
  launch.sh validate --hardware=here.toml --out=validation.csv --layers_out=layers.csv
  launch.sh validate --target=tpu_v5e --help

--models: names of `launch.sh models`, NAME:SIZE for images of that size. Without it
  {", ".join(f"{n}:{s}" if s else n for n, s in _IMAGES.items())}.
A prediction is that of analyze with --fusion=epilogue --residency=belady --tiling=once
--platform=cpu. Programs are compiled with one kernel for each convolution and product. Times are
lower quartiles; let nothing else run. The networks above take about 6 minutes on two cores.
exit status: 0 done, 1 failed, 2 bad arguments."""


def _parser() -> Parser:
    parser = Parser("validate", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("--hardware", default="", metavar="FILE.toml", help="what `launch.sh calibrate` wrote here")
    add("--models", default="", metavar="A,B:SIZE,...", help="networks (default: see below)")
    add("--batch_sizes", default="1,4,16", metavar="A,B,...", help="default: 1,4,16")
    add("--repeats", type=subject.positive, default=5, help="timings of each (default: 5)")
    add("--out", default="", metavar="TABLE.csv", help="write a row for each network and batch")
    add("--layers_out", default="", metavar="TABLE.csv", help="write a row for each layer")
    add("--depth", type=int, default=-1, metavar="N", help="show layers, folded to N parts; 0: all")
    add("--format", choices=("table", "csv", "json"), default="table", help="default: table")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    if any(argument.partition("=")[0] == "--target" for argument in argv):
        from resnets.cli import target_zoo

        return target_zoo.main(argv)
    args = _parser().parse_args(list(argv))
    if not args.hardware:
        raise UserError(
            "--hardware=FILE.toml is missing; make it with `launch.sh calibrate`. "
            "--target=NAME compares with a device's compiler instead"
        )
    batches = _batches(args.batch_sizes)
    for file in filter(None, (args.out, args.layers_out)):
        _writable(Path(file))
    backend.configure()
    from resnets.analysis import hardware

    machine = hardware.load(args.hardware)
    networks = [_network(spec) for spec in _specs(args.models)]
    for network in networks:  # what cannot be traced is said before anything is measured
        _lowered(network, 1)
    start, load = time.perf_counter(), processor_load()
    checks = []
    for network in networks:
        checks += _checks(network, machine, batches, args.repeats)
    spent = time.perf_counter() - start
    print(f"{spent:,.0f} s, load average {load:.1f} to {processor_load():.1f}", file=sys.stderr)
    _write(args, machine, checks)
    _print(args, checks)
    return 0


def _batches(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise UserError(f"--batch_sizes={text} must be whole numbers of at least 1, such as 1,4,16")
    return list(dict.fromkeys(map(int, parts)))


def _specs(text: str) -> list[tuple[str, str]]:
    """Networks with the size of their images: `NAME:112` has one, `NAME:field=value` does not."""
    specs = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, size = part.rpartition(":")
        specs.append((name, size) if name and "=" not in size else (part, _IMAGES.get(part, "")))
    if text and not specs:
        raise UserError(f"--models={text} names no network; `launch.sh models` lists them")
    return specs or list(_IMAGES.items())


def _network(spec: tuple[str, str]) -> subject.Subject:
    return subject.named(spec[0], None, spec[1], "")


def _writable(file: Path) -> None:
    target = file if file.exists() else file.parent
    if file.is_dir() or not target.exists() or not os.access(target, os.W_OK):
        raise RunError(f"{file} cannot be written; its folder must be there and writable")


def _checks(
    network: subject.Subject, machine: "Hardware", batches: Sequence[int], repeats: int
) -> "list[Check]":
    """Check one network at each batch size.

    Raises:
      UserError: it cannot be traced with these images, or does not fit the machine.
    """
    from resnets import analysis
    from resnets.analysis.calibration import validation

    found = []
    for batch in batches:
        try:
            lowered = _lowered(network, batch)
            size = network.image_shape[:2]
            found.append(validation.check(lowered, machine, network.name, batch, size, repeats))
        except analysis.AnalysisError as error:
            raise UserError(f"{network.name}: {error}") from None
        row = found[-1]
        told = f"{row.predicted * 1e3:,.4g} ms predicted, {row.measured * 1e3:,.4g} ms measured"
        print(f"{network.name} batch {batch}: {told}", file=sys.stderr, flush=True)
    return found


def _lowered(network: subject.Subject, batch: int) -> "Lowered":
    from resnets import analysis
    from resnets.analysis import lower

    try:
        return lower.inference(network.model, network.image_shape, batch, _here())
    except analysis.AnalysisError as error:
        raise UserError(f"{network.name}: {error}") from None


def _here() -> str:
    import jax

    return {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())


def _rows(checks: "Sequence[Check]") -> list[dict[str, Any]]:
    return [
        {
            "model": check.model,
            "batch_size": check.batch,
            "image_size": f"{check.image[0]}x{check.image[1]}",
            "predicted_s": check.predicted,
            "measured_s": check.measured,
            "median_s": check.median,
            "upper_quartile_s": check.high,
            "runs": check.runs,
            "drift": check.drift,
            "ratio": check.ratio,
            "error_pct": 100 * (check.ratio - 1),
            "rank_correlation": None if math.isnan(check.correlation) else check.correlation,
            "explained": check.explained,
        }
        for check in checks
    ]


def _layer_rows(checks: "Sequence[Check]", depth: int) -> list[dict[str, Any]]:
    from resnets.analysis.calibration.validation import folded

    return [
        {
            "model": check.model,
            "batch_size": check.batch,
            "layer": layer.name,
            "predicted_s": layer.predicted,
            "measured_s": layer.measured,
        }
        for check in checks
        for layer in folded(check.layers, depth)
    ]


def _write(args: argparse.Namespace, machine: "Hardware", checks: "Sequence[Check]") -> None:
    """Write the tables that are asked for.

    Raises:
      RunError: one cannot be written.
    """
    from resnets.analysis.render import rows_as_csv

    origin = {
        "hardware": machine.name,
        "date": datetime.date.today().isoformat(),
        "cpu": processor(),
        "versions": versions(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }
    totals = [row | origin for row in _rows(checks)]
    for file, rows in ((args.out, totals), (args.layers_out, _layer_rows(checks, 0))):
        if file:
            try:
                Path(file).write_text(rows_as_csv(rows) + "\n", "utf-8")
            except OSError as error:
                raise RunError(f"{file} cannot be written: {error.strerror}") from None


def _print(args: argparse.Namespace, checks: "Sequence[Check]") -> None:
    from resnets.analysis import render
    from resnets.analysis.calibration.validation import summary

    rows, sums = _rows(checks), summary(checks)
    layers = _layer_rows(checks, args.depth) if args.depth >= 0 else []
    if args.format == "json":
        known = {key: None if math.isnan(value) else value for key, value in sums.items()}
        print(render.as_json({"summary": known, "networks": rows, "layers": layers}))
    elif args.format == "csv":
        print(render.rows_as_csv(layers or rows))
    else:
        print(_table(rows))
        if layers:
            print("\n" + _layer_table(layers))
        print(
            f"\nmean absolute error {sums['mape_pct']:.1f} % over {len(rows)} rows, median ratio "
            f"{sums['median_ratio']:.2f}, median rank correlation of layers "
            f"{sums['median_rank_correlation']:.3f}\n"
            f"drift: single convolutions now, against the file, median {sums['median_drift']:.2f}; "
            f"predictions times it are off by {sums['mape_less_drift_pct']:.1f} %\n"
            "one kernel a convolution or product; measured: lower quartiles, less an empty call"
        )


def _table(rows: list[dict[str, Any]]) -> str:
    heading = (
        "model",
        "batch",
        "image",
        "predicted, ms",
        "measured, ms",
        "drift",
        "ratio",
        "rank corr.",
    )
    table = [heading]
    for row in rows:
        rank = row["rank_correlation"]
        table.append(
            (
                row["model"],
                str(row["batch_size"]),
                row["image_size"],
                *(f"{row[key] * 1e3:,.4g}" for key in ("predicted_s", "measured_s")),
                f"{row['drift']:.2f}",
                f"{row['ratio']:.2f}",
                "" if rank is None else f"{rank:.3f}",
            )
        )
    return aligned(table, [1, *range(3, len(heading))])


def _layer_table(layers: list[dict[str, Any]]) -> str:
    table = [("model", "batch", "layer", "predicted, ms", "measured, ms")]
    for row in layers:
        times = (f"{row[key] * 1e3:,.4g}" for key in ("predicted_s", "measured_s"))
        table.append((row["model"], str(row["batch_size"]), row["layer"], *times))
    return aligned(table, [1, 3, 4])
