"""Scatter: the attribution of one feature against the feature's value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.frames import kind_of, to_codes, to_floats
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.plotting.attributions import (
    check_same_features,
    column_values,
    data_columns,
    find_feature,
    find_output,
    output_errors,
    row_labels,
)
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.style import ACCENT, FAINT, MUTED, dodge, find_limits, write_ticks
from agnostix.plotting.words import MISSING, describe_quantity, format_value, shorten, wrap_lines

_MOST_LEVELS = 12
"""Labels that have a place of their own."""
_MOST_INTERVALS = 200
"""Rows up to which intervals are drawn by default."""


@dataclass(eq=False, repr=False)
class ScatterDisplay(ExplanationDisplay):
    """The attribution of one feature against the feature's value: a dot for each row.

    Vertical lines are confidence intervals, dotted where the error is unknown. The
    bars below are the feature's histogram; missing values are to the left.

    Parameters
    ----------
    dots : DataFrame
        One row per row of the explanation: row, data, value, std_error, low, high;
        all but data in units of the output.
    feature : str, default="feature"
        Name of the feature.
    levels : tuple, default=None
        Labels in their order, where the feature has labels.
    quantity_label : str, default="value"
        Name of the vertical axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.plotting import ScatterDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = OcclusionExplainer(LinearRegression().fit(X, y), random_state=0).fit(X)
    >>> display = ScatterDisplay.from_explainer(explainer, X, "bmi").plot()
    >>> display.frame().columns.tolist()
    ['row', 'data', 'value', 'std_error', 'low', 'high']
    """

    dots: pd.DataFrame
    feature: str = "feature"
    levels: tuple[Any, ...] | None = None
    quantity_label: str = "value"

    name: ClassVar[str] = "scatter"
    dims: ClassVar = (("row", "feature", "output"),)

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        feature: str | int,
        *,
        output: str | int | None = None,
        confidence_level: float = 0.95,
    ) -> ScatterDisplay:
        """Select one feature and one output.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain`.
        feature : str or int
            Name or position of the feature.
        output : str or int, default=None
            Name or position of the output; by default the only one, or the second of two.
        confidence_level : float, default=0.95
            Coverage of each interval.

        Returns
        -------
        ScatterDisplay
        """
        cls._check(explanation, confidence_level=confidence_level)
        check_same_features(explanation)
        k, j = find_output(explanation, output), find_feature(explanation, feature)
        name, column = explanation.feature_names[j], data_columns(explanation)[j]
        if column is None:
            raise ValueError(
                f"The explanation's data has no column {name!r} to draw the values of this feature against."
            )
        data, levels = _own_values(column)
        values, errors = explanation.values[:, j, k], output_errors(explanation, k)[:, j]
        low, high = (ends[:, j, k] for ends in explanation.interval(confidence_level))
        known = {"value": values, "std_error": errors, "low": low, "high": high}
        dots = pd.DataFrame({"row": row_labels(explanation), "data": data, **known})
        return cls(dots, name, levels, describe_quantity(explanation, explanation.output_names[k]))

    def _figsize(self) -> tuple[float, float]:
        return 6.4, 3.6

    def _draw(self, intervals: bool | None = None, factor: float = 1.0, suffix: str = "") -> None:
        y, low, high = (factor * self.dots[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
        intervals = len(y) <= _MOST_INTERVALS if intervals is None else intervals
        ends = find_limits(y, [0.0], *((low, high) if intervals else ()))
        x, missing = self._positions((y - ends[0]) / (ends[1] - ends[0]))
        if intervals:
            self._draw_intervals(x, low, high)
        alpha = float(np.clip(30 / np.sqrt(len(y)), 0.25, 0.85))
        self.ax_.scatter(x, y, s=14, color=ACCENT, alpha=alpha, linewidths=0, rasterized=len(y) > 2000)
        self._draw_distribution(missing, *ends)
        self._name_axes(*ends, suffix)

    def _numbers(self) -> Floats:
        """The feature's own values along the axis; NaN where missing."""
        if self.levels is not None:
            place = {level: j for j, level in enumerate(self.levels)}
            return np.array([place.get(value, np.nan) for value in self.dots["data"]], dtype=float)
        if pd.api.types.is_datetime64_any_dtype(self.dots["data"]):
            from matplotlib.dates import date2num

            known = self.dots["data"].notna().to_numpy()
            out = np.full(len(self.dots), np.nan)
            out[known] = date2num(self.dots["data"].to_numpy()[known])
            return out
        return self.dots["data"].to_numpy(dtype=float)

    def _positions(self, heights: Floats) -> tuple[Floats, Bools]:
        """Horizontal positions, dodged at labels and missing values, and which values are missing."""
        self._own = self._numbers()
        missing = ~np.isfinite(self._own)
        if self.levels is None:
            low, high = find_limits(self._own, margin=0.0)
            self._span, room = high - low, 0.06 * (high - low)
            self._left, crowded = low - 0.1 * self._span, missing
        else:
            self._span, room = 1.0, 0.7
            self._left, crowded = -1.0, np.ones(len(missing), dtype=bool)
        x = np.where(missing, self._left, self._own)
        for place in np.unique(x[crowded]):
            own = crowded & (x == place) & np.isfinite(heights)
            x[own] += dodge(heights[own], heights[own], 60, room, 0.05 * room)
        return x, missing

    def _draw_intervals(self, x: Floats, low: Floats, high: Floats) -> None:
        known = np.isfinite(low) & np.isfinite(high)
        wide = known & (high > low)
        look = {"color": ACCENT, "alpha": 0.3, "zorder": 0.95}
        self.ax_.vlines(x[wide], low[wide], high[wide], lw=1.2, **look)
        across = self.ax_.get_xaxis_transform()
        if (~known).any():
            self.ax_.vlines(x[~known], 0, 1, lw=0.8, ls=":", transform=across, **look)

    def _draw_distribution(self, missing: Bools, low: float, high: float) -> None:
        floor, depth = low - 0.16 * (high - low), 0.13 * (high - low)
        known = self._own[~missing]
        if self.levels is not None:
            edges = np.arange(max(len(self.levels), 1) + 1) - 0.5
        else:
            n_bins = int(np.clip(2 * np.sqrt(known.size), 5, 40))
            edges = np.linspace(*find_limits(known, margin=0.0), n_bins + 1)
        counts = np.histogram(known, edges)[0].tolist()
        centers, width = ((edges[1:] + edges[:-1]) / 2).tolist(), float(edges[1] - edges[0])
        if missing.any():
            counts, centers = [int(missing.sum()), *counts], [self._left, *centers]
        heights = np.array(counts) / max(counts) * depth
        width *= 0.7 if self.levels is not None else 1.0
        self.ax_.bar(centers, heights, width, floor, color=FAINT, linewidth=0)
        self.ax_.set_ylim(floor, high)
        right = max(centers) + 0.5 * width + 0.02 * self._span
        self.ax_.set_xlim(min(centers) - 0.5 * width - 0.02 * self._span, right)

    def _name_axes(self, low: float, high: float, suffix: str) -> None:
        self.ax_.axhline(0.0, color=MUTED, lw=1, zorder=0.9)
        self.ax_.grid(axis="y")
        self.ax_.tick_params(length=3, color=MUTED)
        self.ax_.set_xlabel(wrap_lines(self.feature, 50), parse_math=False)
        self.ax_.set_ylabel(wrap_lines(self.quantity_label, 30), parse_math=False)
        self.ax_.set_yticks([tick for tick in self.ax_.get_yticks() if low <= tick <= high])
        write_ticks(self.ax_.yaxis, suffix)
        self._name_positions()
        if not np.isfinite(self._own).all():
            across = self.ax_.get_xaxis_transform()
            look = {"color": MUTED, "fontsize": 9, "ha": "center", "va": "bottom", "transform": across}
            self.ax_.text(self._left, 1.01, MISSING, **look)

    def _name_positions(self) -> None:
        if self.levels is not None:
            self._name_levels()
            return
        if pd.api.types.is_datetime64_any_dtype(self.dots["data"]):
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

            locator = AutoDateLocator(maxticks=7)
            self.ax_.xaxis.set(major_locator=locator, major_formatter=ConciseDateFormatter(locator))
        else:
            self.ax_.locator_params(axis="x", nbins=7)
            write_ticks(self.ax_.xaxis, "")
        known = self._own[np.isfinite(self._own)]
        if 0 < known.size < self._own.size:  # no numbers where the missing values stand
            formatter = self.ax_.xaxis.get_major_formatter()
            inside = [tick for tick in self.ax_.get_xticks() if known.min() <= tick <= known.max()]
            self.ax_.set_xticks(inside)
            self.ax_.xaxis.set_major_formatter(formatter)

    def _name_levels(self) -> None:
        assert self.levels is not None
        most = 24 if len(self.levels) < 4 else 16
        names = [shorten(format_value(level), most) for level in self.levels]
        self.ax_.set_xticks(range(len(names)), names, parse_math=False)
        if sum(map(len, names)) > 66:
            for text in self.ax_.get_xticklabels():
                text.set(rotation=30, ha="right", rotation_mode="anchor")


def _own_values(column: Any) -> tuple[Any, tuple[Any, ...] | None]:
    """Numbers or dates, or labels and their order; rare labels are put together."""
    if kind_of(column) == "numeric":
        return to_floats(column), None
    dtype = nw.from_native(column, series_only=True).dtype
    if isinstance(dtype, nw.Date | nw.Datetime):
        return pd.to_datetime(column_values(column), utc=True).tz_localize(None), None
    if kind_of(column) == "nested":
        name = getattr(column, "name", "")
        raise DataError(
            f"Column {str(name)!r} holds lists, arrays or dicts, which have no place on an axis. Show "
            "another feature, or a column made of it, such as its length."
        )
    codes, levels = to_codes(column)
    if len(levels) > _MOST_LEVELS + 1:
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        kept = np.sort(np.argsort(-counts, kind="stable")[:_MOST_LEVELS])
        rest = f"{len(levels) - _MOST_LEVELS} other labels"
        place = np.full(len(levels) + 1, _MOST_LEVELS)
        place[kept], place[-1] = np.arange(_MOST_LEVELS), -1
        codes, levels = place[codes], (*(levels[j] for j in kept), rest)
    return pd.Series([None if code < 0 else levels[code] for code in codes], dtype=object), levels
