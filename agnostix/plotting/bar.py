"""Bars of the features' values in one row, or of their mean absolute values over rows or groups."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.words import by_words
from agnostix.plotting.attributions import (
    check_same_features,
    column_values,
    conditions_in_row,
    data_columns,
    find_output,
    find_row,
    intervals_in_row,
)
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.fidelity import describe_fidelity, describe_fidelity_over_rows
from agnostix.plotting.style import (
    CONTRAST,
    FAINT,
    MUTED,
    SERIES,
    draw_interval,
    find_limits,
    name_rows,
    write_fidelity,
    write_ticks,
)
from agnostix.plotting.words import (
    MISSING,
    describe_quantity,
    format_count,
    format_value,
    is_missing,
    label_in_row,
    shorten,
    wrap_lines,
)


@dataclass(eq=False, repr=False)
class BarDisplay(ExplanationDisplay):
    """The features' values in one row, or their mean absolute values over rows or groups of rows.

    Lines are confidence intervals, dotted where the error is unknown; over rows, of
    the population mean (see `Explanation.aggregate`). A line beside the names joins
    neighbors whose order is not certain: the interval of the difference of their
    means, paired by rows, contains 0. Orange bars are negative. For a surrogate,
    labels are the row's conditions, such as "28 < age <= 37", and its fidelity is
    written above.

    Parameters
    ----------
    bars : DataFrame
        One row per feature and group: feature, condition, group and data (each None
        where there is none), value, std_error, low, high; in units of the output. Over
        rows without groups also is_apart, whether the difference to the next smaller
        bar is certain (None where unknown, and beyond `max_features`).
    max_features : int, default=12
        Features drawn: those with the largest |value|.
    quantity_label : str, default="value"
        Name of the horizontal axis.
    fidelity : str, default=""
        Fidelity of a surrogate, written above.
    is_poor : bool, default=False
        Whether to write it as a warning.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.plotting import BarDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = OcclusionExplainer(LinearRegression().fit(X, y), random_state=0).fit(X)
    >>> display = BarDisplay.from_explainer(explainer, X, max_features=3).plot()
    >>> display.frame()["feature"].tolist()[:3]
    ['s1', 's5', 'bmi']
    """

    bars: pd.DataFrame
    max_features: int = 12
    quantity_label: str = "value"
    fidelity: str = ""
    is_poor: bool = False

    name: ClassVar[str] = "bar"
    dims: ClassVar = (("row", "feature", "output"), ("feature", "output"), ("group", "feature", "output"))

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        row: Hashable = None,
        output: str | int | None = None,
        by: Any = None,
        max_features: int = 12,
        confidence_level: float = 0.95,
    ) -> BarDisplay:
        """Select one row, or the mean absolute values over rows.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain`.
        row : int or hashable, default=None
            Position of the row, or its name unless that is an integer; by default
            all rows, unless there is only one.
        output : str or int, default=None
            Name or position of the output; by default the only one, or the second of two.
        by : str or array-like of shape (n_rows,), default=None
            A column of the data, or labels of the rows: one bar for each of at most 6 groups.
        max_features : int, default=12
            Features drawn: those with the largest |value|.
        confidence_level : float, default=0.95
            Coverage of each interval.

        Returns
        -------
        BarDisplay
        """
        cls._check(explanation, max_features, confidence_level)
        if row is not None and by is not None:
            raise ValueError("One row has no groups: pass row= or by=, not both.")
        k, fidelity = find_output(explanation, output), ("", False)
        label = describe_quantity(explanation, explanation.output_names[k])
        if "row" not in explanation.dims:
            if row is not None or by is not None:
                raise ValueError(f"row= and by= need a dim 'row'; this explanation has {explanation.dims}.")
            bars = _bars_overall(explanation.sel(outputs=k), confidence_level)
        elif row is not None or (by is None and len(explanation) == 1):
            i = find_row(explanation, 0 if row is None else row)
            bars = _bars_of_row(explanation, i, k, confidence_level)
            fidelity = describe_fidelity(explanation, i, k, confidence_level)
        else:
            check_same_features(explanation)
            chosen = explanation.sel(outputs=k)
            bars = _bars_overall(chosen.aggregate(by), confidence_level)
            if by is None:
                bars["is_apart"] = _apart_from_next(chosen, bars, max_features, confidence_level)
            label = f"mean absolute {label}"
            fidelity = (describe_fidelity_over_rows(explanation, k, confidence_level), False)
        return cls(bars, max_features, label, *fidelity)

    def frame(self) -> pd.DataFrame:
        """The numbers behind the picture, the largest first; features by their largest group.

        Returns
        -------
        DataFrame
        """
        place = {feature: j for j, feature in enumerate(self._order())}
        known = self.bars[self.bars["feature"].isin(list(place))]
        return known.sort_values(
            "feature", key=lambda names: names.map(place), kind="stable", ignore_index=True
        )

    def _figsize(self) -> tuple[float, float]:
        n_features, n_groups = len(self._order()), len(self._groups())
        height = 0.9 + (0.2 + 0.12 * n_groups) * min(n_features, self.max_features)
        return 6.4, max(height, 2.0) if n_features > self.max_features else height

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        order = self._order()
        shown = order[: self.max_features]
        drawn = self.frame()
        drawn = drawn[drawn["feature"].isin(shown)].reset_index(drop=True)
        drawn[["value", "low", "high"]] *= factor
        groups = self._groups()
        self._draw_bars(drawn, shown, groups)
        self._name_axes(drawn, shown, suffix)
        self.ax_.set_ylabel(format_count(len(shown), len(order)), color=MUTED)
        write_fidelity(self.ax_, self.fidelity, self.is_poor)
        if len(groups) > 1:
            self._name_groups(groups)

    def _draw_bars(self, drawn: pd.DataFrame, shown: list[str], groups: list[Any]) -> None:
        height = 0.7 / len(groups)
        for bar in drawn.to_dict("records"):
            if not np.isfinite(bar["value"]):
                continue
            j = groups.index(bar["group"])
            place = len(shown) - 1 - shown.index(bar["feature"]) + (0.5 * (len(groups) - 1) - j) * height
            color = SERIES[j] if bar["value"] >= 0 else CONTRAST
            self.ax_.barh(place, bar["value"], 0.86 * height, color=color, linewidth=0)
            draw_interval(self.ax_, place, bar["low"], bar["high"])

    def _name_axes(self, drawn: pd.DataFrame, shown: list[str], suffix: str) -> None:
        first = drawn.drop_duplicates("feature").set_index("feature")
        names = [label_in_row(feature, *first.loc[feature, ["data", "condition"]]) for feature in shown]
        name_rows(self.ax_, names)
        low, high = find_limits(drawn[["value", "low", "high"]], [0.0])
        self.ax_.set_xlim(low if (drawn["value"] < 0).any() or (drawn["low"] < 0).any() else 0.0, high)
        self.ax_.axvline(0.0, color=MUTED, lw=1)
        note = "\njoined names: order not certain" if self._join_names(first, shown) else ""
        self.ax_.set_xlabel(wrap_lines(self.quantity_label, 38) + note, parse_math=False)
        self.ax_.locator_params(axis="x", nbins=6)
        self.ax_.grid(axis="x", color=FAINT)
        write_ticks(self.ax_.xaxis, suffix)

    def _join_names(self, first: pd.DataFrame, shown: list[str]) -> bool:
        """Join neighbors that cannot be told apart, beside their names; whether there are any."""
        if "is_apart" not in first:
            return False
        places = [j for j, name in enumerate(shown[:-1]) if first.loc[name, "is_apart"] is False]
        across = self.ax_.get_yaxis_transform()
        for j in places:
            ends = np.array([len(shown) - 1 - j - 0.08, len(shown) - 2 - j + 0.08])
            look = {"color": MUTED, "lw": 1.6, "clip_on": False, "solid_capstyle": "butt"}
            self.ax_.plot([-0.006, -0.006], ends, transform=across, **look)
        if places:
            self.ax_.tick_params(axis="y", pad=8)
        return bool(places)

    def _name_groups(self, groups: list[Any]) -> None:
        from matplotlib.patches import Patch

        marks = [Patch(color=SERIES[j], label=shorten(str(group), 24)) for j, group in enumerate(groups)]
        look = {"frameon": False, "borderpad": 0, "ncols": min(3, len(groups))}
        legend = self.ax_.legend(handles=marks, loc="lower right", bbox_to_anchor=(1.0, 1.0), **look)
        for text in legend.get_texts():
            text.set_parse_math(False)

    def _groups(self) -> list[Any]:
        return list(dict.fromkeys(self.bars["group"]))

    def _order(self) -> list[str]:
        """Features by their largest |value|."""
        sizes = self.bars.assign(size=self.bars["value"].abs()).dropna(subset="size")
        largest = sizes.groupby("feature", sort=False)["size"].max()
        return list(largest.sort_values(ascending=False, kind="stable").index)


def _apart_from_next(
    explanation: Explanation, bars: pd.DataFrame, max_features: int, level: float
) -> pd.Series:
    """By bar, whether the interval of its mean size less that of the next smaller leaves out 0."""
    apart = pd.Series([None] * len(bars), dtype=object)
    known = bars["value"].notna().to_numpy()
    order = [j for j in np.argsort(-bars["value"].to_numpy(), kind="stable") if known[j]]
    by_word = by_words(explanation)
    for one, other in pairwise(order[:max_features]):
        difference = by_word.difference(int(one), int(other), how="mean_abs")
        low, high = (float(end.item()) for end in difference.interval(level))
        if not np.isnan(low):
            apart[one] = not low <= 0.0 <= high
    return apart


def _bars_of_row(explanation: Explanation, i: int, k: int, level: float) -> pd.DataFrame:
    table = intervals_in_row(explanation, i, k, level)
    places = table.pop("place")
    own, conditions = data_columns(explanation), conditions_in_row(explanation, i)
    row = slice(i, i + 1)
    texts = {
        "condition": [conditions[j] for j in places],
        "group": [None] * len(places),
        "data": [None if own[j] is None else format_value(column_values(own[j], row)[0]) for j in places],
    }
    columns = {name: pd.Series(texts[name], dtype=object) for name in texts}
    return pd.DataFrame({"feature": [explanation.feature_names[j] for j in places], **columns, **table})


def _bars_overall(explanation: Explanation, level: float) -> pd.DataFrame:
    """Bars of one output without rows, by feature or by group and feature."""
    has_groups = "group" in explanation.dims
    groups = (
        [MISSING if is_missing(label) else label for label in explanation.labels("group")]
        if has_groups
        else [None]
    )
    if len(groups) > len(SERIES):
        raise ValueError(
            f"There are {len(groups)} groups, and at most {len(SERIES)} can be drawn; pass coarser "
            "labels of the rows, for example by=pd.cut(...)."
        )
    values, errors = explanation.values, explanation.std_errors
    low, high = explanation.interval(level)
    nothing = pd.Series([None] * values.size, dtype=object)
    return pd.DataFrame(
        {
            "feature": list(explanation.feature_names) * len(groups),
            "condition": nothing,
            "group": pd.Series(groups, dtype=object).repeat(values.size // len(groups)).to_numpy(),
            "data": nothing,
            "value": values.ravel(),
            "std_error": 0.0 if errors is None else errors.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
        }
    )
