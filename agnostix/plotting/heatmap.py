"""Heatmap: all rows and features at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Codes, Floats
from agnostix.plotting.attributions import (
    check_any_value,
    check_same_features,
    find_output,
    order_by_size,
    row_labels,
)
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.style import INK, MUTED, add_colorbar, diverging, find_limits, write_ticks
from agnostix.plotting.words import describe_quantity, format_count, label_feature, shorten, wrap_lines

_ORDERS = {"cluster": "clustered by similarity", "output": "sorted by output"}
_MOST_CLUSTERED = 600
"""Rows that are clustered; others are placed beside the most similar of these."""
_MOST_NAMED = 25
"""Rows up to which each is named."""
_MOST_COLUMNS = 800
"""Columns of the picture, about as many as a screen has."""
_LINE = 3.2
"""Height of the output's line, in features."""
_CLIPPED = 0.01
"""Share of the cells that may lie beyond the ends of the palette."""


@dataclass(eq=False, repr=False)
class HeatmapDisplay(ExplanationDisplay):
    """Values of all rows (columns) and features (rows), with the output above; or of pairs of features.

    Blue is positive, orange negative, white 0. At most 1 % of the cells lie beyond the
    ends of the color scale, which are then pointed. With more than 800 rows, each
    column is the mean of neighboring rows.

    Parameters
    ----------
    cells : DataFrame
        One row per feature and row: feature, row, value, output, base (NaN where
        unknown); or per pair of features: feature, other, value.
    n_features : int, default=None
        Features of the explanation, drawn or not; by default those drawn.
    output_name : str, default="output"
        Name of the line on top.
    quantity_label : str, default="value"
        Name of the color scale.
    rows_label : str, default="rows"
        Name of the horizontal axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    output_ax_ : matplotlib Axes or None
        Axes of the line, within `ax_`; None without outputs.
    colorbar_ : matplotlib Colorbar
        The color scale.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.plotting import HeatmapDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = OcclusionExplainer(LinearRegression().fit(X, y), random_state=0).fit(X)
    >>> display = HeatmapDisplay.from_explainer(explainer, X, order="output", max_features=3).plot()
    >>> display.frame().shape
    (1326, 5)
    """

    cells: pd.DataFrame
    n_features: int | None = None
    output_name: str = "output"
    quantity_label: str = "value"
    rows_label: str = "rows"

    name: ClassVar[str] = "heatmap"
    dims: ClassVar = (("row", "feature", "output"), ("feature", "feature"), ("feature", "feature", "output"))

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        output: str | int | None = None,
        order: str = "cluster",
        max_features: int = 12,
    ) -> HeatmapDisplay:
        """Select one output.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain`.
        output : str or int, default=None
            Name or position of the output; by default the only one, or the second of two.
        order : {"cluster", "output"}, default="cluster"
            Order of the rows: hierarchical clustering of their values, or the output.
            Pairs of features are ordered by mean |value|.
        max_features : int, default=12
            Features drawn: those with the largest mean |value|.

        Returns
        -------
        HeatmapDisplay
        """
        cls._check(explanation, max_features)
        if order not in _ORDERS:
            raise ValueError(f"order must be one of {', '.join(map(repr, _ORDERS))}; got {order!r}.")
        check_same_features(explanation)
        k = find_output(explanation, output) if "output" in explanation.dims else 0
        name = explanation.output_names[k] if explanation.output_names else "the output"
        check_any_value(explanation.values[..., k] if "output" in explanation.dims else explanation.values)
        label = describe_quantity(explanation, name)
        if "row" not in explanation.dims:
            cells, n_features = _pairs(explanation, k, max_features)
            return cls(cells, n_features, name, label, "")
        if order == "output" and explanation.outputs is None:
            raise ValueError("order='output' needs outputs, and this explanation has none; use 'cluster'.")
        values = explanation.values[:, :, k]
        outputs = np.nansum(values, axis=1) if explanation.outputs is None else explanation.outputs[:, k]
        features = order_by_size(values)
        rows = _by_similarity(values, outputs) if order == "cluster" else np.argsort(outputs, kind="stable")
        cells = _cells(explanation, features[:max_features], rows, k)
        count = f"{len(rows):,} rows" if len(rows) > 1 else "1 row"
        rows_label = f"{count}, {_ORDERS[order]}" if len(rows) > 1 else count
        return cls(cells, len(features), name, label, rows_label)

    def _names(self) -> list[str]:
        return list(dict.fromkeys(self.cells["feature"]))

    @property
    def _line(self) -> float:
        """Height of the output's line, in features; 0 without outputs."""
        return _LINE if "output" in self.cells and self.cells["output"].notna().any() else 0.0

    def _figsize(self) -> tuple[float, float]:
        return 7.2, max(2.0, 0.7 + 0.28 * (len(self._names()) + self._line))

    def _draw(self, factor: float = 1.0, suffix: str = "", cmap: Any = None) -> None:
        names = self._names()
        matrix = factor * self.cells["value"].to_numpy(dtype=float).reshape(len(names), -1)
        self._draw_cells(matrix, diverging() if cmap is None else cmap, suffix)
        self._name_axes(names, matrix.shape[1])
        self.output_ax_: Any = None
        if self._line:
            self._draw_outputs(factor, suffix, *matrix.shape)

    def _draw_cells(self, matrix: Floats, cmap: Any, suffix: str) -> None:
        sizes = np.abs(matrix[np.isfinite(matrix)])
        most = float(np.quantile(sizes, 1 - _CLIPPED, method="higher")) if sizes.size else 0.0
        most = most or float(sizes.max(initial=0.0)) or 1.0
        n_features, n_rows = matrix.shape
        image = self.ax_.imshow(
            np.ma.masked_invalid(_pool_neighbors(matrix)),
            cmap=cmap,
            vmin=-most,
            vmax=most,
            aspect="auto",
            interpolation="nearest",
            extent=(-0.5, n_rows - 0.5, -0.5, n_features - 0.5),
        )
        extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
        beyond = extend[bool((matrix < -most).any()), bool((matrix > most).any())]
        width = min(34, max(15, int(3.2 * (n_features + self._line))))
        look = {"extend": beyond, "aspect": 30}
        self.colorbar_ = add_colorbar(image, self.ax_, self.quantity_label, suffix, width, **look)

    def _draw_outputs(self, factor: float, suffix: str, n_features: int, n_rows: int) -> None:
        """The outputs and their base value as lines above the features."""
        outputs, base = (
            factor * self.cells[name].to_numpy(dtype=float)[:n_rows] for name in ("output", "base")
        )
        whole = n_features + _LINE
        self.ax_.set_ylim(-0.5, whole - 0.5)
        self.output_ax_ = self.ax_.inset_axes((0.0, (n_features + 0.3) / whole, 1.0, (_LINE - 1.2) / whole))
        places = np.arange(n_rows)
        self.output_ax_.plot(places, base, color=MUTED, lw=0.8, ls="--")
        look = {"lw": 0.6 if n_rows > _MOST_COLUMNS else 1.0, "marker": "o" if n_rows == 1 else None}
        self.output_ax_.plot(places, outputs, color=INK, **look)
        self.output_ax_.set_xlim(-0.5, n_rows - 0.5)
        self.output_ax_.set_ylim(find_limits(outputs, base, margin=0.1))
        self.output_ax_.set_xticks([])
        self.output_ax_.spines["bottom"].set_visible(False)
        self.output_ax_.locator_params(axis="y", nbins=3)
        name = wrap_lines(self.output_name, 34, 1)
        self.output_ax_.set_title(name, fontsize=10, fontweight="normal", pad=3, parse_math=False)
        write_ticks(self.output_ax_.yaxis, suffix)

    def _name_axes(self, names: list[str], n_rows: int) -> None:
        self.ax_.set_yticks(
            range(len(names))[::-1], [label_feature(n) for n in names], color=INK, parse_math=False
        )
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_xticks([])
        if n_rows <= _MOST_NAMED or "other" in self.cells:
            rows = [shorten(str(row), 16) for row in self.cells.iloc[:n_rows, 1]]
            self.ax_.set_xticks(range(n_rows), rows, parse_math=False)
            if sum(map(len, rows)) + n_rows > 60:
                self.ax_.tick_params(axis="x", rotation=90)
        for spine in self.ax_.spines.values():
            spine.set_visible(False)
        self.ax_.set_xlabel(self.rows_label, parse_math=False)
        self.ax_.set_ylabel(format_count(len(names), self.n_features or len(names)), color=MUTED)


