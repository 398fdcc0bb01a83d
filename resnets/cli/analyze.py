"""`launch.sh analyze`: what a network costs, layer by layer, from its lowered program."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resnets.cli import backend, scenario, subject, targets
from resnets.cli.parser import Parser, int_list
from resnets.errors import UserError

if TYPE_CHECKING:
    from resnets.analysis import Account
    from resnets.analysis.compiled import Compiled
    from resnets.analysis.lower import Lowered
    from resnets.analysis.projection import Projection
    from resnets.analysis.scaling import Scaled
    from resnets.cli.subject import Subject
    from resnets.drawing.pages import Page

_DESCRIPTION = """\
Count what a network costs, layer by layer: parameters, multiply-adds, FLOPs, and the bytes of
weights, inputs and outputs, read from the program that JAX lowers. Nothing is allocated or run."""

_EPILOG = """\
examples:
  launch.sh analyze resnet50
  launch.sh analyze resnet50:strided=1x1 --depth=1
  launch.sh analyze resnet50 --phase=train --batch_size=32 --dtype=bfloat16 --depth=2
  launch.sh analyze --config=configs/cifar.py:depth=110 --phase=train
  launch.sh analyze cifar_resnet20 --compiled --batch_size=32 --depth=1
  launch.sh analyze --compare=vgg16,googlenet,resnet50,densenet121
  launch.sh analyze resnet50 --format=json > resnet50.json
  launch.sh analyze resnet50 --hardware=tpu_v5e --batch_size=128 --precision=bfloat16 --depth=2
  launch.sh analyze resnet50 --hardware=hypothetical --fusion=streamed --depth=1
  launch.sh analyze resnet50 --hardware=tpu_v5e --phase=train --batch_size=128 --dtype=bfloat16 \
      --devices=1,8,64,256 --depth=1
  launch.sh analyze resnet50 --hardware=tpu_v5e --html=build/resnet50.html
  launch.sh analyze resnet50 --target=tpu_v5e --batch_size=8 --dtype=bfloat16 --depth=2

NAME may carry fields of its family: NAME:field=value,... A layer's FLOPs are twice its
multiply-adds, padded taps counted as in the papers, and one for each other operation on an element.

With --hardware the costs are projected onto a machine: a shipped one (hypothetical, tpu_v4,
tpu_v5e, tpu_v5p, tpu_v6e, a100_80, h100_sxm, h200) or a file of your own. --fusion: none runs every
operation on its own; epilogue lets normalisation, activation and addition ride on what produced
their operand; streamed moves operands and results of convolutions and products once and nothing
else, as hand calculations do; compiled takes the kernels of this machine's compiler. --residency:
what stays on chip between steps. --tiling=once takes every operand once, search cuts what does not
fit, double with room for the next tile, too.

