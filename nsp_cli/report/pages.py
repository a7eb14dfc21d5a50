"""Pages and cards from templates (Jinja, imported by nothing else)."""

from __future__ import annotations

from functools import cache

import jinja2

from nsp_cli.progress import counted


def render(template: str, **content: object) -> str:
    """Fills a template; what it is given is escaped where the result is HTML."""
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
    """Returns a file beside the templates as it is: script and style are not templates."""
    environment = _templates()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _cell(text: str) -> str:
    """Keeps a text from ending its cell or being taken for HTML: EXIF holds what others wrote."""
    return text.replace("|", "\\|").replace("<", "&lt;")
