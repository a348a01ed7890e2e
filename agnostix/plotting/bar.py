"""How much each feature matters: for a row, over rows, or by group."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.plotting.attributions import (
    check_most,
    errors_of,
    largest_first,
    one_row_of,
    output_index,
    own_columns,
    row_index,
    values_of,
)
from agnostix.plotting.fidelity import Fidelity, fidelity_over_rows
from agnostix.plotting.in_row import check_same_features, said_in_row, values_in_row
from agnostix.plotting.marks import draw_interval, limits, write_fidelity, write_ticks
from agnostix.plotting.style import (
    CONTRAST,
    FAINT,
    INK,
    MUTED,
    SERIES,
    axes_for,
    house_style,
    shortened,
)
from agnostix.plotting.words import (
    MISSING,
    called,
    count_words,
    effect_words,
    in_lines,
    is_missing,
    value_words,
)


class BarDisplay:
    """The features' values in one row, or their mean size over rows or over each group of rows.

    The line through a bar's end is the confidence interval, dotted where the
    error is not known. Values of one row have a sign, which the colour repeats;
    sizes have none. Over rows it is the interval of the mean over rows like
    these, from how much they differ; see `Explanation.aggregate`. Bars of a
    surrogate's row are named by what it says of the row, such as
    "28 < age <= 37", and above them stands how far it may be believed.

    Parameters
    ----------
    bars : DataFrame
        A feature, or a feature in a group, in each row: feature, said (its condition
        or word in the row; None without one), group (None without groups), data (None
        over rows), value, std_error, low, high; in model output units.
    max_features : int, default=12
        How many are drawn: those with the largest value.
    quantity_label : str, default="value"
        Name of the horizontal axis.
    fidelity : str, default=""
        How far it may be believed, written above.
    is_poor : bool, default=False
        Whether that is a warning.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Its figure.

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

    def __init__(
        self,
        bars: pd.DataFrame,
        max_features: int = 12,
        quantity_label: str = "value",
        fidelity: str = "",
        is_poor: bool = False,
    ) -> None:
        self.bars = bars
        self.max_features = max_features
        self.quantity_label = quantity_label
        self.fidelity = fidelity
        self.is_poor = is_poor

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
        """Take one row, or the mean size over rows.

        Parameters
        ----------
        explanation : Explanation
            What an explainer's `explain` returned.
        row : int or hashable, default=None
            Place of the row, or its name, which is no integer; all rows by
            default, unless there is only one.
        output : str or int, default=None
            Name or place of the output; by default the only one, or the last of two.
        by : str or array-like of shape (n_rows,), default=None
            A column of the data, or labels of the rows: one bar for each of at most 6 groups.
        max_features : int, default=12
            How many are drawn.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.

        Returns
        -------
        BarDisplay
        """
        check_most(max_features)
        if row is not None and by is not None:
            raise ValueError("One row has no groups: pass row= or by=, not both.")
        k = output_index(explanation, output)
        words = effect_words(explanation, explanation.output_names[k])
        if row is None and by is None and len(explanation) == 1:
            row = 0
        if row is not None:
            i = row_index(explanation, row)
            bars, told = (
                _of_row(explanation, i, k, confidence_level),
                Fidelity.of(explanation, i, k, confidence_level),
            )
            fidelity, is_poor = (told.words, told.is_poor) if told else ("", False)
        else:
            bars, words = _of_rows(explanation, k, by, confidence_level), f"mean size of the {words}"
            fidelity, is_poor = fidelity_over_rows(explanation, k, confidence_level), False
        return cls(bars.reset_index(drop=True), max_features, words, fidelity, is_poor)

    @classmethod
    def from_explainer(
        cls,
        explainer: Any,
        X: Any,
        *,
        row: Hashable = None,
        output: str | int | None = None,
        by: Any = None,
        max_features: int = 12,
        confidence_level: float = 0.95,
        **explain: Any,
    ) -> BarDisplay:
        """Explain rows and take them.

        Parameters
        ----------
        explainer : BaseExplainer
            A fitted one.
        X : DataFrame or array-like of shape (n_rows, n_columns)
            The rows; where `row` is a place, only that row is explained.
        row : int or hashable, default=None
            Place of the row, or its name, which is no integer; all rows by default.
        output : str or int, default=None
            Name or place of the output; by default the only one, or the last of two.
        by : str or array-like of shape (n_rows,), default=None
            A column of the data, or labels of the rows: one bar for each group.
        max_features : int, default=12
            How many are drawn.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.
        **explain : dict
            Passed to `explain`.

        Returns
        -------
        BarDisplay
        """
        X, row = (X, None) if row is None else one_row_of(X, row)
        return cls.from_explanation(
            explainer.explain(X, **explain),
            row=row,
            output=output,
            by=by,
            max_features=max_features,
            confidence_level=confidence_level,
        )

    def frame(self) -> pd.DataFrame:
        """The data behind the picture, the largest first; features by their largest group.

        Returns
        -------
        DataFrame
        """
        place = {feature: j for j, feature in enumerate(self._order())}
        known = self.bars[self.bars["feature"].isin(list(place))]
        return known.sort_values(
            "feature", key=lambda names: names.map(place), kind="stable", ignore_index=True
        )

    def plot(self, ax: Any = None, *, factor: float = 1.0, suffix: str = "") -> BarDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; a new figure by default.
        factor : float, default=1.0
            All numbers are multiplied by it, for example to per cent.
        suffix : str, default=""
            Unit after the numbers of the horizontal axis.

        Returns
        -------
        self : BarDisplay
        """
        with house_style():
            order = self._order()
            shown = order[: self.max_features]
            drawn = self.frame()
            drawn = drawn[drawn["feature"].isin(shown)].reset_index(drop=True)
            drawn[["value", "low", "high"]] *= factor
            groups = list(dict.fromkeys(self.bars["group"]))
            note = count_words(len(shown), len(order))
            height = 0.9 + (0.2 + 0.12 * len(groups)) * len(shown)
            self.ax_, self.figure_ = axes_for(ax, 6.4, max(height, 2.0) if note else height)
            self._draw(drawn, shown, groups)
            self._name_axes(drawn, shown, suffix)
            self.ax_.set_ylabel(note, color=MUTED)
            write_fidelity(self.ax_, self.fidelity, self.is_poor)
            if len(groups) > 1:
                self._name_groups(groups)
        return self

    def _draw(self, drawn: pd.DataFrame, shown: list[str], groups: list[Any]) -> None:
        height = 0.7 / len(groups)
        for bar in drawn.to_dict("records"):
            if not np.isfinite(bar["value"]):
                continue
            j = groups.index(bar["group"])
            place = len(shown) - 1 - shown.index(bar["feature"]) + (0.5 * (len(groups) - 1) - j) * height
            colour = SERIES[j] if bar["value"] >= 0 else CONTRAST
            self.ax_.barh(place, bar["value"], 0.86 * height, color=colour, linewidth=0)
            draw_interval(self.ax_, place, bar["low"], bar["high"])

    def _name_axes(self, drawn: pd.DataFrame, shown: list[str], suffix: str) -> None:
        told = drawn.drop_duplicates("feature").set_index("feature")
        names = [called(feature, *told.loc[feature, ["data", "said"]]) for feature in shown]
        self.ax_.set_yticks(range(len(shown))[::-1], names, color=INK, parse_math=False)
        self.ax_.set_ylim(-0.6, len(shown) - 0.4)
        low, high = limits(drawn[["value", "low", "high"]], [0.0])
        self.ax_.set_xlim(low if (drawn["value"] < 0).any() or (drawn["low"] < 0).any() else 0.0, high)
        self.ax_.axvline(0.0, color=MUTED, lw=1)
        self.ax_.spines["left"].set_visible(False)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_xlabel(in_lines(self.quantity_label, 38), parse_math=False)
        self.ax_.locator_params(axis="x", nbins=6)
        self.ax_.grid(axis="x", color=FAINT)
        write_ticks(self.ax_.xaxis, suffix)

    def _name_groups(self, groups: list[Any]) -> None:
        from matplotlib.patches import Patch

        marks = [Patch(color=SERIES[j], label=shortened(str(group), 24)) for j, group in enumerate(groups)]
        look = {"frameon": False, "borderpad": 0, "ncols": min(3, len(groups))}
        legend = self.ax_.legend(handles=marks, loc="lower right", bbox_to_anchor=(1.0, 1.0), **look)
        for text in legend.get_texts():
            text.set_parse_math(False)

    def _order(self) -> list[str]:
        sizes = self.bars.assign(size=self.bars["value"].abs()).dropna(subset="size")
        largest = sizes.groupby("feature", sort=False)["size"].max()
        return list(largest.sort_values(ascending=False, kind="stable").index)


def _of_row(explanation: Explanation, i: int, k: int, confidence_level: float) -> pd.DataFrame:
    values = values_in_row(explanation, i, k)
    own, said = own_columns(explanation), said_in_row(explanation, i)
    order = largest_first(values[None])
    low, high = (ends[0, order, k] for ends in explanation[i].interval(confidence_level))
    data = [None if own[j] is None else value_words(values_of(own[j], slice(i, i + 1))[0]) for j in order]
    return pd.DataFrame(
        {
            "feature": [explanation.feature_names[j] for j in order],
            "said": pd.Series([said[j] for j in order], dtype=object),
            "group": pd.Series([None] * len(order), dtype=object),
            "data": pd.Series(data, dtype=object),
            "value": values[order],
            "std_error": errors_of(explanation, k)[i, order],
            "low": low,
            "high": high,
        }
    )


def _of_rows(explanation: Explanation, k: int, by: Any, confidence_level: float) -> pd.DataFrame:
    check_same_features(explanation)
    sizes = explanation.sel(outputs=k).aggregate(by)
    labels = [None] if by is None else [MISSING if is_missing(one) else one for one in sizes.labels("group")]
    n_features, n_groups = len(sizes.feature_names), len(labels)
    if n_groups > len(SERIES):
        raise ValueError(
            f"by makes {n_groups} groups and at most {len(SERIES)} can be told apart; pass coarser labels of "
            "the rows, for example by=pd.cut(...)."
        )
    n_bars = n_groups * n_features
    assert sizes.std_errors is not None
    low, high = sizes.interval(confidence_level)
    return pd.DataFrame(
        {
            "feature": list(sizes.feature_names) * n_groups,
            "said": pd.Series([None] * n_bars, dtype=object),
            "group": pd.Series(labels, dtype=object).repeat(n_features).reset_index(drop=True),
            "data": pd.Series([None] * n_bars, dtype=object),
            "value": sizes.values.ravel(),
            "std_error": sizes.std_errors.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
        }
    )
