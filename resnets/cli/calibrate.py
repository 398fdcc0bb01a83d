"""`launch.sh calibrate`: measure this machine and write its hardware file."""

import datetime
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from resnets.cli import backend
from resnets.cli.hardware_file import writable
from resnets.cli.parser import Parser
from resnets.columns import aligned
from resnets.errors import RunError
from resnets.training.machine import cores, processor

if TYPE_CHECKING:
    from resnets.analysis.calibration.fit import Records
    from resnets.analysis.hardware import Hardware

_DESCRIPTION = """\
Measure this machine with single operations, run through JAX as networks run them, and write a
hardware file for `launch.sh analyze --hardware`, `whatif` and `validate`."""

_EPILOG = """\
examples:
  launch.sh calibrate --out=here.toml
  launch.sh calibrate --out=quick.toml --quick
  launch.sh validate --hardware=here.toml
  launch.sh calibrate --target=tpu_v5e --help

Rates belong to the machine with its JAX and XLA_FLAGS, which the file notes. No shape is that of a
layer of a network on purpose: nothing is fitted to networks. It takes 2 to 3 minutes, --quick
seconds; let nothing else run. What was measured goes to stdout, progress to stderr.
exit status: 0 done, 1 failed, 2 bad arguments."""


def _parser() -> Parser:
    parser = Parser("calibrate", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("--out", default="", metavar="FILE.toml", help="the hardware file to write")
    add("--force", action="store_true", help="replace the file if it is there")
    add("--quick", action="store_true", help="a few shapes, once: to try it out")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    if any(argument.partition("=")[0] == "--target" for argument in argv):
        from resnets.cli import target_calibrate

        return target_calibrate.main(argv)
    args = _parser().parse_args(list(argv))
    file = writable(args.out, args.force)
    backend.configure()
    from resnets.analysis.calibration import fit
    from resnets.analysis.hardware import dumps

    start, load = time.perf_counter(), processor_load()
    records = measure(args.quick, lambda text: print(text, file=sys.stderr, flush=True))
    machine = fit.fit(records, file.stem, f"{processor()}, {records.cores} cores, measured")
    try:
        file.write_text(_heading(args.quick, load) + dumps(machine, _comments(machine)), "utf-8")
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror}") from None
    print(_table(machine, records))
    print(f"{file} written after {time.perf_counter() - start:,.0f} s", file=sys.stderr)
    return 0


def measure(quick: bool, note: Callable[[str], None]) -> "Records":
    """Run all microbenchmarks, telling `note` how far they are."""
    from resnets.analysis.calibration import fit, microbenchmarks

    rounds = 1 if quick else 5
    shapes = microbenchmarks.PRODUCT_SHAPES[: 2 if quick else None]
    layers = microbenchmarks.QUICK_SHAPES if quick else microbenchmarks.CONVOLUTION_SHAPES
    products = microbenchmarks.product_rates(shapes, layers, rounds=rounds, note=note)
    note("bfloat16")
    narrow = microbenchmarks.product_rates(
        shapes[:1], microbenchmarks.QUICK_SHAPES[: 1 if quick else None], "bfloat16", min(rounds, 2)
    )
    note("passes, functions, sums and pooling")
    return fit.Records(
        products,
        narrow,
        fit.stream_rates(fit.QUICK_SIZES if quick else fit.STREAM_SIZES),
        fit.first_touch_rate(2**22 if quick else 2**26),
        fit.elementwise_work(),
        fit.transcendental_work(),
        fit.reduction_work(),
        fit.pooling_work(),
        fit.block_overhead(8 if quick else 34),
        fit.caches(),
        cores(),
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def versions() -> str:
    """Of JAX and jaxlib."""
    import jax
    import jaxlib.version

    return f"jax {jax.__version__}, jaxlib {jaxlib.version.__version__}"


def processor_load() -> float:
    """Programs that wanted to run, on the mean over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _heading(quick: bool, load: float) -> str:
    lines = (
        f"Measured on {datetime.date.today().isoformat()} by `launch.sh calibrate"
        f"{' --quick' if quick else ''}` on {processor()}.",
        f"{versions()}; XLA_FLAGS={os.environ.get('XLA_FLAGS', '')}",
        f"Load average when it began: {load:.1f}. Each rate is the lower quartile of several",
        "timings. Kernels run one after another, so nothing overlaps: times of units and memories",
        "add up, rates of products are net of the moving that a projection adds, and a memory's",
        "rate is that of what it takes beyond the memory inside it.",
    )
    return "".join(f"# {line}\n" for line in lines)


def _comments(machine: "Hardware") -> dict[str, str]:
    timed = "measured"
    notes = {
        "cores": "that this process may use",
        "overhead": f"{timed}: one more tiny convolution with its normalisation in a program",
        "overlap": "kernels run one after another; rates are of whole kernels",
        "matrix.peak.float32": "the best of all shapes",
        "matrix.sample": f"{timed}: convolutions and products in chains, net of moving",
        "vector.peak.float32": f"{timed}: passes of normalisation and activation, moving included",
        "transcendental.peak.float32": f"{timed}: exponentials, hyperbolic tangents and powers",
        "reduction.peak.float32": f"{timed}: sums over positions",
        "pooling.peak.float32": f"{timed}: 3x3 max pooling",
    }
    if "bfloat16" in machine.units[0].peak:
        notes["matrix.peak.bfloat16"] = f"{timed}: the best of a few shapes"
    for place, memory in enumerate(machine.memories[:-1]):
        notes[f"{memory.name}.capacity"] = "operating system"
        if place:
            notes[f"{memory.name}.bandwidth"] = f"{timed}: passes, beyond the level inside"
        else:
            notes[f"{memory.name}.read"] = f"{timed}: the fastest of passes and products"
            notes[f"{memory.name}.write"] = f"{timed}: element-wise passes"
    external = machine.memories[-1].name
    notes[f"{external}.capacity"] = "operating system"
    notes[f"{external}.read"] = f"{timed}: passes over large arrays, beyond the level inside"
    notes[f"{external}.write"] = f"{timed}: fresh memory, as large results are"
    return notes


def _table(machine: "Hardware", records: "Records") -> str:
    from resnets.analysis.hardware import spell

    rows = [("what", "measured")]
    rows += [(m.name, f"{spell(float(f'{m.read:.4g}'), 'B/s')} read") for m in machine.memories]
    written = [m for m in machine.memories if not m.shared_bus]
    rows += [(m.name, f"{spell(float(f'{m.write:.4g}'), 'B/s')} written") for m in written]
    for unit in machine.units:
        for dtype, peak in unit.peak.items():
            rows.append((f"{unit.name} {dtype}", spell(float(f"{peak:.4g}"), "FLOP/s")))
    rows.append(("overhead of a kernel", spell(float(f"{machine.overhead:.3g}"), "s")))
    rates = sorted(record.rate / 1e9 for record in records.products)
    quartiles = (rates[len(rates) * part // 4] for part in (1, 2, 3))
    rows.append((f"{len(rates)} products, quartiles", ", ".join(f"{q:.3g}" for q in quartiles)))
    return aligned(rows, [1])
