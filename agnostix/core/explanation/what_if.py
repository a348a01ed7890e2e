"""Results of what-if analysis: response curves and scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Integral
from typing import Any, NamedTuple

import pandas as pd

from agnostix.core.explanation.views import table_html
from agnostix.core.names import label_text
from agnostix.core.reproducibility import seed_of
from agnostix.core.typing import Floats

_MOST_CURVES = 12
"""Curves in the HTML."""
_MOST_CONDITIONS = 12
"""Conditions in a title."""


class Histogram(NamedTuple):
    """Distribution of a feature: fractions (n_bins,) of the base weight in bins of equal width."""

    feature: str
    group: Any  # None without groups
    edges: Floats  # (n_bins + 1,) in the column's units
    fractions: Floats


@dataclass(frozen=True, eq=False)
class WhatIfCurves:
    """What happens to the outcome when a feature's average is somewhere else.

    Attributes
    ----------
    frame : DataFrame
        One row for each target and quantity: feature, level, group, tau,
        target, quantity, output, value, std_error, low, high, slope,
        slope_std_error, slope_low, slope_high, kl, ess, max_weight, status
        (also "few events" or "heavy tails", where no interval of the quantity
        holds), n_rows (those with a value of the feature). Values in
        model output units, targets in the column's units, slopes in output
        units per unit of the column.
    skipped : tuple of (feature, group, reason)
        Features that were left out.
    histograms : tuple of Histogram
        The data's own distribution of each numeric feature.
    n_model_rows : int
        Rows the model evaluated, all of them in `fit`.
    params : dict
        Parameters of the explainer.
    """

    frame: pd.DataFrame
    skipped: tuple[tuple[str, Any, str], ...]
    histograms: tuple[Histogram, ...]
    n_model_rows: int
    params: dict[str, Any]

    kind = "reweighting"
    method = "EntropicProjection"

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        names = list(dict.fromkeys(self.frame["feature"]))
        shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        return f"WhatIfCurves({len(names)} features: {shown}; {len(self.frame)} rows)"

    def _repr_html_(self) -> str:
        """Ends of the first curves; all numbers are in `frame`."""
        by = ["feature", "level", "group", "quantity", "output"]
        curves = list(self.frame.groupby(by, sort=False, dropna=False))
        rows = [
            [*map(_none_if_missing, names), *curve[["target", "value"]].iloc[[0, -1]].to_numpy(float).ravel()]
            for names, curve in curves[:_MOST_CURVES]
        ]
        more = f"; the first {_MOST_CURVES} of {len(curves)} curves" if len(curves) > _MOST_CURVES else ""
        return table_html(repr(self) + more, [*by, "from target", "value", "to target", "value"], rows)

    @cached_property
    def distributions(self) -> pd.DataFrame:
        """The histograms as one table: feature, group, left, right, share."""
        bins = [
            (h.feature, h.group, h.edges[j], h.edges[j + 1], h.fractions[j])
            for h in self.histograms
            for j in range(h.fractions.size)
        ]
        names = ["feature", "group", "left", "right", "share"]
        groups = pd.Series([row[1] for row in bins], dtype=object)
        return pd.DataFrame(bins, columns=names).assign(group=groups)

    def to_frame(self) -> pd.DataFrame:
        """The curves as one table.

        Returns
        -------
        DataFrame
            A copy.
        """
        return self.frame.copy()

    def sel(
        self,
        *,
        features: str | Sequence[str] | None = None,
        outputs: Any = None,
        quantities: str | Sequence[str] | None = None,
        groups: Any = None,
    ) -> WhatIfCurves:
        """Select by name.

        Parameters
        ----------
        features, outputs, quantities, groups : scalar or sequence, default=None
            Which to keep; None keeps all.

        Returns
        -------
        WhatIfCurves

        Raises
        ------
        KeyError
            If one of the names does not exist.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from agnostix import EntropicProjection
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> curves = EntropicProjection(n_targets=5).fit(X, y).explain()
        >>> len(curves.sel(features="petal width (cm)").frame)
        5
        """
        frame, histograms = self.frame, self.histograms
        wanted = {"feature": features, "output": outputs, "quantity": quantities, "group": groups}
        for column, names in wanted.items():
            if names is None:
                continue
            keep = list(names) if isinstance(names, list | tuple) else [names]
            there = set(frame[column])
            unknown = [name for name in keep if name not in there]
            if unknown:
                known = ", ".join(str(name) for name in dict.fromkeys(frame[column]))
                raise KeyError(f"No {column} {unknown[0]!r} here. There are: {known}.")
            frame = frame[frame[column].isin(keep)]
            if column in ("feature", "group"):
                histograms = tuple(h for h in histograms if getattr(h, column) in keep)
        return replace(self, frame=frame.reset_index(drop=True), histograms=histograms)


@dataclass(frozen=True, eq=False)
class Scenario:
    """A reweighted population and what it says.

    Attributes
    ----------
    weights : ndarray of shape (n_rows,)
        Weight of each row given to fit, in its order, with mean 1; usable as
        ``sample_weight``. 0 for rows that lack a value of a constrained column.
    conditions : DataFrame
        Constraints and what was reached: feature, level, low, high, before, reached,
        multiplier (derivative of the divergence by the target in standard deviations,
        within the group if it is about one; 0 where a range does not bind, NaN of
        measures that compare groups; of a quantile, that of the share below it),
        kind, where, penalty (NaN where it must be met), role ("stated", or "held"
        where it travels with what is stated), label.
    outcomes : DataFrame
        Each quantity: quantity, output, base, value, std_error, low, high,
        change, change_std_error, change_low, change_high, in model output units;
        status ("few events" or "heavy tails" where no interval holds);
        design_effect, its variance over that of the same number of rows drawn
        from the reweighted population (NaN where that is not known).
    shifts : DataFrame
        What else moved: feature, level, before, after, shift (in standard
        deviations), std_error, low, high, stated (whether it was constrained),
        rank (of the column by its largest shift, 1 for the one that moved most).
    kl : float
        Kullback-Leibler divergence from the base weights, in nats.
    ess, ess_fraction : float
        Effective rows, and their share of those of the base weights.
    max_weight : float
        Largest weight, where the mean over the rows that took part is 1.
    status : {"ok", "thin", "boundary"}
        "thin" where few effective rows carry the result; "boundary" where the
        targets leave only some of the rows any weight.
    gap : float
        Largest difference between stated and reached average, in standard deviations.
    n_rows : int
        Rows that took part.
    confidence_level : float
        Nominal coverage of each interval.
    divergence : str
        The distance from the base weights that is least.
    searched : DataFrame
        Scalars that were searched over, where the constraints are linear only
        given these: name, value, and the range (low, high) that was searched.
    notes : tuple of str
        What was held besides, what was searched over, and by which solver.
    replicates : object
        What solves it again for `replicate_weights`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> scenario = EntropicProjection().fit(X, y).what_if({"petal width (cm)": 1.5})
    >>> scenario.status, round(scenario.kl, 2), round(scenario.ess)
    ('ok', 0.08, 129)
    >>> scenario.conditions[["feature", "before", "reached"]].round(2)
                feature  before  reached
    0  petal width (cm)     1.2      1.5
    """

    weights: Floats
    conditions: pd.DataFrame
    outcomes: pd.DataFrame
    shifts: pd.DataFrame
    kl: float
    ess: float
    ess_fraction: float
    max_weight: float
    status: str
    gap: float
    n_rows: int
    confidence_level: float
    divergence: str
    searched: pd.DataFrame
    notes: tuple[str, ...]
    replicates: Any = field(default=None, repr=False)

    @property
    def design_effect(self) -> float:
        """Kish's design effect of the weights, 1 + their squared coefficient of variation.

        The variance of a mean that has nothing to do with the weights is so many times that of equal
        weights; what a single quantity has is in ``outcomes``.

        References
        ----------
        .. [1] Kish, L. (1992). Weighting for unequal Pi. Journal of Official Statistics 8(2), 183-200.
        """
        return self.n_rows / self.ess

    def replicate_weights(
        self,
        n_replicates: int = 200,
        *,
        method: str = "bootstrap",
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> Floats:
        """Solve the weights again for replicates of the rows, for errors of anything else.

        With the estimate t by ``weights`` and t_r by the r-th column, the variance of t is the mean of
        ``(t_r - t)**2`` for the bootstrap, and ``n_replicates - 1`` times that mean for the jackknife.

        Parameters
        ----------
        n_replicates : int, default=200
            Number of replicates: draws of the bootstrap, or groups that the jackknife leaves out one
            after the other; at most as many as there are rows (or clusters).
        method : {"bootstrap", "jackknife"}, default="bootstrap"
            Draws of rows (of clusters within strata, if there are) with replacement, or a
            delete-a-group jackknife.
        random_state : int, RandomState, Generator or None, default=None
            Random numbers of the draws; the jackknife has none.
        n_jobs : int, default=None
            Workers, as in joblib. Results are the same for any number.

        Returns
        -------
        ndarray of shape (n_rows, n_replicates)
            In the order of the rows given to fit, of mean 1 in each column. Replicates that cannot reach
            the targets are left out, with a warning.

        Raises
        ------
        ValueError
            If `n_replicates` or `method` is invalid.
        DataError
            If no replicate reaches the targets.

        References
        ----------
        .. [1] Rao, J. N. K. and Wu, C. F. J. (1988). Resampling inference with complex survey data.
           Journal of the American Statistical Association 83(401), 231-241.
           https://doi.org/10.1080/01621459.1988.10478591

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_iris
        >>> from agnostix import EntropicProjection
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> scenario = EntropicProjection().fit(X, y).what_if({"petal width (cm)": 1.5})
        >>> replicates = scenario.replicate_weights(300, random_state=0)
        >>> length = X["sepal length (cm)"].to_numpy()
        >>> def median(weights):  # any function of rows and weights
        ...     order = np.argsort(length)
        ...     return length[order][np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)]
        >>> drawn = np.array([median(column) for column in replicates.T])
        >>> middle = median(scenario.weights)
        >>> print(f"{middle:.1f}, standard error {np.sqrt(np.mean((drawn - middle) ** 2)):.2f}")
        6.2, standard error 0.10
        """
        if isinstance(n_replicates, bool) or not isinstance(n_replicates, Integral) or n_replicates < 2:
            raise ValueError(f"n_replicates must be a whole number of 2 or more, got {n_replicates!r}.")
        if method not in ("bootstrap", "jackknife"):
            raise ValueError(f"method must be 'bootstrap' or 'jackknife', got {method!r}.")
        if self.replicates is None:
            raise ValueError("This scenario cannot be solved again; take one that what_if returned.")
        weights: Floats = self.replicates.make(int(n_replicates), method, seed_of(random_state), n_jobs)
        return weights

    def __repr__(self) -> str:
        shown = self.outcomes[["quantity", "output", "base", "value", "low", "high"]]
        return "\n".join([self._title, shown.to_string(index=False), *self.notes])

    def _repr_html_(self) -> str:
        """The outcomes; what else moved is in `shifts`."""
        names = ["quantity", "output", "base", "value", "low", "high", "change"]
        rows = self.outcomes[names].itertuples(index=False)
        title = ". ".join([self._title, *(note.removesuffix(".") for note in self.notes)])
        return table_html(title, names, [[*map(_none_if_missing, row[:2]), *row[2:]] for row in rows])

    @property
    def _title(self) -> str:
        stated = self.conditions[self.conditions["role"] == "stated"].to_dict("records")
        conditions = ", ".join(_describe_condition(row, self.shifts) for row in stated[:_MOST_CONDITIONS])
        if len(stated) > _MOST_CONDITIONS:
            conditions += f", ... ({len(stated)} in all)"
        return f"Scenario({conditions}; status={self.status!r}, kl={self.kl:.3g}, ess={self.ess:.0f})"


def _none_if_missing(name: Any) -> Any:
    return None if pd.isna(name) else name


_NAMED_BY_LEVEL = ("mean", "proportion", "error rate")
"""Kinds of conditions that column and level tell apart."""


def _describe_condition(row: dict, shifts: pd.DataFrame) -> str:
    name = row["label"]
    if row["kind"] in _NAMED_BY_LEVEL and not row["where"]:
        levels = shifts.loc[shifts["feature"] == row["feature"], "level"]
        text = label_text(row["level"], levels)
        name = row["feature"] if row["level"] is None else f"{row['feature']}={text}"
    about = "" if pd.isna(row["penalty"]) else "~"
    if row["low"] == row["high"]:
        return f"{name}: {about}{row['low']:g}"
    return f"{name}: {about}{row['low']:g}..{row['high']:g}"
