"""The result of one what-if question."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from agnostix.core.typing import Floats


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
        multiplier (of the standardized statistic, 0 where a range does not bind).
    outcomes : DataFrame
        Each quantity: quantity, output, base, value, std_error, low, high,
        change, change_std_error, change_low, change_high; in model output units.
    shifts : DataFrame
        What else moved: feature, level, before, after, shift (in standard
        deviations), std_error, low, high, stated (whether it was constrained).
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

    def __repr__(self) -> str:
        asked = ", ".join(_asked(row) for row in self.conditions.to_dict("records"))
        head = f"Scenario({asked}; status={self.status!r}, kl={self.kl:.3g}, ess={self.ess:.0f})"
        shown = self.outcomes[["quantity", "output", "base", "value", "low", "high"]]
        return f"{head}\n{shown.to_string(index=False)}"


def _asked(row: dict) -> str:
    name = row["feature"] if row["level"] is None else f"{row['feature']}={row['level']}"
    return (
        f"{name}: {row['low']:g}" if row["low"] == row["high"] else f"{name}: {row['low']:g}..{row['high']:g}"
    )
