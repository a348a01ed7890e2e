"""Beeswarm: the features' values in all rows at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Floats
from agnostix.plotting.attributions import (
    check_any_value,
    check_same_features,
    column_values,
    data_columns,
    find_output,
    order_by_size,
    output_errors,
    rank_values,
    row_labels,
)
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.style import FAINT, MUTED, dodge, find_limits, name_rows, write_ticks
from agnostix.plotting.words import describe_quantity, format_count, label_feature, wrap_lines


@dataclass(eq=False, repr=False)
class BeeswarmDisplay(ExplanationDisplay):
    """A dot for each row and feature at its attribution, colored by the feature's value.

    Features are ordered by their mean |value|. The color is the rank of the feature's
    value among the rows; unordered labels, missing values and groups of columns are
    gray. Dots that would overlap are stacked, low ranks below.

    Parameters
    ----------
    dots : DataFrame
        One row per feature and row: feature, row, data, rank (of the data, from 0 to 1,
        NaN without order), value, std_error; features in the order of the figure.
    n_features : int, default=None
        Features of the explanation, drawn or not; by default those drawn.
    quantity_label : str, default="value"
        Name of the horizontal axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    colorbar_ : matplotlib Colorbar or None
        The color scale; None where all dots are gray.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.plotting import BeeswarmDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = OcclusionExplainer(LinearRegression().fit(X, y), random_state=0).fit(X)
    >>> display = BeeswarmDisplay.from_explainer(explainer, X, max_features=3).plot()
    >>> display.frame().shape
    (1326, 6)
    """

    dots: pd.DataFrame
    n_features: int | None = None
    quantity_label: str = "value"

    name: ClassVar[str] = "beeswarm"
    dims: ClassVar = (("row", "feature", "output"),)

    @classmethod
    def from_explanation(
        cls, explanation: Explanation, *, output: str | int | None = None, max_features: int = 12
    ) -> BeeswarmDisplay:
        """Select one output.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain`.
        output : str or int, default=None
            Name or position of the output; by default the only one, or the second of two.
        max_features : int, default=12
            Features drawn: those with the largest mean |value|.

        Returns
        -------
        BeeswarmDisplay
        """
        cls._check(explanation, max_features)
        check_same_features(explanation)
        k = find_output(explanation, output)
        values = np.asarray(explanation.values[:, :, k], dtype=float)
        check_any_value(values)
        errors = output_errors(explanation, k)
        own, rows = data_columns(explanation), row_labels(explanation)
        order = order_by_size(values)
        parts = [
            _dots(explanation.feature_names[j], rows, own[j], values[:, j], errors[:, j])
            for j in order[:max_features]
        ]
        label = describe_quantity(explanation, explanation.output_names[k])
        return cls(pd.concat(parts, ignore_index=True), len(order), label)

    def _names(self) -> list[str]:
        return list(dict.fromkeys(self.dots["feature"]))

    def _figsize(self) -> tuple[float, float]:
        return 6.8, max(2.2, 1.0 + 0.36 * len(self._names()))

    def _draw(self, factor: float = 1.0, suffix: str = "", cmap: Any = "cividis") -> None:
        names = self._names()
        x = factor * self.dots["value"].to_numpy(dtype=float)
        ends = find_limits(x, [0.0])
        y = self._heights(names, (x - ends[0]) / (ends[1] - ends[0]))
        self.ax_.set_xlim(ends)
        self._draw_dots(x, y, cmap)
        self._name_axes(names, suffix)

    def _heights(self, names: list[str], positions: Floats) -> Floats:
        heights = np.full(positions.size, np.nan)
        features, rank = self.dots["feature"].to_numpy(), self.dots["rank"].to_numpy(dtype=float)
        for j, name in enumerate(names):
            own = (features == name) & np.isfinite(positions)
            heights[own] = len(names) - 1 - j + dodge(positions[own], rank[own])
        return heights

    def _draw_dots(self, x: Floats, y: Floats, cmap: Any) -> None:
        rank = self.dots["rank"].to_numpy(dtype=float)
        gray = np.isnan(rank)
        look = {"s": 9, "linewidths": 0, "rasterized": True, "alpha": 0.85}
        self.ax_.scatter(x[gray], y[gray], color=MUTED, **look)
        self.colorbar_ = None
        if not gray.all():
            part = self.ax_.scatter(x[~gray], y[~gray], c=rank[~gray], cmap=cmap, vmin=0, vmax=1, **look)
            self.colorbar_ = self.figure_.colorbar(part, ax=self.ax_, aspect=40, fraction=0.05, pad=0.02)
            self.colorbar_.solids.set(alpha=1.0)
            self.colorbar_.outline.set_visible(False)
            self.colorbar_.set_ticks([0.0, 1.0], labels=["low", "high"])
            self.colorbar_.ax.tick_params(length=0)
            self.colorbar_.set_label("feature value, by rank", labelpad=-8)

    def _name_axes(self, names: list[str], suffix: str) -> None:
        name_rows(self.ax_, [label_feature(name) for name in names])
        self.ax_.axvline(0.0, color=MUTED, lw=1, zorder=0.9)
        self.ax_.grid(axis="y", color=FAINT)
        self.ax_.set_xlabel(wrap_lines(self.quantity_label), parse_math=False)
        self.ax_.set_ylabel(format_count(len(names), self.n_features or len(names)), color=MUTED)
        self.ax_.locator_params(axis="x", nbins=6)
        write_ticks(self.ax_.xaxis, suffix)


def _dots(name: str, rows: list[Any], column: Any, values: Floats, errors: Floats) -> pd.DataFrame:
    data = [None] * len(rows) if column is None else column_values(column)
    return pd.DataFrame(
        {
            "feature": name,
            "row": rows,
            "data": pd.Series(data, dtype=object),
            "rank": rank_values(column, len(rows)),
            "value": values,
            "std_error": errors,
        }
    )
