"""`launch.sh calibrate --target`: a hardware file from what a device's compiler estimates."""

import dataclasses
import datetime
import sys
from collections.abc import Sequence

from resnets.cli import targets
from resnets.cli.hardware_file import writable
from resnets.cli.parser import Parser, int_list
from resnets.errors import RunError, UserError

_DESCRIPTION = """\
Compile chains of layers of many shapes for a machine that is not here and write a hardware file
with the rates that its compiler estimates, for `validate --target` and `analyze --hardware`."""

_EPILOG = """\
examples:
  launch.sh calibrate --target=tpu_v5e --out=tpu_v5e_xla.toml
  launch.sh validate --target=tpu_v5e --hardware=tpu_v5e_xla.toml --models=resnet50,vgg16

It needs `launch.sh install tpu`. No chain is a network of the registry: nothing is fitted to
networks. Compilations take 20 minutes or more, and are kept. The rates are a compiler's, which no
device has confirmed; memories stay as the vendor gives them.
exit status: 0 done, 1 failed, 2 bad arguments."""


def _parser() -> Parser:
    parser = Parser("calibrate --target", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("--target", required=True, metavar="NAME", help="tpu_v4, tpu_v5e, tpu_v5p or tpu_v6e")
    add("--out", default="", metavar="FILE.toml", help="the hardware file to write")
    add("--force", action="store_true", help="replace the file if it is there")
    add("--widths", type=int_list, help="channels of the chains' first scale (default: six)")
    add("--batch_sizes", type=int_list, help="default: 1,8,128")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    args = _parser().parse_args(list(argv))
    from resnets.analysis import hardware
    from resnets.analysis.targets import chains
    from resnets.analysis.targets.catalogue import read_target
    from resnets.analysis.targets.estimated import fitted

    chosen = read_target(args.target)
    if not chosen.target.clock:
        raise UserError(
            f"--target={args.target}: its compiler estimates no products, only TPUs' do"
        )
    file = writable(args.out, args.force)
    version = targets.version(chosen.target.extra)
    programs = []
    for width in args.widths or chains.WIDTHS:
        for batch in args.batch_sizes or chains.BATCHES:
            print(f"a chain of width {width}, batch {batch}", file=sys.stderr, flush=True)
            found = targets.compiled_chain(args.target, chosen.target.extra, width, batch)
            programs.append(found)
    vendor = hardware.load(chosen.target.hardware)
    machine = fitted(programs, vendor, chosen.target.clock)
    shown = f"{vendor.description}, as XLA's compiler estimates it"
    machine = dataclasses.replace(machine, name=file.stem, description=shown)
    heading = (
        f"Written on {datetime.datetime.now(tz=datetime.UTC).date().isoformat()} by "
        f"`launch.sh calibrate --target={args.target}`.",
        f"Rates: of whole layers, by the estimates of libtpu {version}, net of the overhead of a",
        f"kernel, which is the smallest estimate. All else is that of {vendor.name}.toml.",
    )
    text = "".join(f"# {line}\n" for line in heading) + hardware.dumps(machine, {})
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror}") from None
    unit = machine.unit_for("convolution")
    print(f"{file}: {len(unit.samples)} shapes, overhead {machine.overhead * 1e6:.3g} us")
    return 0
