"""`launch.sh whatif`: what a network would take on variants of a machine."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnets.cli import backend, scenario, subject
from resnets.cli.parser import Parser
from resnets.columns import aligned
from resnets.errors import UserError

_DESCRIPTION = """\
Project a network onto variants of a machine: sweep numbers of its file, see how much the time
depends on each, and which variants are not beaten. The network is lowered once."""

_EPILOG = """\
examples:
  launch.sh whatif resnet50 --hardware=hypothetical --vary=internal.capacity=256KiB:64MiB:x2
  launch.sh whatif resnet50 --hardware=tpu_v5e --batch_size=8 --precision=bfloat16 \\
      --vary=vmem.capacity=1MiB:128MiB:x2 --vary=hbm.bandwidth=200GB/s:1600GB/s:x2 --charts=charts
  launch.sh whatif --config=configs/cifar.py:depth=56 --phase=train --hardware=h100_sxm

--vary=KEY=FIRST:LAST:xFACTOR, KEY=FIRST:LAST:+STEP or KEY=A,B,C, numbers with their units; several
are combined. Without --vary only the sensitivities are shown: percent of time for one percent more
of each number, all others as in the file. A row is marked * if no other row is as fast with as
little of everything that varies.
exit status: 0 done, 1 failed, 2 bad arguments."""

_MOST_POINTS = 100_000
_FLAT = 5e-4


def _parser() -> Parser:
    parser = Parser("whatif", _DESCRIPTION, _EPILOG)
    subject.add_options(parser)
    add = parser.add_argument
    add("--vary", action="append", default=[], metavar="KEY=VALUES", help="numbers of the machine")
    add("--charts", default="", metavar="DIR", help="write a chart of the sweep")
    add("--format", choices=("table", "csv", "json"), default="table", help="default: table")
    scenario.add_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = _parser()
    args, overrides = parser.parse_with_overrides(argv)
    subject.check(args, overrides)
    if not args.hardware:
        parser.error("--hardware=NAME|FILE.toml is missing")
    if args.charts and not args.vary:
        parser.error("--charts draws a sweep: add --vary=KEY=VALUES")
    scenario.check(args)
    backend.configure()
    from resnets import analysis
    from resnets.analysis import hardware, whatif

    machine = hardware.load(args.hardware)
    axes = [whatif.axis(machine, text) for text in args.vary]
    _check_axes(axes)
    network = subject.given(args, overrides)
    lowered = subject.lower(network, args, scenario.platform(args))
    sweep = whatif.Sweep(scenario.schedule(lowered, args), machine, args.residency, args.tiling)
    try:
        base = sweep.project(machine)
        rows = sweep.points(axes) if axes else []
        slopes = sweep.sensitivity()
    except analysis.AnalysisError as error:
        raise UserError(f"{machine.name}: {error}") from None
    if args.charts:
        from resnets.analysis import charts

        precision = args.precision or network.dtype
        of = (
            f"{network.name}, {args.phase}, batch {args.batch_size}, {precision}, on {machine.name}"
        )
        drawn = charts.sweep(rows, [axis.key for axis in axes], of=of)
        charts.write([drawn], Path(args.charts))
    _print(args, network.name, machine, base.estimate, rows, slopes)
    return 0


def _check_axes(axes: Sequence[Any]) -> None:
    keys = [axis.key for axis in axes]
    if len(set(keys)) < len(keys):
        raise UserError(f"--vary names {', '.join(keys)}: give each key once")
    points = 1
    for axis in axes:
        points *= len(axis.values)
    if points > _MOST_POINTS:
        raise UserError(f"--vary makes {points:,} points; at most {_MOST_POINTS:,}")


def _print(
    args: argparse.Namespace,
    name: str,
    machine: Any,
    base: float,
    rows: list[dict[str, Any]],
    slopes: dict[str, float],
) -> None:
    from resnets.analysis import render

    if args.format == "json":
        content = {"model": name, "hardware": machine.name, "time_s": base}
        print(render.as_json(content | {"sensitivity": slopes, "points": rows}))
    elif args.format == "csv":
        print(render.rows_as_csv(rows or [{"key": k, "sensitivity": s} for k, s in slopes.items()]))
    else:
        print(f"{name} on {machine.name}: {base * 1e3:,.4g} ms as the file has it\n")
        if rows:
            print(_points(rows, machine), end="\n\n")
        print(_slopes(slopes))


def _points(rows: list[dict[str, Any]], machine: Any) -> str:
    from resnets.analysis import hardware

    varied = list(rows[0])[: list(rows[0]).index("time_s")]
    table: list[tuple[str, ...]] = [(*varied, "time, ms", "bound", "external, MB", "front")]
    for row in rows:
        shown = (hardware.spell(row[key], hardware.unit_of(machine, key)) for key in varied)
        moved = f"{row['external_bytes'] / 1e6:,.2f}"
        front = "*" if row["pareto"] else ""
        table.append((*shown, f"{row['time_s'] * 1e3:,.4g}", row["bound"], moved, front))
    right = [place for place in range(len(table[0])) if place != len(varied) + 1]
    return aligned(table, right)


def _slopes(slopes: dict[str, float]) -> str:
    ordered = sorted(slopes.items(), key=lambda pair: -abs(pair[1]))
    table = [("number", "time, % per % more of it")]
    table += [(key, f"{slope:+.3f}") for key, slope in ordered if abs(slope) >= _FLAT]
    flat = [key for key, slope in ordered if abs(slope) < _FLAT]
    return aligned(table, [1]) + (f"\n\nno effect: {', '.join(flat)}" if flat else "")
