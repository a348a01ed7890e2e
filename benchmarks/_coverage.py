"""Coverage of intervals over many designs: what is measured of each cell, and what is required of it."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import numpy as np

POOLED, WORST, WIDTH, SMALLEST, GIVEN = 0.92, 0.80, 1.6, 0.90, 0.90
"""Least pooled coverage, that of the worst value, most stated / made error, least coverage of the tenth of
values with the smallest stated errors, least share of values with an interval."""
REQUIREMENTS = ("pooled", "worst", "width", "smallest", "given", "zero")
ROUNDING = 1e-9
"""Errors below it, relative to the largest truth of the cell, are rounding."""


def seeds_of(args: Namespace, n_designs: int, n_quick: int) -> range:
    """Seeds of the designs: as many as asked for, or so many by default and on a trial."""
    n = args.seeds or (n_quick if args.quick else n_designs)
    return range(args.first_seed, args.first_seed + n)


@dataclass(frozen=True)
class Cell:
    """Intervals of one kind of value in n_designs designs (seeds, redrawn backgrounds or tables).

    Attributes
    ----------
    part, name : str
        The explainer or statistic, and the game, table or budget.
    estimates, truths, low, high, std_errors : (n_designs, n_values)
        Truths may be (n_values,). NaN in `low` where no interval is given (a status, or "not determined").
    n_model_rows : float, default=nan
        A row's cost, for the table.
    """

    part: str
    name: str
    estimates: np.ndarray
    truths: np.ndarray
    low: np.ndarray
    high: np.ndarray
    std_errors: np.ndarray
    n_model_rows: float = float("nan")

    def measures(self) -> dict[str, Any]:
        """Pooled coverage, its Monte-Carlo error (designs are independent, values of one not), the rest."""
        truths = np.broadcast_to(self.truths, self.estimates.shape)
        tiny = ROUNDING * max(float(np.nanmax(np.abs(truths), initial=0.0)), 1e-300)
        given = ~np.isnan(self.low)
        covered = (self.low - tiny <= truths) & (truths <= self.high + tiny)
        by_design, n_given = np.where(given, covered, 0).sum(axis=1), given.sum(axis=1)
        pooled = by_design.sum() / n_given.sum() if n_given.any() else np.nan
        spread = by_design - pooled * n_given
        monte_carlo = np.sqrt(np.square(spread).sum()) / max(n_given.sum(), 1)
        n_by_value = given.sum(axis=0)
        by_value = np.where(given, covered, 0).sum(axis=0) / np.maximum(n_by_value, 1)
        often = n_by_value >= max(2, 0.25 * len(given))
        errors = np.abs(self.estimates - truths)
        made = np.sqrt(np.nanmean(np.where(given, errors, np.nan) ** 2)) if given.any() else np.nan
        stated = np.sqrt(np.nanmean(np.where(given, self.std_errors, np.nan) ** 2, axis=0))
        actual = np.sqrt(np.nanmean(np.where(given, errors, np.nan) ** 2, axis=0))
        ratios = stated[actual > tiny] / actual[actual > tiny]
        least = (
            given & (self.std_errors <= np.quantile(self.std_errors[given], 0.1)) if given.any() else given
        )
        wrong = given & (self.std_errors <= 0) & (errors > tiny) & (self.low == self.high)
        return {
            "pooled": pooled,
            "monte_carlo": monte_carlo,
            "worst": by_value[often].min() if often.any() else np.nan,
            "stated_to_made": np.median(ratios) if ratios.size else np.nan,
            "smallest": covered[least].mean() if least.any() else np.nan,
            "given": given.mean(),
            "zero_not_exact": wrong.mean(),
            "made": made,
            "n": int(given.sum()),
            "n_designs": len(given),
        }

    def failures(self) -> list[str]:
        """Names of the requirements that the cell misses."""
        one = self.measures()
        holds = (
            not one["pooled"] < POOLED - 2 * one["monte_carlo"],
            not one["worst"] < WORST,
            not one["stated_to_made"] > WIDTH,
            not one["smallest"] < SMALLEST,
            one["given"] >= GIVEN,
            one["zero_not_exact"] == 0,
        )
        return [name for name, held in zip(REQUIREMENTS, holds, strict=True) if not held]


HEADER = (
    "part",
    "cell",
    "n",
    "designs",
    "coverage",
    "worst value",
    "stated / made",
    "tenth of smallest",
    "given",
    "0, not exact",
    "misses",
)


def line(cell: Cell) -> tuple[str, ...]:
    """The cell as a line of the table."""
    one = cell.measures()
    return (
        cell.part,
        cell.name,
        f"{one['n']:,}",
        str(one["n_designs"]),
        f"{one['pooled']:.3f} ±{one['monte_carlo']:.3f}",
        f"{one['worst']:.2f}",
        f"{one['stated_to_made']:.2f}",
        f"{one['smallest']:.2f}",
        f"{one['given']:.2f}",
        f"{one['zero_not_exact']:.3f}",
        ", ".join(cell.failures()),
    )
