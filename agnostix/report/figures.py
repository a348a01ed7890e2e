"""The report's pictures, as SVG that takes its colours and letters from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from agnostix.plotting import ShiftDisplay, TreeDisplay, WhatIfCurveDisplay, WhatIfRankingDisplay
from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, INK, MUTED, PAPER, SERIES, figure_style
from agnostix.plotting.words import shorten
from agnostix.report.findings import (
    answer_name,
    outcome_name,
    outcome_scale,
    quality_name,
    quality_scale,
    question,
)
from agnostix.report.material import Material
from agnostix.report.reading import Reading
from agnostix.report.row_findings import row_name
from agnostix.report.row_summary import readings
from agnostix.surrogate_tree import MimicTree

_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    FAINT: "faint",
    ACCENT: "accent",
    CONTRAST: "contrast",
    PAPER: "paper",
    **{colour: f"series-{j}" for j, colour in enumerate(SERIES) if j > 1},
}


def draw_figures(material: Material) -> dict[str, str]:
    """Draw all pictures.

    Parameters
    ----------
    material : Material
        Results.

    Returns
    -------
    dict of str to str
        SVG by name: "ranking", "quality", "feature:NAME", "scenario:NUMBER", "rules",
        "row:NUMBER:EXPLAINER".
    """
    with figure_style():
        scale = outcome_scale(material)
        figures = {"ranking": _ranking(material.ranking, scale, outcome_name(material), "feature")}
        if not material.quality.empty:
            figures["quality"] = _ranking(
                material.quality, quality_scale(material), quality_name(material), "feature"
            )
        for feature in material.features:
            figures[f"feature:{feature}"] = _feature(material, feature)
        for j, asked in enumerate(material.asked):
            if asked.scenario is not None:
                display = ShiftDisplay.from_explanation(asked.scenario, max_features=10)
                figures[f"scenario:{j}"] = _svg(
                    display.plot(_axes(5.2, 3.2)), f"What else moved: {question(asked.constraints)}"
                )
        if material.mimic is not None:
            figures["rules"] = _rules(material.mimic)
        for i, single in enumerate(material.rows):
            for j, reading in enumerate(readings(single, material)):
                title = f"Why {row_name(single.row)}, by {reading.explanation.method}"
                figures[f"row:{i}:{j}"] = _svg(_waterfall(reading, answer_name(material)), title)
    return {name: _unique_ids(svg, f"figure-{j}") for j, (name, svg) in enumerate(figures.items())}


def _ranking(ranking: Any, scale: Any, name: str, by: str) -> str:
    n = min(12, len(ranking[["feature", "level"]].astype(str).drop_duplicates()))
    ax = _axes(5.8, 0.9 + 0.32 * n)
    display = WhatIfRankingDisplay(ranking).plot(ax, factor=scale.factor)
    label = shorten(f"change of the {name}", 60) + (", in points" if scale.share else "")
    display.ax_.set_xlabel(label, parse_math=False)
    return _svg(display, f"Change of the {name} by {by}")


def _feature(material: Material, feature: str) -> str:
    scale = outcome_scale(material)
    if not material.projection.table_.column(feature).levels:
        display = WhatIfCurveDisplay.from_explanation(material.curves, feature, output=material.output)
        display.quantity_label = outcome_name(material)
        display.plot(_axes(4.6, 2.9), factor=scale.factor, suffix=" %" if scale.share else "")
        return _svg(display, f"{outcome_name(material)} by the average of {feature}")
    rows = material.ranking[material.ranking["feature"] == feature].reset_index(drop=True)
    ranked = (
        rows.assign(feature=rows["level"].astype(str), level=None) if rows["level"].nunique() > 2 else rows
    )
    return _ranking(ranked, scale, outcome_name(material), f"level of {feature}")


def _rules(mimic: MimicTree) -> str:
    display = TreeDisplay.from_estimator(mimic)
    display.title = ""  # the sentence above it says that
    return _svg(display.plot(_axes(10.5, 0.9 + 0.3 * len(display.lines))), "The model written as rules")


def _waterfall(reading: Reading, name: str) -> Any:
    display, scale = reading.display, reading.scale
    display.output_name = f"{name}, in {reading.units}" if reading.units else name
    height = 0.9 + 0.31 * len(display.steps)
    display.plot(_axes(5.0, height), factor=scale.factor, suffix=" %" if scale.share else "")
    display.ax_.locator_params(axis="x", nbins=3)
    return display


def _axes(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def _svg(display: Any, title: str) -> str:
    from markupsafe import escape

    buffer = io.StringIO()
    display.figure_.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]*)"', text)
    assert view is not None
    inside = text[text.index(">") + 1 :]
    text = f'<svg role="img" viewBox="{view[1]}"><title>{escape(title)}</title>{inside}'
    return re.sub(r">\s+<", "><", _in_tags(text, _coloured))


def _coloured(tag: str) -> str:
    for colour, name in _VARIABLES.items():
        tag = tag.replace(colour, f"var(--{name})")
    return re.sub(r"font: (\d+(?:\.\d+)?)px [^;\"]*", r"font-size: \1px", tag)


def _unique_ids(svg: str, prefix: str) -> str:
    """Prefix the identifiers, which one page must not hold twice."""
    return _in_tags(svg, lambda tag: re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", tag))


def _in_tags(svg: str, change: Callable[[str], str]) -> str:
    """Change tags alone, never the text between them, which may be anything."""
    return re.sub(r"<[^>]+>", lambda tag: change(tag[0]), svg)