--target=tpu_v4|tpu_v5e|tpu_v5p|tpu_v6e[:TOPOLOGY] compiles the program with that machine's own
compiler, which `launch.sh install` brings, and shows its estimates beside our projection;
--effort=quick asks a TPU's whether and into how much memory a program compiles, not how fast it is.
exit status: 0 done, 1 failed, 2 bad arguments."""

FORMATS = ("table", "csv", "json")


def _parser() -> Parser:
    parser = Parser("analyze", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    subject.add_options(parser)
    add("--compare", default="", metavar="A,B,...", help="several networks side by side")
    add("--compiled", action="store_true", help="also what this machine's compiler makes of it")
    add("--depth", type=int, default=0, metavar="N", help="fold rows to N parts of their names")
    add("--target", default="", metavar="NAME[:TOPOLOGY]", help="compile for a machine elsewhere")
    add("--effort", choices=targets.EFFORTS, default="full", help=targets.EFFORT)
    add("--devices", type=int_list, default=(), metavar="1,8,64", help="scale a training step")
    add("--charts", default="", metavar="DIR", help="write roofline, layer times and occupancy")
    add("--html", type=Path, metavar="FILE", help="write a page of charts and tables")
    add("--format", choices=FORMATS, default="table", help="default: table")
    scenario.add_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = _parser()
    args, overrides = parser.parse_with_overrides(argv)
    if sum(map(bool, (args.name, args.config, args.compare))) != 1:
        parser.error("give one of NAME, --config=FILE or --compare=A,B,...")
    if not args.compare:
        subject.check(args, overrides)
    elif overrides:
        parser.error(f"{overrides[0]} needs --config")
    if args.compiled and (args.compare or args.format == "csv"):
        parser.error("--compiled shows one network, as a table or json")
    if args.hardware and (args.compare or args.compiled):
        parser.error("--hardware shows one network, without --compare and --compiled")
    if args.charts and not args.hardware:
        parser.error("--charts needs --hardware=NAME|FILE.toml")
    if args.html and (args.compare or args.target):
        parser.error("--html shows one network, without --compare and --target")
    if args.target:
        return _target(args, overrides)
    if args.effort != "full":
        parser.error(f"--effort={args.effort} needs --target")
    if args.devices and not (args.hardware and args.phase == "train"):
        parser.error("--devices scales a training step: add --phase=train and --hardware=NAME|FILE")
    if any(count < 1 for count in args.devices):
        parser.error(f"--devices={','.join(map(str, args.devices))} must be at least 1 each")
    scenario.check(args)
    if args.depth < 0:
        parser.error(f"--depth={args.depth} must be at least 0")
    backend.configure()
    if args.compare:
        names = _split_names(args.compare)
        return _compare(
            [subject.named(name, args.classes, args.image_size, args.dtype) for name in names], args
        )
    return _show(subject.given(args, overrides), args)


def _target(args: argparse.Namespace, overrides: list[str]) -> int:
    subject.check(args, overrides)
    if args.hardware or args.compiled or args.charts or args.compare:
        raise UserError("--target stands alone: leave out --hardware, --compiled and --charts")
    if len(args.devices) > 1:
        raise UserError("--target takes one number of --devices at a time")
    devices = args.devices[0] if args.devices else 1
    return targets.show(args, overrides, devices)


def _split_names(text: str) -> list[str]:
    """Split at commas that begin another name, not another field of the same one."""
    names: list[str] = []
    for part in filter(None, map(str.strip, text.split(","))):
        if names and "=" in part and ":" not in part:
            names[-1] += f",{part}"
        else:
            names.append(part)
    return names


def _account(given: "Subject", args: argparse.Namespace) -> "Account":
    from resnets.analysis.account import account

    lowered = subject.lower(given, args, args.platform)
    return account(lowered, args.phase, args.batch_size, given.image_shape)


def _compile(given: "Subject", args: argparse.Namespace) -> "Compiled":
    """Lower for this machine, whatever platform the account is of, and compile."""
    from resnets.analysis.compiled import compile_program

    return compile_program(subject.lower(given, args, _here()))


def _here() -> str:
    """Name the platform of this machine, as lowering does."""
    import jax

    return {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())


def _show(given: "Subject", args: argparse.Namespace) -> int:
    from resnets.analysis import render, render_compiled
    from resnets.analysis.account import account as account_of

    lowered = subject.lower(given, args, args.platform)
    account = account_of(lowered, args.phase, args.batch_size, given.image_shape)
    if args.hardware:
        return _project(given, lowered, account, args)
    if args.html:
        from resnets.analysis.cost_page import account_page

        heading = render.title(account, given.name, given.dtype)
        _write_page(account_page(account, heading, args.depth), args.html)
    compiled = _compile(given, args) if args.compiled else None
    if args.format == "table":
        print(render.as_table(account, given.name, given.dtype, args.depth))
        if compiled:
            print("\n" + render_compiled.as_table(compiled, args.depth))
        return 0
    content = render.as_dict(account, given.name, given.dtype, args.depth)
    if compiled:
        content["compiled"] = render_compiled.as_dict(compiled, args.depth)
    print(render.as_json(content) if args.format == "json" else render.as_csv([content]))
    return 0


def _project(
    given: "Subject", lowered: "Lowered", account: "Account", args: argparse.Namespace
) -> int:
    from resnets.analysis import render, render_projection, render_scaling

    where = scenario.platform(args)
    here = lowered if where == args.platform else subject.lower(given, args, where)
    projection = scenario.project(here, args)
    scaled = _scale(given, here, projection, args)
    scene = projection, args.fusion, args.precision, args.batch_size, args.depth
    title = render.title(account, given.name, given.dtype)
    of = render.title(account, given.name, args.precision or given.dtype)
    if args.charts:
        from resnets.analysis import charts

        charts.write(charts.draw(projection, of), Path(args.charts))
    if args.html:
        from resnets.analysis.cost_page import projection_page

        _write_page(projection_page(projection, account, of, args.depth), args.html)
    if args.format == "table":
        print(f"{title}\n{render_projection.as_table(*scene)}")
        if scaled:
            print("\n" + render_scaling.as_table(scaled, args.batch_size))
        return 0
    content = render.as_dict(account, given.name, given.dtype, args.depth)
    content["hardware"] = render_projection.hardware_dict(projection.hardware)
    content["projection"] = render_projection.as_dict(*scene)
    if scaled:
        content["scaling"] = render_scaling.as_rows(scaled, args.batch_size)
    if args.format == "json":
        print(render.as_json(content))
    else:
        print(render_projection.as_csv(given.name, content["projection"]))
    return 0


def _write_page(page: "Page", file: Path) -> None:
    from resnets.drawing.pages import write_page

    write_page(page, file, charts=False)
    print(f"the page is {file}", file=sys.stderr)


def _scale(
    given: "Subject", lowered: "Lowered", projection: "Projection", args: argparse.Namespace
) -> "list[Scaled]":
    from resnets import analysis
    from resnets.analysis.scaling import scale

    if not args.devices:
        return []
    try:
        return scale(lowered.graph, projection, args.devices)
    except analysis.AnalysisError as error:
        raise UserError(f"{given.name}: {error}") from None


def _compare(several: "list[Subject]", args: argparse.Namespace) -> int:
    from resnets.analysis import render

    accounts = [(given, _account(given, args)) for given in several]
    if args.format == "table":
        print(render.comparison([(given.name, account) for given, account in accounts]))
        return 0
    contents = [render.as_dict(a, given.name, given.dtype, args.depth) for given, a in accounts]
    print(render.as_json(contents) if args.format == "json" else render.as_csv(contents))
    return 0
