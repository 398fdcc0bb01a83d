"""`launch.sh export`: write a run's weights as a safetensors file."""

import json
from collections.abc import Sequence
from pathlib import Path

from resnets.cli import backend
from resnets.cli.parser import Parser
from resnets.errors import UserError

_DESCRIPTION = """\
Write the newest checkpoint of a run as a safetensors file: in our own naming, or in torchvision's
or Keras's for the networks that they have, layouts transposed. --config.init_from reads each."""

_EPILOG = """\
examples:
  launch.sh export runs/digits56 --output=digits56.safetensors
  launch.sh export runs/resnet50 --output=resnet50.safetensors --naming=torchvision
  torch: resnet50().load_state_dict(safetensors.torch.load_file("resnet50.safetensors"))"""

_NAMINGS = ("own", "torchvision", "keras")


def _parser() -> Parser:
    parser = Parser("export", _DESCRIPTION, _EPILOG)
    parser.add_argument("directory", type=Path, metavar="DIR", help="run directory")
    parser.add_argument("--output", type=Path, required=True, help="file to write; must not exist")
    parser.add_argument("--naming", choices=_NAMINGS, default="own", help="default: own")
    parser.add_argument(
        "--best", action="store_true", help="the checkpoint that config.keep_best kept"
    )
    parser.add_argument(
        "--average", action="store_true", help="the moving average in place of the last values"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = _parser()
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"a run has its config already: {overrides[0]} is out of place")
    if args.output.exists():
        parser.error(f"{args.output} exists already")
    try:
        config = json.loads((args.directory / "config.json").read_text())["config"]
    except (OSError, ValueError, KeyError):
        parser.error(f"{args.directory} holds no run (no config.json that can be read)")
    backend.configure()
    from resnets import data, models
    from resnets.models import interop
    from resnets.training import checkpoints

    state = checkpoints.read(args.directory / "checkpoints", args.best)
    if state is None:
        rated = " that --config.keep_best has rated" if args.best else ""
        raise UserError(f"{args.directory} holds no checkpoint yet{rated}")
    variables = state["average"] if args.average else state
    if variables is None:
        raise UserError("the run kept no moving average (config.average_decay=0)")
    variables = {name: variables[name] or {} for name in ("params", "batch_stats")}
    fields = dict(config["model"])
    model = models.create(fields.pop("name"), data.describe(config["data"])[1], **fields)
    metadata = {"network": config["model"]["name"], "step": str(int(state["step"]))}
    try:
        interop.save(args.output, model, variables, args.naming, metadata)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None
    print(f"{args.output}: {metadata['network']}, step {metadata['step']}, {args.naming} naming")
    return 0
