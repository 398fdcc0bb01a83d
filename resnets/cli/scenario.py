"""The options of a projection, shared by the verbs that project: machine, fusion, residency."""

import argparse
from typing import TYPE_CHECKING

from resnets.errors import UserError

if TYPE_CHECKING:
    from resnets.analysis.lower import Lowered
    from resnets.analysis.projection import Projection
    from resnets.analysis.schedule import Schedule

FUSIONS = ("none", "epilogue", "prologue", "streamed", "compiled")
RESIDENCIES = ("none", "belady", "optimal")
TILINGS = ("once", "search", "double")
PRECISIONS = ("float32", "bfloat16", "float16", "int8")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument_group("projection").add_argument
    add("--hardware", default="", metavar="NAME|FILE.toml", help="project the costs onto a machine")
    add("--fusion", choices=FUSIONS, default="", help="what runs as one kernel (default: epilogue)")
    add("--residency", choices=RESIDENCIES, default="", help="what stays on chip (default: belady)")
    add("--tiling", choices=TILINGS, default="", help="products that do not fit (default: search)")
    add("--precision", choices=PRECISIONS, default="", help="of all numbers (default: as written)")


def check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together; fill in the defaults.

    Raises:
      UserError: says which, and what to do.
    """
    given = [name for name in ("fusion", "residency", "tiling", "precision") if getattr(args, name)]
    if given and not args.hardware:
        raise UserError(f"--{given[0]} needs --hardware=NAME|FILE.toml")
    args.fusion = args.fusion or "epilogue"
    if args.fusion == "streamed":
        for name, only in (("residency", "none"), ("tiling", "once")):
            if getattr(args, name) not in ("", only):
                raise UserError(
                    f"--fusion=streamed moves every operand of every product once: "
                    f"--{name}={getattr(args, name)} does not apply, leave it out"
                )
            setattr(args, name, only)
    if args.fusion == "compiled" and args.precision:
        raise UserError("--precision does not apply to --fusion=compiled; use --dtype")
    if args.precision == "int8" and getattr(args, "phase", "inference") == "train":
        raise UserError("--precision=int8 is for inference; training needs a floating-point one")
    args.residency = args.residency or "belady"
    args.tiling = args.tiling or "search"


def platform(args: argparse.Namespace) -> str:
    """Whose program to lower: what a compiler fused is known of this machine's only."""
    if args.fusion != "compiled":
        return str(args.platform)
    import jax

    return {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())


def schedule(lowered: "Lowered", args: argparse.Namespace) -> "Schedule":
    """Make the schedule that the options ask for."""
    from resnets.analysis.fusion import schedule as fused

    training = args.phase == "train"
    if args.fusion == "compiled":
        from resnets.analysis.compiled import compile_program
        from resnets.analysis.compiled_schedule import compiled_schedule

        return compiled_schedule(compile_program(lowered))
    return fused(lowered.graph, args.fusion, training, args.precision)


def project(lowered: "Lowered", args: argparse.Namespace) -> "Projection":
    """Project a lowered program.

    Raises:
      UserError: an unknown machine, or a memory too small for any tile of some layer.
    """
    from resnets import analysis
    from resnets.analysis import hardware
    from resnets.analysis.projection import project as onto

    machine = hardware.load(args.hardware)
    try:
        return onto(schedule(lowered, args), machine, args.residency, args.tiling)
    except analysis.AnalysisError as error:
        raise UserError(f"{machine.name}: {error}") from None