def _pool_neighbors(matrix: Floats) -> Floats:
    """Means of neighboring rows where there are more than a picture has columns."""
    n_rows = matrix.shape[1]
    if n_rows <= _MOST_COLUMNS:
        return matrix
    starts = np.linspace(0, n_rows, _MOST_COLUMNS + 1)[:-1].astype(int)
    known = np.isfinite(matrix)
    count = np.add.reduceat(known.astype(float), starts, axis=1)
    sums = np.add.reduceat(np.where(known, matrix, 0.0), starts, axis=1)
    return np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)


def _cells(explanation: Explanation, features: Any, rows: Any, k: int) -> pd.DataFrame:
    labels = row_labels(explanation)
    n_features = len(features)
    unknown = np.full((len(labels), k + 1), np.nan)
    ends = {"output": explanation.outputs, "base": explanation.base_values}
    known = {name: unknown if array is None else array for name, array in ends.items()}
    return pd.DataFrame(
        {
            "feature": np.repeat([explanation.feature_names[j] for j in features], len(rows)),
            "row": [labels[i] for i in rows] * n_features,
            "value": explanation.values[np.ix_(rows, features, [k])][:, :, 0].T.ravel(),
            **{name: np.tile(ends[rows, k], n_features) for name, ends in known.items()},
        }
    )


