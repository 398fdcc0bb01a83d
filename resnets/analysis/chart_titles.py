"""What the charts of a projection say in their titles, and of what they are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resnets.analysis.projection import Projection
from resnets.analysis.render_projection import layer_times
from resnets.drawing.axes import prefixed, spelled
from resnets.drawing.bars import Bar
from resnets.errors import UserError

if TYPE_CHECKING:
    from resnets.drawing.occupancy import Filling


def limits(projection: Projection) -> str:
    """Which memory or unit most of the time waits for."""
    waits: dict[str, float] = {}
    for layer in layer_times(projection):
        waits[layer.bound] = waits.get(layer.bound, 0.0) + layer.estimate
    most = max(waits, key=lambda name: waits[name])
    share = 100 * waits[most] / projection.estimate if projection.estimate else 0.0
    where = projection.hardware.name
    return f"On {where} {share:.0f} % of the time goes to layers that wait for {most}"


def longest(projection: Projection, bars: Sequence[Bar]) -> str:
    """Which layer, block or stage takes longest; a bar's tick is its estimate, seconds."""
    most = max(bars, key=lambda bar: bar.tick or 0.0)
    seconds = most.tick or 0.0
    share = 100 * seconds / projection.estimate if projection.estimate else 0.0
    return f"{most.label} takes longest: {spelled(seconds, 's', 3)}, {share:.0f} % of the time"


def fullest(filling: "Filling", memory: str) -> str:
    """How much a memory holds at most, and how much more had to move for want of room."""
    moved = sum(map(sum, filling.moved.values()))
    most = f"{memory} holds at most {_binary(max(filling.held))}"
    if not moved:
        return f"{most}, and nothing moves for want of room"
    return f"{most}; for want of room {_binary(moved)} more move"


def _binary(count: float) -> str:
    """Bytes, as the chart's axes have them."""
    size, unit = prefixed(count, "B", binary=True)
    return f"{count / size:.3g} {unit}"


def subtitle(projection: Projection, of: str) -> str:
    """What is projected, onto which machine, and what comes out.

    Raises:
      UserError: the schedule has no steps.
    """
    if not projection.steps:
        raise UserError("the schedule has no steps: there is nothing to draw")
    return (
        f"{of}{', ' * bool(of)}on {projection.hardware.name}: "
        f"estimate {spelled(projection.estimate, 's', 3)}, bound by {projection.bound}; "
        f"{spelled(projection.lower, 's', 3)} if everything overlaps, "
        f"{spelled(projection.upper, 's', 3)} if nothing does"
    )
