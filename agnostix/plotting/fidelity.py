"""Fidelity of a surrogate, as numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.core.intervals import interval_ends
from agnostix.plotting.attributions import dof_of_output, surrogate_output, values_in_row
from agnostix.plotting.words import is_surrogate

CLOSE, ROUGH = 0.8, 0.5
"""Least R² of a surrogate that follows the model closely, and roughly."""
_LEAST = -10.0
"""Ends of intervals of R² below it are not written: R² has no lower end, and says no more."""
POOR_LEAF = 0.8
"""Agreement of labels below which a leaf is drawn as a warning."""


@dataclass(frozen=True)
class Fidelity:
    """Fidelity of one output's surrogate near one row."""

    r2: float  # weighted R² near the row; NaN where the model is constant there or it is not determined
    low: float
    high: float  # its confidence interval, at most 1; both equal r2 where it has no error
    surrogate_output: float
    output: float  # predictions of surrogate and model for the row, in explained units
    largest: float  # the surrogate's largest |value|
    n_used: int  # features selected for the surrogate
    n_features: int  # features of the row
    is_undetermined: bool = False  # no draw meets what the row has

    @classmethod
    def from_explanation(
        cls, explanation: Explanation, i: int, k: int, confidence_level: float = 0.95
    ) -> Fidelity | None:
        """Fidelity of row i and output k; None unless a surrogate with R² was explained."""
        known = (explanation.fidelity or {}).get("r2")
        if not is_surrogate(explanation) or known is None:
            return None
        r2, values = float(known[i, k]), values_in_row(explanation, i, k)
        errors = explanation.extras.get("r2_std_errors")
        error = 0.0 if errors is None else errors.array[i, k]
        dof = dof_of_output(explanation, "r2", i, k)
        kinds = explanation.extras.get("r2_interval_kind")
        kind = "log_complement" if kinds is None else str(kinds.array[i, k])
        low, high = interval_ends(r2, error, confidence_level, dof, kind)
        determined = explanation.extras.get("determined")
        return cls(
            r2=r2,
            low=float(low),
            high=min(float(high), 1.0),
            surrogate_output=surrogate_output(explanation, i, k),
            output=float("nan") if explanation.outputs is None else float(explanation.outputs[i, k]),
            largest=float(np.nanmax(np.abs(values), initial=0.0)),
            n_used=int(np.isfinite(values).sum()),
            n_features=int(np.isfinite(explanation.values[i, :, k]).sum()),
            is_undetermined=determined is not None and not determined.array[i, k],
        )

    @property
    def is_constant(self) -> bool:
        """Whether the model is constant near the row."""
        return bool(np.isnan(self.r2)) and not self.is_undetermined

    @property
    def follows(self) -> str:
        """How the surrogate follows the model, by the lower end of the interval of R²."""
        return how_closely(self.low)

    @property
    def is_poor(self) -> bool:
        """Whether the values should not be relied on."""
        return not self.is_constant and self.follows == "poorly"

    @property
    def is_off(self) -> bool:
        """Whether the two predictions for the row differ by more than the largest value."""
        return abs(self.output - self.surrogate_output) > self.largest

    @property
    def r2_words(self) -> str:
        """R² with its interval."""
        if self.is_undetermined:
            return "R² not determined"
        if self.high - self.low <= 0.0:
            return f"R² {format_r2(self.r2)}"
        if not np.isfinite(self.low):
            return f"R² {format_r2(self.r2)}, of unknown error"
        ends = [format_r2(end, like=self.r2) for end in (self.low, self.high)]
        if self.low < _LEAST:
            ends[0] = f"below {format_r2(_LEAST)}"
        return f"R² {format_r2(self.r2)} ({' to '.join(ends)})"

    @property
    def words(self) -> str:
        """R², selected features and how closely the surrogate follows, in one line."""
        if self.is_constant:
            return "The model is constant near the row."
        if self.is_undetermined:
            return f"{self.r2_words}: no sample is like the row"
        held = f" with {self.n_used} of {self.n_features} features" if self.n_used < self.n_features else ""
        return f"{self.r2_words}{held}: the surrogate follows the model {self.follows}"


def describe_fidelity(explanation: Explanation, i: int, k: int, level: float) -> tuple[str, bool]:
    """Fidelity of row i and output k in words (empty without a surrogate), and whether it is poor."""
    fidelity = Fidelity.from_explanation(explanation, i, k, level)
    return (fidelity.words, fidelity.is_poor) if fidelity else ("", False)


def how_closely(low: float) -> str:
    """The word "closely", "roughly" or "poorly", by the lower end of the interval of R²."""
    return "closely" if low >= CLOSE else "roughly" if low >= ROUGH else "poorly"


def describe_fidelity_over_rows(explanation: Explanation, k: int, level: float = 0.95) -> str:
    """Range and median of the rows' R², in one line; empty without surrogates."""
    rows = [Fidelity.from_explanation(explanation, i, k, level) for i in range(len(explanation))]
    known = [row for row in rows if row is not None and not (row.is_constant or row.is_undetermined)]
    n_unclear = sum(row is not None and row.is_undetermined for row in rows)
    if not known and not n_unclear:
        return "The model is constant near all rows." if any(rows) else ""
    notes = [("poor", sum(row.is_poor for row in known)), ("not determined", n_unclear)]
    told = [f"{what} for {_of_all(n, len(rows))} rows" for what, n in notes if n]
    if not known:
        return f"R² {told[0]}"
    r2 = np.array([row.r2 for row in known])
    middle = f"R² {format_r2(r2.min())} to {format_r2(r2.max())}, median {format_r2(float(np.median(r2)))}"
    return "; ".join([middle, *told])


def _of_all(n: int, n_rows: int) -> str:
    return f"all {n}" if n == n_rows else f"{n} of {n_rows}"


def format_r2(r2: float, like: float | None = None) -> str:
    """R² with two decimals, or as many as keep it (or `like`) from reading as 1."""
    decimals, settles = 2, r2 if like is None else like
    while decimals < 4 and settles < 1.0 - 5e-7 and float(f"{settles:.{decimals}f}") == 1.0:
        decimals += 1
    return f"{r2:.{decimals}f}".replace("-", "−") if r2 <= -0.005 else f"{abs(r2):.{decimals}f}"
