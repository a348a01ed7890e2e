"""Interactions of features in one row, or over rows: as a network, and as a triangle of cells."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.fields import INTERACTION
from agnostix.core.typing import Floats
from agnostix.plotting.attributions import check_any_value, find_output, find_row, order_by_size, take_row
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.style import (
    ACCENT,
    CONTRAST,
    FAINT,
    INK,
    MUTED,
    PAPER,
    add_colorbar,
    color_scale,
    contains_zero,
    diverging,
    sequential,
    text_color,
)
from agnostix.plotting.words import describe_quantity, format_count, format_numbers, shorten, wrap_lines

_WIDEST = 9.0
"""Width of the line of the strongest pair, in points."""
_LARGEST, _SMALLEST = 900.0, 12.0
"""Area of the dots of the largest and of no value, in square points."""
_MOST_WRITTEN = 12
"""Features up to which cells have numbers."""
_FADED = 0.25
"""How much of a color is left where 0 lies in the interval."""


@dataclass(eq=False, repr=False)
class OfInteractions(ExplanationDisplay):
    """Base class of the Displays of interactions."""

    dims: ClassVar = (
        ("row", "feature", "feature", "output"),
        ("feature", "feature", "output"),
        ("feature", "feature"),
    )
    pairs: pd.DataFrame
    n_features: int | None = None
    quantity_label: str = "value"

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        row: Hashable = None,
        output: str | int | None = None,
        max_features: int = 10,
        confidence_level: float = 0.95,
    ) -> Self:
        """Select one row, or all, and one output.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain_interactions`.
        row : int or hashable, default=None
            Position or name of the row; None: the only one, or mean absolute values over all.
        output : str or int, default=None
            Name or position of the output; by default the only one, or the second of two.
        max_features : int, default=10
            Features drawn: those with the largest mean |value|.
        confidence_level : float, default=0.95
            Coverage of the intervals that tell values from 0.

        Returns
        -------
        ExplanationDisplay
        """
        return cls(*_select(cls, explanation, row, output, max_features, confidence_level))

    @classmethod
    def from_explainer(cls, explainer: Any, X: Any, *args: Any, **parameters: Any) -> Self:
        """Explain rows and select what is drawn.

        Parameters
        ----------
        explainer : KernelShapExplainer
            A fitted explainer.
        X : DataFrame or array-like
            The rows; if `row` is an integer, only that row is explained.
        *args, **parameters : tuple, dict
            Parameters of `from_explanation`; others are passed to `explain_interactions`.

        Returns
        -------
        ExplanationDisplay
        """
        own = {
            name: parameters.pop(name)
            for name in ("row", "output", "max_features", "confidence_level")
            if name in parameters
        }
        if isinstance(own.get("row"), int | np.integer):
            X, own["row"] = take_row(X, own["row"]), 0
        return cls.from_explanation(explainer.explain_interactions(X, **parameters), *args, **own)

    @classmethod
    def _fits(cls, explanation: Explanation) -> bool:
        return explanation.quantity == INTERACTION and super()._fits(explanation)

    def _names(self) -> list[str]:
        own = self.pairs[self.pairs["feature"] == self.pairs["other"]]
        return list(own["feature"])

    def _numbers(self, factor: float) -> pd.DataFrame:
        """Pairs with values times a factor, and whether they are distinct from 0."""
        numbers = self.pairs.copy()
        numbers["is_clear"] = ~contains_zero(numbers)
        numbers["value"] *= factor
        numbers["text"] = format_numbers(numbers["value"])
        return numbers


def _select(
    display: type[OfInteractions],
    explanation: Explanation,
    row: Hashable,
    output: str | int | None,
    max_features: int,
    confidence_level: float,
) -> tuple[pd.DataFrame, int, str]:
    """Pairs of the features with the largest values, how many features there are, and the label."""
    display._check(explanation, max_features, confidence_level)
    chosen = explanation
    if "output" in chosen.dims:
        chosen = chosen.sel(outputs=find_output(explanation, output))
    if "row" in chosen.dims:
        one = row is not None or len(chosen) == 1
        chosen = chosen[find_row(explanation, 0 if row is None else row)] if one else chosen.aggregate()
    n = len(chosen.feature_names)
    low, high = (one.reshape(n, n) for one in chosen.interval(confidence_level))
    values = chosen.values.reshape(n, n)
    check_any_value(values)
    errors = np.zeros((n, n)) if chosen.std_errors is None else chosen.std_errors.reshape(n, n)
    order = order_by_size(values)[:max_features]
    places = [(i, j) for place, i in enumerate(order) for j in order[: place + 1]]
    table = pd.DataFrame(
        [
            {
                "feature": chosen.feature_names[i],
                "other": chosen.feature_names[j],
                "value": values[i, j],
                "std_error": errors[i, j],
                "low": low[i, j],
                "high": high[i, j],
            }
            for i, j in places
        ]
    )
    name = chosen.output_names[0] if chosen.output_names else "the output"
    return table, n, describe_quantity(chosen, name)


@dataclass(eq=False, repr=False)
class InteractionNetworkDisplay(OfInteractions):
    """Features as dots on a circle, interactions as lines between them.

    The area of a dot is the size of the feature's own value, the width of a line that
    of the interaction: blue raises the output, orange lowers it. Dots are hollow and
    lines dotted where the interval has 0 in it. Without a row, sizes are means of
    absolute values, all in blue.

    Parameters
    ----------
    pairs : DataFrame
        One row per pair of features, and per feature with itself: feature, other,
        value, std_error, low, high.
    n_features : int, default=None
        Features of the explanation, drawn or not; by default those drawn.
    quantity_label : str, default="value"
        What the values are, below the picture.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.plotting import InteractionNetworkDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(X, y)
    >>> explainer = KernelShapExplainer(model, random_state=0).fit(X)
    >>> display = InteractionNetworkDisplay.from_explainer(explainer, X, row=0, max_features=4).plot()
    >>> len(display.frame())
    10
    """

    name: ClassVar[str] = "interaction_network"

    def _figsize(self) -> tuple[float, float]:
        return 6.4, 5.4

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        numbers, names = self._numbers(factor), self._names()
        angles = np.pi / 2.0 - 2.0 * np.pi * np.arange(len(names)) / len(names)
        places = dict(zip(names, np.column_stack([np.cos(angles), np.sin(angles)]), strict=True))
        is_own = numbers["feature"] == numbers["other"]
        most_own, most_pair = (_largest(numbers.loc[one, "value"]) for one in (is_own, ~is_own))
        lines = numbers[~is_own & numbers["value"].ne(0.0)]
        for line in _entries(lines.iloc[np.argsort(lines["value"].abs(), kind="stable")]):
            self._draw_line(line, places, abs(line.value) / most_pair)
        for dot in _entries(numbers[is_own]):
            self._draw_dot(dot, places[dot.feature], abs(dot.value) / most_own)
        for name, angle in zip(names, angles, strict=True):
            self._write_name(name, angle)
        self.ax_.set_xlim(-1.75, 1.75)
        self.ax_.set_ylim(-1.35, 1.3)
        self.ax_.set_aspect("equal")
        self.ax_.set_axis_off()
        count = format_count(len(names), self.n_features or len(names))
        own, pair = (text + suffix for text in format_numbers([most_own, most_pair]))
        words = (
            f"{'; '.join(filter(None, [self.quantity_label, count]))}. Largest dot {own}, widest line "
            f"{pair}; hollow or dotted: 0 is in the interval"
        )
        text = wrap_lines(words, 78, 3)
        self.ax_.text(0.0, -1.37, text, ha="center", va="top", color=MUTED, fontsize=9, parse_math=False)

    def _draw_line(self, line: Any, places: dict[str, Floats], share: float) -> None:
        ends = np.stack([places[line.feature], places[line.other]])
        look = {"color": _color(line.value), "zorder": 1, "solid_capstyle": "round"}
        if line.is_clear:
            look |= {"lw": max(0.6, _WIDEST * share), "alpha": 0.35 + 0.5 * share}
        else:
            look |= {"lw": max(0.6, 0.35 * _WIDEST * share), "ls": ":", "alpha": 0.6}
        self.ax_.plot(*ends.T, **look)

    def _draw_dot(self, dot: Any, place: Floats, share: float) -> None:
        color = _color(dot.value)
        face = color if dot.is_clear else PAPER
        look = {"s": _SMALLEST + (_LARGEST - _SMALLEST) * share, "lw": 1.5, "zorder": 2}
        self.ax_.scatter(*place, facecolor=face, edgecolor=color, **look)

    def _write_name(self, name: str, angle: float) -> None:
        x, y = np.cos(angle), np.sin(angle)
        look = {"ha": "center" if abs(x) < 0.2 else "left" if x > 0 else "right"}
        look |= {"va": "center" if abs(x) >= 0.2 else "bottom" if y > 0 else "top"}
        self.ax_.text(1.19 * x, 1.17 * y, shorten(name, 18), color=INK, parse_math=False, **look)


@dataclass(eq=False, repr=False)
class InteractionHeatmapDisplay(OfInteractions):
    """Interactions as cells below a diagonal of features by themselves.

    Blue is positive, orange negative; the colors are those of pairs alone, since features
    by themselves are often far larger: these are numbers on the diagonal. Cells are pale
    where the interval has 0 in it. Without a row, values are means of absolute values.

    Parameters
    ----------
    pairs : DataFrame
        One row per pair of features, and per feature with itself: feature, other,
        value, std_error, low, high.
    n_features : int, default=None
        Features of the explanation, drawn or not; by default those drawn.
    quantity_label : str, default="value"
        Name of the color scale.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    colorbar_ : matplotlib Colorbar
        The color scale.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.plotting import InteractionHeatmapDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(X, y)
    >>> explainer = KernelShapExplainer(model, random_state=0).fit(X)
    >>> display = InteractionHeatmapDisplay.from_explainer(explainer, X[:20], max_features=4).plot()
    >>> len(display.frame())
    10
    """

    name: ClassVar[str] = "interaction_heatmap"

    def _figsize(self) -> tuple[float, float]:
        n = len(self._names())
        return 3.2 + 0.55 * n, 1.6 + 0.42 * n

    def _draw(self, factor: float = 1.0, suffix: str = "", cmap: Any = None) -> None:
        numbers, names = self._numbers(factor), self._names()
        place = {name: j for j, name in enumerate(names)}
        is_own = numbers["feature"] == numbers["other"]
        has_signs = bool((numbers["low"] < 0).any() or (numbers["value"] < 0).any())
        palette = diverging() if has_signs else sequential()
        colors = color_scale(numbers.loc[~is_own, "value"], palette if cmap is None else cmap, has_signs)
        n = len(names)
        for cell in _entries(numbers):
            x, y = place[cell.other], n - 1 - place[cell.feature]
            fill = FAINT if cell.feature == cell.other else _fill(colors, cell.value, cell.is_clear)
            self._draw_cell(x, y, fill, cell, suffix if n <= _MOST_WRITTEN else None)
        self.colorbar_ = add_colorbar(colors, self.ax_, self.quantity_label, suffix, max(20, 4 * n))
        self.ax_.set_xlim(-0.5, n - 0.5)
        self.ax_.set_ylim(-0.5, n - 0.5)
        shown = [shorten(name, 18) for name in names]
        self.ax_.set_yticks(range(n)[::-1], shown, color=INK, parse_math=False)
        self.ax_.set_xticks(range(n), shown, color=INK, parse_math=False)
        self.ax_.tick_params(length=0)
        if sum(map(len, shown)) > 6 * n:
            self.ax_.tick_params(axis="x", rotation=90)
        for spine in self.ax_.spines.values():
            spine.set_visible(False)
        self.ax_.set_ylabel(format_count(n, self.n_features or n), color=MUTED)

    def _draw_cell(self, x: int, y: int, fill: Any, cell: Any, suffix: str | None) -> None:
        from matplotlib.patches import Rectangle

        self.ax_.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=fill, edgecolor="none"))
        if suffix is None:
            return
        color = text_color(fill) if cell.is_clear and cell.feature != cell.other else INK
        color = color if cell.is_clear else MUTED
        look = {"ha": "center", "va": "center", "fontsize": 8, "parse_math": False}
        self.ax_.text(x, y, cell.text + suffix, color=color, **look)


def _entries(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples())


def _largest(values: Any) -> float:
    return float(values.abs().max()) if len(values) and values.abs().max() > 0.0 else 1.0


def _color(value: float) -> str:
    return ACCENT if value >= 0.0 else CONTRAST


def _fill(colors: Any, value: float, is_clear: bool) -> Any:
    """A cell's color, mixed with the paper's where 0 is in the interval."""
    from matplotlib.colors import to_rgb

    share = 1.0 if is_clear else _FADED
    return tuple(share * np.array(colors.to_rgba(value)[:3]) + (1.0 - share) * np.array(to_rgb(PAPER)))
