"""`launch.sh models`: the table of networks."""

from collections.abc import Sequence

from resnets.cli import backend
from resnets.cli.parser import Parser
from resnets.columns import aligned
from resnets.errors import UserError

_DESCRIPTION = """\
List the networks: the paper, the images that it takes, trainable parameters, multiply-adds for one
image in 1e9 (padded taps counted, as in the papers), weighted layers on the longest path, and the
layer with the most parameters. Nothing is allocated or run."""

_EPILOG = """\
examples:
  launch.sh models
  launch.sh models resnet50 cifar_resnet110"""

_HEADINGS = ("name", "paper", "image", "parameters", "GMACs", "depth", "heaviest layer", "share, %")
_NUMERIC = (3, 4, 5)


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = Parser("models", _DESCRIPTION, _EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: all)")
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"the table of networks takes no {overrides[0]}")
    backend.configure()
    from resnets import models

    try:
        rows = [_row(name) for name in args.names or models.names()]
    except ValueError as error:
        raise UserError(str(error)) from None
    print(aligned((_HEADINGS, *rows), _NUMERIC))
    return 0


def _row(name: str) -> tuple[str, ...]:
    from resnets import models
    from resnets.analysis.summary import summarise
    from resnets.models.resnet import ResNet

    family, model = models.family(name), models.create(name)
    if isinstance(model, ResNet):  # the same table, but a thousand layers are traced as ten
        model = model.clone(scan_blocks=True)
    summary = summarise(model, family.image_shape)
    return (
        name,
        family.paper,
        "x".join(map(str, family.image_shape)),
        f"{summary.parameters:,}",
        f"{summary.macs / 1e9:.3f}",
        str(summary.depth),
        summary.heaviest_layer,
        f"{100 * summary.heaviest_parameters / summary.parameters:.1f}",
    )
