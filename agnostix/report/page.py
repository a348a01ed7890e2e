"""From results and summary to a page: figures as SVG with the page's colors and fonts, and the templates."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from agnostix.core.files import one_line, printable
from agnostix.plotting import (
    BarDisplay,
    PixelsGridDisplay,
    ShiftDisplay,
    TreeDisplay,
    WhatIfCurveDisplay,
    WhatIfRankingDisplay,
)
from agnostix.plotting.style import (
    ACCENT,
    CONTRAST,
    FAINT,
    INK,
    MUTED,
    PAPER,
    SERIES,
    figure_style,
)
from agnostix.plotting.words import describe_quantity, shorten
from agnostix.report.data import ReportData
from agnostix.report.formatting import Scale, count, distinguishing_digits, number, percent
from agnostix.report.pictures import MethodMaps
from agnostix.report.sentences_pictures import figure_title
from agnostix.report.sentences_rows import row_name
from agnostix.report.sentences_scenarios import scenario_heading
from agnostix.report.single_rows import ExplanationView
from agnostix.report.summary import explanation_views
from agnostix.surrogate_tree import MimicTree

_MAX_VALUES = 20
"""Contributions in the table of a single row."""
_MAX_COLUMNS = 40
"""Columns in the table of a row and its neighbors."""
_PICTURE_DPI = 150
"""Pixels to an inch of maps, which a page holds as pixels."""
_PER_INCH = (76, 110)
"""Least and most width of a figure of maps on the page, in pixels to an inch."""
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    FAINT: "faint",
    ACCENT: "accent",
    CONTRAST: "contrast",
    PAPER: "paper",
    **{color: f"series-{j}" for j, color in enumerate(SERIES) if j > 1},
}


def render(template: str, summary: dict[str, Any], figures: dict[str, str]) -> str:
    """Fill in "report.html" or "report.md"; figures are SVG by name."""
    import jinja2
    from markupsafe import Markup

    folder = files("agnostix.report") / "templates"
    parts = {name: Markup((folder / name).read_text("utf-8")) for name in ("report.css", "report.js")}
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
        autoescape=jinja2.select_autoescape(["html"]),
        # Texts without controls, which no page may have and which turn the direction of what follows.
        finalize=lambda value: printable(value, keep="\n\t") if type(value) is str else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "count": count}
    environment.filters |= {"md": _escape_markdown, "fence": _fence}
    environment.globals |= {
        "distinguishing_digits": distinguishing_digits,
        "max_values": _MAX_VALUES,
        "max_columns": _MAX_COLUMNS,
    }
    scale = Scale(summary["outcome"]["in_percent"], summary["outcome"]["decimals"])
    svg = {name: Markup(text) for name, text in figures.items()}
    return environment.get_template(template).render(summary=summary, figures=svg, scale=scale, parts=parts)


def _escape_markdown(value: Any) -> str:
    """A text whose signs mean themselves, on one line, also in a table's cell or at the start of a line."""
    text = one_line(str(value)).strip()
    text = re.sub(r"([\\`*\[\]<>|#~&$]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    # What makes a list, a rule or a heading of a line that it begins.
    return re.sub(r"^([-+](?=\s|$)|[-=](?=[-=\s]*$)|\d+(?=[.)](?:\s|$)))", _escape_start, text)


def _escape_start(match: re.Match[str]) -> str:
    return match[0] + "\\" if match[0].isdigit() else "\\" + match[0]


def _fence(text: str) -> str:
    """A text as a block of code, fenced by more backticks in a row than it has itself."""
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{ticks}\n{printable(text, keep=chr(10))}\n{ticks}"


def draw_figures(data: ReportData) -> dict[str, str]:
    """SVG by name: "ranking", "quality", "feature:NAME", "scenario:NUMBER", "rules", "row:NUMBER:NUMBER", ...

    The last are "picture:NUMBER", one for each image.
    """
    with figure_style():  # the browser writes the texts, in fonts of its own
        figures = {"ranking": _ranking(data.ranking, data.scale, data.outcome_name, "feature")}
        if not data.error_ranking.empty:
            figures["quality"] = _ranking(data.error_ranking, data.error_scale, data.error_name, "feature")
        for feature in data.features:
            figures[f"feature:{feature}"] = _feature(data, feature)
        for j, result in enumerate(data.scenarios):
            shown = result if result.scenario is not None else result.nearest
            if shown is not None and shown.scenario is not None:
                display = ShiftDisplay.from_explanation(shown.scenario, max_features=10)
                title = f"Shifts of all features: {scenario_heading(shown, data)}"
                figures[f"scenario:{j}"] = _svg(display.plot(_axes(5.2, 3.2)), title)
        if data.surrogate_tree is not None:
            figures["rules"] = _tree(data.surrogate_tree)
        for i, row in enumerate(data.rows):
            for j, view in enumerate(explanation_views(row, data)):
                title = f"Why {row_name(row.record)}, by {view.explanation.method}"
                figures[f"row:{i}:{j}"] = _svg(_row_figure(view), title)
        for i in range(len(data.pictures[0].explanation) if data.pictures else 0):
            figures[f"picture:{i}"] = _picture(data.pictures, i)
    return {name: _unique_ids(svg, f"figure-{j}") for j, (name, svg) in enumerate(figures.items())}


def _ranking(ranking: Any, scale: Scale, name: str, by: str) -> str:
    n = min(12, len(ranking[["feature", "level"]].astype(str).drop_duplicates()))
    display = WhatIfRankingDisplay(ranking).plot(_axes(5.8, 0.9 + 0.32 * n), factor=scale.factor)
    label = shorten(f"change of the {name}", 60) + (", in points" if scale.in_percent else "")
    display.ax_.set_xlabel(label, parse_math=False)
    return _svg(display, f"Change of the {name} by {by}")


def _feature(data: ReportData, feature: str) -> str:
    scale, name = data.scale, data.outcome_name
    if not data.projection.table_.column(feature).levels:
        display = WhatIfCurveDisplay.from_explanation(data.curves, feature, output=data.output)
        display.quantity_label = name
        display.plot(_axes(4.6, 2.9), factor=scale.factor, suffix=" %" if scale.in_percent else "")
        return _svg(display, f"{name} by the average of {feature}")
    rows = data.ranking[data.ranking["feature"] == feature].reset_index(drop=True)
    if rows["level"].nunique() > 2:
        rows = rows.assign(feature=rows["level"].astype(str), level=None)
    return _ranking(rows, scale, name, f"level of {feature}")


def _tree(tree: MimicTree) -> str:
    display = TreeDisplay.from_estimator(tree)
    display.title = ""  # the sentence above it says that
    return _svg(display.plot(_axes(10.5, 0.9 + 0.3 * len(display.lines))), "The model written as rules")


def _row_figure(view: ExplanationView) -> Any:
    display, scale, name = view.display, view.scale, view.prediction_name
    if isinstance(display, BarDisplay):
        label = describe_quantity(view.explanation, name)
        display.quantity_label = f"{label}, in points" if scale.in_percent else label
        ax = _axes(5.8, 0.9 + 0.31 * min(len(display.bars), display.max_features))
        display.plot(ax, factor=scale.factor)
    else:
        display.output_name = f"{name}, in {view.units}" if view.units else name
        ax = _axes(5.0, 0.9 + 0.31 * len(display.steps))
        display.plot(ax, factor=scale.factor, suffix=" %" if scale.in_percent else "")
    display.ax_.locator_params(axis="x", nbins=3)
    return display


def _picture(methods: Sequence[MethodMaps], i: int) -> str:
    """Maps of an image, as wide as the page and no wider than they are sharp, on phones to be scrolled."""
    from matplotlib.figure import Figure

    display = PixelsGridDisplay.from_explanations({one.name: one.explanation for one in methods}, rows=i)
    figure = Figure(figsize=display._figsize(), layout="compressed")
    svg = _svg(display.plot(figure), figure_title(methods, i), dpi=_PICTURE_DPI)
    least, most = (round(per_inch * figure.get_figwidth()) for per_inch in _PER_INCH)
    return svg.replace("<svg ", f'<svg style="min-width: {least}px; max-width: {most}px" ', 1)


def _axes(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def _svg(display: Any, title: str, dpi: float = 100.0) -> str:
    from markupsafe import escape

    buffer = io.StringIO()
    display.figure_.savefig(buffer, format="svg", transparent=True, metadata={"Date": None}, dpi=dpi)
    text = printable(buffer.getvalue(), keep="\n")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]*)"', text)
    assert view is not None
    inside = text[text.index(">") + 1 :]
    text = f'<svg role="img" viewBox="{view[1]}"><title>{escape(one_line(title))}</title>{inside}'
    return re.sub(r">\s+<", "><", _in_tags(text, _with_css_colors))


def _with_css_colors(tag: str) -> str:
    for color, name in _VARIABLES.items():
        tag = tag.replace(color, f"var(--{name})")
    return re.sub(r"font: (\d+(?:\.\d+)?)px [^;\"]*", r"font-size: \1px", tag)


def _unique_ids(svg: str, prefix: str) -> str:
    """Prefix the identifiers, which one page must not hold twice."""
    # Nothing refers to a picture, whose identifier comes from its content, which may be there twice.
    svg = re.sub(r'(<image\b[^>]*?) id="[^"]*"', r"\1", svg)
    return _in_tags(svg, lambda tag: re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", tag))


def _in_tags(svg: str, change: Callable[[str], str]) -> str:
    """Change tags alone, never the text between them, which may be anything."""
    return re.sub(r"<[^>]+>", lambda tag: change(tag[0]), svg)
