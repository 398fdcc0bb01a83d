"""`launch.sh validate --target`: our projection against a device's compiler, over many networks."""

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnets.cli import subject, targets
from resnets.cli.parser import Parser, comma_list, int_list
from resnets.errors import RunError, UserError

_DESCRIPTION = """\
Compile networks for a machine that is not here and hold our projection against its compiler's
estimates: totals by their error and rank, layers by the rank of their times."""

_EPILOG = """\
examples:
  launch.sh validate --target=tpu_v5e --models=resnet18,resnet50,vgg16 --batch_sizes=1,128
  launch.sh validate --target=tpu_v5e --phase=train --batch_sizes=128 --out=tpu_v5e_train.csv
  launch.sh validate --target=tpu_v5e --phase=train --effort=quick --time_limit=1800
  launch.sh validate --target=tpu_v5e --models=resnet50 --phase=train --devices=1,4,16 \\
      --batch_sizes=128

Without --models every network for images of 224 pixels and more. The batch is that of one device.
A network that does not compile gets a line that says why; the others go on. What was compiled
before is not compiled again.
exit status: 0 done, 1 some did not compile, 2 bad arguments."""


def _parser() -> Parser:
    parser = Parser("validate --target", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("--target", required=True, metavar="NAME[:TOPOLOGY]", help="tpu_v4, tpu_v5e, h100, ...")
    add("--models", type=comma_list, default=(), metavar="A,B,...", help="networks")
    add("--batch_sizes", type=int_list, default=(1, 128), metavar="A,B", help="default: 1,128")
    add("--phase", choices=subject.PHASES, default="inference", help="default: inference")
    add("--dtype", choices=subject.DTYPES, default="bfloat16", help="default: bfloat16")
    add("--devices", type=int_list, default=(1,), metavar="1,4", help="default: 1")
    add("--hardware", default="", metavar="FILE", help="of our projection (default: the vendor's)")
    add("--effort", choices=targets.EFFORTS, default="full", help=targets.EFFORT)
    add("--time_limit", type=float, default=targets.SECONDS, metavar="SECONDS", help="a program's")
    add("--out", default="", metavar="TABLE.csv", help="write a row for each program")
    add("--format", choices=("table", "csv", "json"), default="table", help="default: table")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    args = _parser().parse_args(list(argv))
    from resnets.analysis import hardware, render
    from resnets.analysis.targets import agreement
    from resnets.analysis.targets.catalogue import read_target, slice_for

    whole = read_target(args.target)
    if any(number < 1 for number in (*args.batch_sizes, *args.devices)):
        raise UserError("--batch_sizes and --devices must be at least 1")
    slices = [(count, slice_for(whole, count)) for count in args.devices]
    machine = hardware.load(args.hardware or whole.target.hardware).name
    targets.version(whole.target.extra)
    for name in args.models:
        subject.named(name, None, "", args.dtype)  # a mistake ends it before anything is compiled
    rows, contents = [], []
    for name in args.models or _imagenet():
        for batch in args.batch_sizes:
            for devices, chosen in slices:
                row, content = _one(args, name, batch, devices, chosen)
                rows.append(row | {"hardware": machine})
                contents += [content] if content else []
                if args.out:  # after each, as the next may take an hour
                    table = render.rows_as_csv(agreement.with_efficiency(rows))
                    Path(args.out).write_text(table + "\n", encoding="utf-8")
    rows = agreement.with_efficiency(rows)
    found = agreement.agreement(contents) if contents else None
    if args.format == "json":
        print(render.as_json({"programs": rows, "agreement": vars(found) if found else None}))
    elif args.format == "csv":
        print(render.rows_as_csv(rows))
    else:
        print(agreement.as_table(rows))
        if args.devices != (1,):
            print("\n" + agreement.scaling_table(rows))
        print("\n" + _in_words(args.effort, found))
    return 0 if len(contents) == len(rows) else 1


def _in_words(effort: str, found: Any) -> str:
    from resnets.analysis.targets import agreement, program

    if not found:
        return "nothing compiled"
    return program.QUICK_TIMES if effort == "quick" else agreement.in_words(found)


def _imagenet() -> list[str]:
    from resnets import models

    return [name for name in models.names() if models.family(name).image_shape[0] >= 224]


def _one(
    args: Any, name: str, batch: int, devices: int, chosen: Any
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    from resnets.analysis.targets import agreement, render

    flags = [name, f"--phase={args.phase}", f"--batch_size={batch * devices}"]
    flags += [f"--dtype={args.dtype}", "--platform=tpu"]
    print(f"{name}, batch {batch} on each of {devices}", file=sys.stderr, flush=True)
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    try:
        compiled = targets.compiled(
            args.target,
            chosen.target.extra,
            devices,
            flags,
            [],
            (args.time_limit, targets.GIGABYTES),
            args.hardware,
            args.effort,
        )
    except (RunError, UserError) as error:
        failure = {"model": name, "phase": args.phase, "batch_size": batch, "failure": str(error)}
        return failure | {"target": args.target, "devices": devices, "date": today}, None
    content = render.as_dict(compiled, chosen, devices)
    versions = " ".join(f"{key}={value}" for key, value in compiled["versions"].items())
    row = agreement.row_of(name, args.phase, batch, content)
    row["effort"] = compiled["effort"]
    return row | {"dtype": args.dtype, "versions": versions, "date": today}, content
