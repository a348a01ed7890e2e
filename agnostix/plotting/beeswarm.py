"""What the features do in all rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Floats
from agnostix.plotting.attributions import (
    check_most,
    errors_of,
    largest_first,
    output_index,
    own_columns,
    ranks,
    row_labels,
    values_of,
)
from agnostix.plotting.in_row import check_same_features
from agnostix.plotting.marks import dodge, limits, write_ticks
from agnostix.plotting.style import FAINT, INK, MUTED, axes_for, house_style
from agnostix.plotting.words import count_words, effect_words, in_lines, named


class BeeswarmDisplay:
    """A dot for each row and feature, where its value is, coloured by the feature's own value.

    Features stand in the order of their mean size. The colour says how high the
    feature's own value ranks among the rows; labels without an order, missing
    values and groups of columns are grey. Dots that would cover each other are
    stacked, low ranks below, always in the same way.

    Parameters
    ----------
    dots : DataFrame
        A feature in a row, in each row: feature, row, data, rank (of the data,
        from 0 to 1, NaN without order), value, std_error; values in model
        output units, features in the order they are drawn in.
    n_features : int, default=None
        How many there are, drawn or not; those drawn by default.
    quantity_label : str, default="value"
        Name of the horizontal axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Its figure.
    colorbar_ : matplotlib Colorbar or None
        The scale; None where all dots are grey.

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

    def __init__(
        self, dots: pd.DataFrame, n_features: int | None = None, quantity_label: str = "value"
    ) -> None:
        self.dots = dots
        self.n_features = n_features
        self.quantity_label = quantity_label

    @classmethod
    def from_explanation(
        cls, explanation: Explanation, *, output: str | int | None = None, max_features: int = 12
    ) -> BeeswarmDisplay:
        """Take one output.

        Parameters
        ----------
        explanation : Explanation
            What an explainer's `explain` returned.
        output : str or int, default=None
            Name or place of the output; by default the only one, or the last of two.
        max_features : int, default=12
            How many are drawn: those with the largest mean size.

        Returns
        -------
        BeeswarmDisplay
        """
        check_most(max_features)
        check_same_features(explanation)
        k = output_index(explanation, output)
        values = np.asarray(explanation.values[:, :, k], dtype=float)
        errors = errors_of(explanation, k)
        own, rows = own_columns(explanation), row_labels(explanation)
        order = largest_first(values)
        parts = [
            _dots(explanation.feature_names[j], rows, own[j], values[:, j], errors[:, j])
            for j in order[:max_features]
        ]
        words = effect_words(explanation, explanation.output_names[k])
        return cls(pd.concat(parts, ignore_index=True), len(order), words)

    @classmethod
    def from_explainer(
        cls,
        explainer: Any,
        X: Any,
        *,
        output: str | int | None = None,
        max_features: int = 12,
        **explain: Any,
    ) -> BeeswarmDisplay:
        """Explain rows and take them.

        Parameters
        ----------
        explainer : BaseExplainer
            A fitted one.
        X : DataFrame or array-like of shape (n_rows, n_columns)
            The rows.
        output : str or int, default=None
            Name or place of the output; by default the only one, or the last of two.
        max_features : int, default=12
            How many are drawn: those with the largest mean size.
        **explain : dict
            Passed to `explain`.

        Returns
        -------
        BeeswarmDisplay
        """
        explanation = explainer.explain(X, **explain)
        return cls.from_explanation(explanation, output=output, max_features=max_features)

    def frame(self) -> pd.DataFrame:
        """The data behind the picture, features in its order.

        Returns
        -------
        DataFrame
        """
        return self.dots.copy()

    def plot(
        self, ax: Any = None, *, factor: float = 1.0, suffix: str = "", cmap: str = "cividis"
    ) -> BeeswarmDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; a new figure by default.
        factor : float, default=1.0
            All values are multiplied by it, for example to per cent.
        suffix : str, default=""
            Unit after the numbers of the horizontal axis.
        cmap : str, default="cividis"
            A sequential palette.

        Returns
        -------
        self : BeeswarmDisplay
        """
        with house_style():
            names = list(dict.fromkeys(self.dots["feature"]))
            self.ax_, self.figure_ = axes_for(ax, 6.8, max(2.2, 1.0 + 0.36 * len(names)))
            x = factor * self.dots["value"].to_numpy(dtype=float)
            ends = limits(x, [0.0])
            y = self._heights(names, (x - ends[0]) / (ends[1] - ends[0]))
            self.ax_.set_xlim(ends)
            self._draw(x, y, cmap)
            self._name_axes(names, suffix)
        return self

    def _heights(self, names: list[str], positions: Floats) -> Floats:
        heights = np.full(positions.size, np.nan)
        features, rank = self.dots["feature"].to_numpy(), self.dots["rank"].to_numpy(dtype=float)
        for j, name in enumerate(names):
            own = (features == name) & np.isfinite(positions)
            heights[own] = len(names) - 1 - j + dodge(positions[own], rank[own])
        return heights

    def _draw(self, x: Floats, y: Floats, cmap: str) -> None:
        rank = self.dots["rank"].to_numpy(dtype=float)
        grey = np.isnan(rank)
        look = {"s": 9, "linewidths": 0, "rasterized": True, "alpha": 0.85}
        self.ax_.scatter(x[grey], y[grey], color=MUTED, **look)
        self.colorbar_ = None
        if not grey.all():
            part = self.ax_.scatter(x[~grey], y[~grey], c=rank[~grey], cmap=cmap, vmin=0, vmax=1, **look)
            self.colorbar_ = self.figure_.colorbar(part, ax=self.ax_, aspect=40, fraction=0.05, pad=0.02)
            self.colorbar_.solids.set(alpha=1.0)
            self.colorbar_.outline.set_visible(False)
            self.colorbar_.set_ticks([0.0, 1.0], labels=["low", "high"])
            self.colorbar_.ax.tick_params(length=0)
            self.colorbar_.set_label("own value, by rank", labelpad=-8)

    def _name_axes(self, names: list[str], suffix: str) -> None:
        self.ax_.set_yticks(range(len(names))[::-1], [named(n) for n in names], color=INK, parse_math=False)
        self.ax_.set_ylim(-0.6, len(names) - 0.4)
        self.ax_.axvline(0.0, color=MUTED, lw=1, zorder=0.9)
        self.ax_.grid(axis="y", color=FAINT)
        self.ax_.spines["left"].set_visible(False)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_xlabel(in_lines(self.quantity_label), parse_math=False)
        self.ax_.set_ylabel(count_words(len(names), self.n_features or len(names)), color=MUTED)
        self.ax_.locator_params(axis="x", nbins=6)
        write_ticks(self.ax_.xaxis, suffix)


def _dots(name: str, rows: list[Any], column: Any, values: Floats, errors: Floats) -> pd.DataFrame:
    data = [None] * len(rows) if column is None else values_of(column)
    return pd.DataFrame(
        {
            "feature": name,
            "row": rows,
            "data": pd.Series(data, dtype=object),
            "rank": ranks(column, len(rows)),
            "value": values,
            "std_error": errors,
        }
    )
