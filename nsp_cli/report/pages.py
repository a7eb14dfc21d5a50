"""Pages and cards from templates (Jinja, imported by nothing else)."""

from __future__ import annotations

from functools import cache

import jinja2

from nsp_cli.ops.progress import counted


def render(template: str, **content: object) -> str:
    """Returns a filled template; values are escaped in HTML and SVG."""
    return _templates().get_template(template).render(**content)


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nsp_cli.report", "templates"),
        autoescape=jinja2.select_autoescape(["html.j2", "svg.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": _cell, "counted": counted}
    environment.globals["verbatim"] = _verbatim
    return environment


def _verbatim(name: str) -> str:
    """Returns a file beside the templates unchanged, for scripts and styles."""
    environment = _templates()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _cell(text: str) -> str:
    """Escapes a text for a cell of a Markdown table: EXIF may contain anything."""
    return text.replace("|", "\\|").replace("<", "&lt;")
