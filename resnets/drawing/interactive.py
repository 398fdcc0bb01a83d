"""Charts that a page draws itself: compiled here, drawn there by Vega, which the page carries.

A page's colours are variables of its style sheet, so light, dark and paper need no second drawing.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from resnets.drawing.rendering import Rows, style, with_rows

HIDDEN = "hidden"
"""The signal that lists what the reader has switched off, a field and its value each."""


PADDING = {"left": 0, "right": 3, "top": 5, "bottom": 5}


def variable(colour: str) -> str:
    """The style sheet's name of a colour: `#d55e00` is `--c-d55e00`."""
    return f"--c-{colour.removeprefix('#')}"


def themed(drawing: str, colours: Iterable[str]) -> str:
    """Replace colours in an SVG or in a specification by the style sheet's variables."""
    for colour in colours:
        drawing = drawing.replace(f'"{colour}"', f'"var({variable(colour)})"')
    return drawing


def compiled(
    chart: Any,
    rows: Mapping[str, Rows],
    colours: Iterable[str],
    height: int | None,
    switches: Mapping[str, str],
) -> dict[str, Any]:
    """A chart as a Vega specification: as wide as its place and without a legend of its own.

    Args:
      chart: one panel, an Altair chart.
      rows: of the data sets that it names.
      colours: those that are variables of the page.
      height: of what the axes enclose, pixels; None for a chart that keeps its size and legends.
      switches: fields of its rows, and the switch that each answers to: the chart leaves out the
        rows that the signal `hidden` names.
    """
    import vl_convert

    shown = " && ".join(
        f"indexof({HIDDEN}, '{switch}:' + datum.{field}) < 0" for field, switch in switches.items()
    )
    spec = with_rows(chart, rows)
    spec = _filtered(spec, shown) if shown else spec
    spec |= {"params": [{"name": HIDDEN, "value": []}], "config": style(), "padding": PADDING}
    if height is not None:
        spec |= {"width": "container", "height": height}
        spec |= {"autosize": {"type": "fit-x", "contains": "padding"}}
    vega = vl_convert.vegalite_to_vega(spec)
    if height is not None:
        vega.pop("legends", None)
    return dict(json.loads(themed(json.dumps(vega), colours)))


def _filtered(spec: Mapping[str, Any], test: str) -> dict[str, Any]:
    """The chart with the filter wherever it has data: a layer with its own has no other."""
    result = dict(spec)
    if "data" in spec:
        result["transform"] = [{"filter": test}, *spec.get("transform", ())]
    if "layer" in spec:
        result["layer"] = [_filtered(layer, test) for layer in spec["layer"]]
    return result


@functools.cache
def runtime() -> str:
    """Vega as one script without imports, for a module of its own; two seconds the first time."""
    import vl_convert

    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return script.replace("</script", "<\\/script")


def asset(name: str) -> str:
    """A file of `web/`: what every page with such charts includes."""
    return resources.files("resnets.drawing").joinpath("web", name).read_text("utf-8")


def declared(colours: Mapping[str, str]) -> str:
    """The style sheet's variables for colours and their twins on dark paper."""
    return "".join(
        f"{variable(light)}:light-dark({light},{dark});" for light, dark in colours.items()
    )
