"""From an Altair chart to SVG and PNG, in one style. vl-convert renders; nothing is fetched."""

from collections.abc import Mapping, Sequence
from typing import Any

from resnets.drawing import palette

Rows = Sequence[Mapping[str, Any]]

FONT = "Arial, Helvetica, sans-serif"


def style(narrow: bool = False) -> dict[str, Any]:
    """The settings that every chart has; a narrow one has its legends one below the other."""
    direction, margin = ("vertical", 8) if narrow else ("horizontal", 30)
    legends = {"direction": direction, "margin": margin}
    text = {"labelColor": palette.TEXT, "titleColor": palette.TEXT, "titleFontWeight": "normal"}
    sizes = {"labelFontSize": 12, "titleFontSize": 12}
    return {
        "background": "transparent",
        "font": FONT,
        "aria": False,
        "view": {"stroke": None},
        "axis": text
        | sizes
        | {"gridColor": palette.GRID, "domainColor": palette.AXIS, "tickColor": palette.AXIS},
        "axisX": {"grid": False, "labelFlush": False},
        "legend": text
        | sizes
        | {
            "titleOrient": "left",
            "titlePadding": 14,
            "columnPadding": 14,
            "symbolOpacity": 1,
            "layout": {"top": legends, "bottom": legends},
        },
        "title": {
            "color": palette.TEXT,
            "subtitleColor": palette.TEXT,
            "fontSize": 14,
            "subtitleFontSize": 12,
            "subtitlePadding": 5,
        },
    }


def with_rows(chart: Any, rows: Mapping[str, Rows]) -> dict[str, Any]:
    """The chart's specification with the data sets that it names."""
    spec = dict(chart.to_dict())
    return spec | {"datasets": {**spec.get("datasets", {}), **rows}} if rows else spec


def render(
    chart: Any, name: str, narrow: bool = False, rows: Mapping[str, Rows] | None = None
) -> str:
    """Draw an Altair chart as SVG on a transparent ground.

    Args:
      chart: it.
      name: a word of its own among the charts of a page.
      narrow: whether it is for a phone.
      rows: of the data sets that the chart only names: Altair would check each row for seconds.
    """
    import vl_convert

    spec = with_rows(chart, rows or {}) | {"config": style(narrow)}
    svg = str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))
    # Several charts share a page, where ids must not clash.
    return svg.replace('id="clip', f'id="{name}-clip').replace("url(#clip", f"url(#{name}-clip")


def on_white(svg: str) -> str:
    """The chart as a file of its own: on white, whatever lies behind."""
    head, rest = svg.split(">", 1)
    return f'{head}><rect width="100%" height="100%" fill="white"/>{rest}'


def to_png(svg: str) -> bytes:
    """Render at twice the size."""
    import vl_convert

    return bytes(vl_convert.svg_to_png(svg, scale=2))
