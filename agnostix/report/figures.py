"""The report's pictures, as SVG that takes its colours and letters from the page."""

from __future__ import annotations

import io
import re
from typing import Any

from agnostix.plotting import ShiftDisplay, WhatIfCurveDisplay, WhatIfRankingDisplay
from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, INK, MUTED, PAPER, SERIES, house_style
from agnostix.report.findings import outcome_name, outcome_scale, quality_scale
from agnostix.report.material import Material

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
        SVG by name: "ranking", "quality", "feature:NAME", "scenario:NUMBER".
    """
    import matplotlib as mpl

    with mpl.rc_context({"backend": "agg"}), house_style():
        scale = outcome_scale(material)
        figures = {"ranking": _ranking(material.ranking, scale, outcome_name(material))}
        if not material.quality.empty:
            figures["quality"] = _ranking(material.quality, quality_scale(material), "model's error")
        for feature in material.features:
            figures[f"feature:{feature}"] = _feature(material, feature)
        for j, asked in enumerate(material.asked):
            if asked.scenario is not None:
                display = ShiftDisplay.from_explanation(asked.scenario, max_features=10)
                figures[f"scenario:{j}"] = _svg(display.plot(_axes(5.2, 3.2)), "What else moved")
    return figures


def _ranking(ranking: Any, scale: Any, name: str, height: float | None = None) -> str:
    n = min(12, len(ranking[["feature", "level"]].astype(str).drop_duplicates()))
    ax = _axes(5.8, height or 0.9 + 0.32 * n)
    display = WhatIfRankingDisplay(ranking).plot(ax, factor=scale.factor)
    display.ax_.set_xlabel("change, in points" if scale.share else "change")
    return _svg(display, f"Change of the {name} by feature")


def _feature(material: Material, feature: str) -> str:
    scale = outcome_scale(material)
    if not material.projection.table_.column(feature).levels:
        display = WhatIfCurveDisplay.from_explanation(material.curves, feature, output=material.output)
        display.quantity_label = material.output if material.is_share else outcome_name(material)
        display.plot(_axes(4.6, 2.9), factor=scale.factor, suffix=" %" if scale.share else "")
        return _svg(display, f"{outcome_name(material)} by the average of {feature}")
    rows = material.ranking[material.ranking["feature"] == feature].reset_index(drop=True)
    ranked = (
        rows.assign(feature=rows["level"].astype(str), level=None) if rows["level"].nunique() > 2 else rows
    )
    return _ranking(ranked, scale, "outcome")


def _axes(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def _svg(display: Any, title: str) -> str:
    buffer = io.StringIO()
    display.figure_.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(
        r'<svg [^>]*viewBox="([^"]*)"[^>]*>', rf'<svg role="img" viewBox="\1">{_title(title)}', text, count=1
    )
    for colour, name in _VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    text = re.sub(r"font: (\d+(?:\.\d+)?)px [^;\"]*", r"font-size: \1px", text)
    return _unique_ids(re.sub(r">\s+<", "><", text), title)


def _title(title: str) -> str:
    from markupsafe import escape

    return f"<title>{escape(title)}</title>"


def _unique_ids(svg: str, title: str) -> str:
    """Prefix the identifiers, which one page must not hold twice."""
    from hashlib import sha256

    prefix = sha256(title.encode()).hexdigest()[:6]
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
