"""How far a surrogate may be believed, as numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.intervals import half_widths
from agnostix.plotting.attributions import ends_of
from agnostix.plotting.in_row import surrogate_dof, surrogate_output, values_in_row
from agnostix.plotting.words import is_surrogate

CLOSE, ROUGH = 0.8, 0.5
"""Least R² of a surrogate that follows its model closely, and of one that does so roughly."""
POOR_LEAF = 0.8
"""Share of equal labels below which a leaf does not speak for the model."""


@dataclass(frozen=True)
class Fidelity:
    """How far one output's surrogate follows the model near one row, and what both say of it.

    Attributes
    ----------
    r2 : float
        Weighted share of the variance of the model's answers near the row that
        the surrogate accounts for; NaN where they do not vary.
    low, high : float
        Its interval, at most 1; equal to it where it has no error.
    surrogate_output, output : float
        The surrogate's answer for the row, and the model's, in explained units.
    largest : float
        Size of the surrogate's largest value.
    n_used, n_features : int
        Features that the surrogate was given, and that the row has.
    """

    r2: float
    low: float
    high: float
    surrogate_output: float
    output: float
    largest: float
    n_used: int
    n_features: int

    @classmethod
    def of(cls, explanation: Explanation, i: int, k: int, confidence_level: float = 0.95) -> Fidelity | None:
        """Read it from an explanation.

        Parameters
        ----------
        explanation : Explanation
            Of any kind.
        i, k : int
            Places of the row and of the output.
        confidence_level : float, default=0.95
            Nominal coverage of the interval.

        Returns
        -------
        Fidelity or None
            None where it is no surrogate, or does not tell its R².
        """
        told = (explanation.fidelity or {}).get("r2")
        if not is_surrogate(explanation) or told is None:
            return None
        r2, values = float(told[i, k]), values_in_row(explanation, i, k)
        errors = explanation.extras.get("r2_std_errors")
        dof = surrogate_dof(explanation, i, k)
        half = 0.0 if errors is None else float(half_widths(errors.array[i, k], confidence_level, dof))
        return cls(
            r2=r2,
            low=r2 - half,
            high=min(r2 + half, 1.0),
            surrogate_output=surrogate_output(explanation, i, k),
            output=float(ends_of(explanation)[1][i, k]),
            largest=float(np.nanmax(np.abs(values), initial=0.0)),
            n_used=int(np.isfinite(values).sum()),
            n_features=int(np.isfinite(explanation.values[i, :, k]).sum()),
        )

    @property
    def is_constant(self) -> bool:
        """Whether the model's answers near the row do not vary."""
        return bool(np.isnan(self.r2))

    @property
    def follows(self) -> str:
        """Whether it follows the model "closely", "roughly" or "poorly", by the lower end of the interval."""
        return how_closely(self.low)

    @property
    def is_poor(self) -> bool:
        """Whether the values should not be relied on."""
        return not self.is_constant and self.follows == "poorly"

    @property
    def is_off(self) -> bool:
        """Whether the two answers for the row itself lie farther apart than any value reaches."""
        return abs(self.output - self.surrogate_output) > self.largest

    @property
    def r2_words(self) -> str:
        """R² with its interval."""
        if self.high - self.low <= 0.0:
            return f"R² {r2_words(self.r2)}"
        if not np.isfinite(self.low):
            return f"R² {r2_words(self.r2)}, of unknown error"
        ends = (r2_words(end, like=self.r2) for end in (self.low, self.high))
        return f"R² {r2_words(self.r2)} ({' to '.join(ends)})"

    @property
    def words(self) -> str:
        """All in one line, for a picture."""
        if self.is_constant:
            return "The model is constant near the row."
        held = f" with {self.n_used} of {self.n_features} features" if self.n_used < self.n_features else ""
        return f"{self.r2_words}{held}: the surrogate follows the model {self.follows}"


def how_closely(low: float) -> str:
    """In a word how a simpler model follows the model.

    Parameters
    ----------
    low : float
        Lower end of the interval of its R².

    Returns
    -------
    {"closely", "roughly", "poorly"}
    """
    return "closely" if low >= CLOSE else "roughly" if low >= ROUGH else "poorly"


def fidelity_over_rows(explanation: Explanation, k: int, confidence_level: float = 0.95) -> str:
    """How far the surrogates of all rows follow the model, in one line.

    Parameters
    ----------
    explanation : Explanation
        Of any kind.
    k : int
        Place of the output.
    confidence_level : float, default=0.95
        Of the intervals by which they are judged.

    Returns
    -------
    str
        Empty where they are no surrogates, or do not tell their R².
    """
    found = [Fidelity.of(explanation, i, k, confidence_level) for i in range(len(explanation))]
    known = [one for one in found if one is not None and not one.is_constant]
    if not known:
        return "The model is constant near all rows." if any(found) else ""
    r2 = np.array([one.r2 for one in known])
    n_poor = sum(one.is_poor for one in known)
    many = f"all {n_poor}" if n_poor == len(found) else f"{n_poor} of {len(found)}"
    poor = f"; poor for {many} rows" if n_poor else ""
    return f"R² {r2_words(r2.min())} to {r2_words(r2.max())}, median {r2_words(float(np.median(r2)))}{poor}"


def r2_words(r2: float, like: float | None = None) -> str:
    """An R², with more digits where it would print as 1 and is none.

    Parameters
    ----------
    r2 : float
        At most 1.
    like : float, default=None
        Another, whose digits it is given.

    Returns
    -------
    str
    """
    decimals, settles = 2, r2 if like is None else like
    while decimals < 4 and settles < 1.0 - 5e-7 and float(f"{settles:.{decimals}f}") == 1.0:
        decimals += 1
    return f"{r2:.{decimals}f}".replace("-", "−") if r2 <= -0.005 else f"{abs(r2):.{decimals}f}"
