"""From the summary to a page."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from agnostix.report.words import Scale, digits_apart, number, percent, whole

_N_VALUES = 20
"""Features of a single row in its table."""
_N_COLUMNS = 40
"""Columns in which a row is shown beside those nearest to it."""


def render(template: str, summary: dict[str, Any], figures: dict[str, str]) -> str:
    """Fill a template in.

    Parameters
    ----------
    template : {"report.html", "report.md"}
        Which.
    summary : dict
        What the report says.
    figures : dict of str to str
        SVG by name.

    Returns
    -------
    str
    """
    import jinja2
    from markupsafe import Markup

    folder = files("agnostix.report") / "templates"
    parts = {name: Markup((folder / name).read_text("utf-8")) for name in ("report.css", "report.js")}
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "whole": whole, "md": _as_markdown}
    environment.globals |= {"digits_apart": digits_apart, "n_values": _N_VALUES, "n_columns": _N_COLUMNS}
    scale = Scale(summary["outcome"]["share"], summary["outcome"]["decimals"])
    drawn = {name: Markup(svg) for name, svg in figures.items()}
    return environment.get_template(template).render(summary=summary, figures=drawn, scale=scale, parts=parts)


def _as_markdown(value: Any) -> str:
    """A text whose signs mean themselves, on one line, also in a table's cell."""
    text = re.sub(r"\s*[\r\n\u2028\u2029]+\s*", " ", str(value))
    return re.sub(r"([\\`*\[\]<>|#~&]|(?<!\w)_|_(?!\w))", r"\\\1", text)
