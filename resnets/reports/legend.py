"""The switches of the page, which are its legend, too: arms, depths in order, and splits."""

from dataclasses import dataclass

from resnets.drawing.interactive import variable
from resnets.drawing.symbols import DASHED, Swatch, dashes, shapes
from resnets.reports import palette
from resnets.reports.panels import BOLD, SPLIT_NAMES, THIN
from resnets.reports.results import Study


@dataclass(frozen=True)
class Switch:
    """One series, or all of one kind, that a reader switches off and on.

    Attributes:
      key: `FIELD:VALUE`.
      label: what it says.
      swatch: how it looks.
    """

    key: str
    label: str
    swatch: Swatch


@dataclass(frozen=True)
class Group:
    """Switches of one field, in the order of the legend.

    Attributes:
      name: what they have in common.
      switches: at least one.
    """

    name: str
    switches: tuple[Switch, ...]


def groups(study: Study) -> tuple[Group, ...]:
    """The switches of a study."""
    arms, depths = study.arms, study.depths
    looks = zip(arms, palette.arms(len(arms)), shapes(len(arms)), dashes(len(arms)), strict=True)
    marks = zip(depths, palette.depths(len(depths)), shapes(len(depths)), strict=True)
    training, test = SPLIT_NAMES
    return (
        Group(
            "arm",
            tuple(
                Switch(f"arm:{arm}", arm, Swatch(_var(colour), shape, tuple(dash), 1.8))
                for arm, colour, shape, dash in looks
            ),
        ),
        Group(
            "layers",
            tuple(
                Switch(f"depth:{depth}", str(depth), Swatch(_var(colour), shape))
                for depth, colour, shape in marks
            ),
        ),
        Group(
            "error on",
            (
                Switch("split:training", training, Swatch(dash=DASHED, width=THIN)),
                Switch("split:test", test, Swatch(width=BOLD)),
            ),
        ),
    )


def _var(colour: str) -> str:
    return f"var({variable(colour)})"
