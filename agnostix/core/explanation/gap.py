"""Result of a gap between two tables: its parts, each with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation.views import table_html

_SHOWN = ("part", "value", "low", "high", "shift", "moved", "status")
_MOST_PARTS = 14
"""Columns in the HTML and in the text."""


@dataclass(frozen=True, eq=False)
class GapExplanation:
    """A gap between two tables, taken apart.

    Attributes
    ----------
    frame : DataFrame
        One line for each part, margins first, the largest of them on top: part ("margin of age",
        "dependence", "conditional"), kind ("margin", "dependence", "conditional"), column (None
        except for margins), value, std_error, low, high, sampling_error (of sampled orders of
        columns, included in std_error; 0 where all orders are averaged), shift (how far the mean of
        numbers moved, or the proportion that moved most, in A's standard deviations), p_value (of
        Wald's test that the column did not move by itself, the other columns accounted for), moved
        (whether that is refused at the confidence level, Holm's correction over columns), status
        ("ok"; "thin" or "boundary" as in a `Scenario`; "relaxed" where some coalitions of columns
        were not reached, see unreached; "not determined"), reason. Values in
        units of the metric; NaN where a part is not determined, for the reason given. The other
        parts sum to the gap.
    totals : DataFrame
        The metric in A, in B and their difference, indexed "A", "B" and "gap": value, std_error,
        low, high.
    statistics : DataFrame
        What was matched: column, statistic, a, b (means in A and B), shift (in A's standard
        deviations), matched (mean in A once all columns are matched).
    unreached : DataFrame
        Coalitions of columns for which no reweighting of A has B's statistics: columns, reached
        (how far on the way from A's statistics to B's they were taken, from 0 to 1).
    n_coalitions : int
        Coalitions of columns that were solved.
    ratio : dict
        How the density ratio of B to A did: model (the classifier that was chosen), regression
        (that of the metric), auc (0.5: A and B look alike; 1: they do not overlap), ess (effective
        rows of A), clipped (rows of A whose ratio was cut), largest (where it was cut). Empty where
        no ratio was needed.
    notes : tuple of str
        What a reader should know.
    metric : str
        The quantity whose gap it is.
    output : str or None
        The output of the model that is averaged, if one is.
    match : str
        Which statistics of numeric columns were matched.
    n_rows : tuple of int
        Rows of A and of B that were used.
    confidence_level : float
        Nominal coverage of each interval.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import EntropicProjection, explain_gap
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = LinearRegression().fit(X, y)
    >>> leaner = X["bmi"] < 25
    >>> A, B = (EntropicProjection(model).fit(X[rows]) for rows in (leaner, ~leaner))
    >>> gap = explain_gap(A, B, columns=["age", "bp", "s6"])
    >>> gap.frame["part"].tolist()
    ['margin of bp', 'margin of s6', 'margin of age', 'dependence']
    >>> bool(abs(gap.frame["value"].sum() - gap.totals.loc["gap", "value"]) < 1e-9)
    True
    """

    frame: pd.DataFrame
    totals: pd.DataFrame
    statistics: pd.DataFrame
    unreached: pd.DataFrame
    n_coalitions: int
    ratio: dict[str, Any]
    notes: tuple[str, ...]
    metric: str
    output: str | None
    match: str
    n_rows: tuple[int, int]
    confidence_level: float

    def to_frame(self) -> pd.DataFrame:
        """The parts as one table.

        Returns
        -------
        DataFrame
            A copy.
        """
        return self.frame.copy()

    def __repr__(self) -> str:
        shown = (
            self.frame[list(_SHOWN)].head(_MOST_PARTS).to_string(index=False, float_format="{:.4g}".format)
        )
        return "\n".join([f"GapExplanation({self._title})", shown, *self._more, *self.notes])

    def _repr_html_(self) -> str:
        """The parts; what was matched is in `statistics`."""
        rows = [
            [None if _is_none(cell) else cell for cell in row]
            for row in self.frame[list(_SHOWN)].head(_MOST_PARTS).itertuples(index=False)
        ]
        return table_html(" ".join([f"{self._title}.", *self._more, *self.notes]), _SHOWN, rows)

    @property
    def _title(self) -> str:
        what = self.metric if self.output in (None, self.metric) else f"{self.metric} of {self.output}"
        ends = self.totals[["value", "low", "high"]]
        a, b, gap = (ends.loc[name] for name in ("A", "B", "gap"))
        span = f"{gap['low']:.4g} to {gap['high']:.4g}"
        rows = f"{self.n_rows[0]:,} and {self.n_rows[1]:,} rows"
        return f"{what}: A {a['value']:.4g}, B {b['value']:.4g}, gap {gap['value']:.4g} ({span}); {rows}"

    @property
    def _more(self) -> list[str]:
        n_more = len(self.frame) - _MOST_PARTS
        return [f"... and {n_more} more parts in `frame`."] if n_more > 0 else []


def _is_none(cell: Any) -> bool:
    return cell is None or (not isinstance(cell, float | np.floating) and pd.isna(cell))
