"""The frame of every page: one file of HTML that carries its styles, scripts and drawings."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from resnets.drawing.interactive import asset, declared, runtime

_SHARED = ("page.html.jinja", "table.html.jinja")


def document(
    template: str,
    *,
    kind: str,
    headline: str,
    twins: Mapping[str, str],
    styles: Iterable[str],
    scripts: Iterable[str],
    panels: Sequence[Mapping[str, Any]],
    subject: str = "",
    **values: Any,
) -> str:
    """Fill a template that extends `page.html.jinja`; all text is escaped by it.

    Args:
      template: its source.
      kind: what the page is of, in a few words above its title.
      headline: its title.
      twins: colours of the light theme with those of the dark one.
      styles: sheets beside the one of all pages.
      scripts: files in `web/` that the panels take.
      panels: what the scripts draw; without any, the page carries no script but the theme's.
      subject: before the title in the browser's bar; `kind` if left out.
      **values: of the template's own.
    """
    import jinja2

    web = resources.files("resnets.drawing").joinpath("web")
    shared = {name: web.joinpath(name).read_text("utf-8") for name in _SHARED}
    engine = jinja2.Environment(
        autoescape=True,
        loader=jinja2.DictLoader(shared),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return engine.from_string(template).render(
        kind=kind,
        subject=subject or kind,
        headline=headline,
        style=asset("page.css") + "".join(styles),
        colours=declared(twins),
        theme=asset("theme.js"),
        runtime=runtime() if panels else "",
        panels=panels,
        script="".join(map(asset, scripts)),
        **values,
    )