def _pairs(explanation: Explanation, k: int, max_features: int) -> tuple[pd.DataFrame, int]:
    """Cells of pairs of features, and how many features there are."""
    values = explanation.values[..., k] if explanation.values.ndim == 3 else explanation.values
    order = order_by_size(np.concatenate([values, values.T]))
    places = order[:max_features]
    names = [explanation.feature_names[j] for j in places]
    columns = {"feature": np.repeat(names, len(names)), "other": names * len(names)}
    return pd.DataFrame(columns | {"value": values[np.ix_(places, places)].ravel()}), len(order)


def _by_similarity(values: Floats, outputs: Floats) -> Codes:
    """Rows in the order of a dendrogram's leaves, the half with the higher outputs to the right."""
    from scipy.spatial.distance import cdist

    values = np.nan_to_num(values)
    by_output = np.argsort(outputs, kind="stable")
    n_rows = len(by_output)
    if n_rows < 3:
        return by_output
    spread = np.unique(np.linspace(0, n_rows - 1, min(n_rows, _MOST_CLUSTERED)).round().astype(int))
    chosen = by_output[spread]
    leaves = _leaves(values[chosen])
    place = np.empty(len(chosen), dtype=int)
    place[leaves] = np.arange(len(chosen))
    nearest = np.arange(n_rows) if len(chosen) == n_rows else cdist(values, values[chosen]).argmin(axis=1)
    if len(chosen) == n_rows:
        nearest[chosen] = np.arange(n_rows)
    order = np.lexsort((outputs, place[nearest]))
    half = n_rows // 2
    return order[::-1] if outputs[order[:half]].mean() > outputs[order[-half:]].mean() else order


def _leaves(values: Floats) -> Codes:
    from scipy.cluster.hierarchy import leaves_list, linkage

    return leaves_list(linkage(values, method="average", optimal_ordering=True))
