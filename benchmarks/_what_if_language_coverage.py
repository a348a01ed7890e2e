"""How often intervals of scenarios hold the truth, for every kind of constraint, by both methods.

What is compared: tables drawn from one population, the nominal 95 % intervals of the mean prediction, of its
change, of the shift of a curved outcome and of two metrics, and the same quantities of the population,
reweighted to the same constraints. The population is a Sobol net of 2^16 rows, whose own error is far below
that of a table. What is held at the data's value, or stated relative to it, is that of the population in the
truth. Only tables whose scenario has status "ok" count; how many these are is in the table. With clusters the
tables consist of households of four rows that share a part of everything. Empirical likelihood has a bounded
column: a normal population has no closest reweighting in it.

A full run on an idle machine: `--methods delta --tables 400` takes about four minutes with two processes, and
`--methods bootstrap --tables 150` eight.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import warnings
from argparse import ArgumentParser
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from _clock import print_table
from joblib import Parallel, delayed
from scipy.special import expit, ndtr, ndtri
from scipy.stats import qmc

from agnostix import (
    Correlation,
    Covariance,
    DisparateImpact,
    EntropicProjection,
    EqualOpportunity,
    ErrorRate,
    ExpectedShortfall,
    Keep,
    Mean,
    Prediction,
    Proportion,
    Quantile,
    SelectionRate,
    TruePositiveRate,
    Variance,
)

N_BOOTSTRAP = 300
METHODS = ("delta", "bootstrap")
ITEMS = ("prediction", "change", "curved", "error rate", "AUC")
_DIMS = 6
_HOUSE = 4


@dataclass(frozen=True)
class Case:
    """A scenario and how it is asked for.

    Attributes
    ----------
    constraints : list
        What is stated.
    how : dict
        Keywords of `what_if`.
    n : int
        Rows of a table.
    clusters : bool
        Whether rows come in households.
    searched : bool
        Whether it is solved by a search, which draws are too slow for in a short run.
    """

    constraints: list[Any]
    how: dict[str, Any] = field(default_factory=dict)
    n: int = 400
    clusters: bool = False
    searched: bool = False


A = {"g": "a"}
GROUP = {"group": "g", "reference": "b"}
CASES = {
    "mean": Case([Mean("x", 0.5)]),
    "mean, n=200": Case([Mean("x", 0.5)], n=200),
    "mean, chi-square": Case([Mean("x", 0.5)], {"divergence": "chi_square"}),
    "mean, empirical likelihood": Case([Mean("b", 0.2)], {"divergence": "empirical_likelihood"}),
    "mean, weights 0.4 to 2": Case([Mean("x", 0.5)], {"weight_bounds": (0.4, 2.0)}),
    "mean, chi-square, weights 0.4 to 2": Case(
        [Mean("x", 0.5)], {"divergence": "chi_square", "weight_bounds": (0.4, 2.0)}
    ),
    "mean, soft": Case([Mean("x", 1.0, penalty=1.0)]),
    "mean within a tolerance": Case([Mean("x", 0.6, tolerance=0.1)]),
    "range that does not bind": Case([Mean("x", 0.4), Mean("h", (-1.0, 1.0))]),
    "mean, relative": Case([Mean("x", "+0.5")]),
    "mean of a group": Case([Mean("x", 0.5, where=A)]),
    "mean of a group, relative": Case([Mean("x", "+0.5", where=A)]),
    "others kept": Case([Mean("x", 0.4), Keep("h", "g")]),
    "proportion": Case([Proportion("g", "a", 0.55)]),
    "quantile": Case([Quantile("x", 0.5, 0.4)]),
    "variance": Case([Variance("x", 1.4)]),
    "variance, smaller": Case([Variance("x", 0.7), Mean("x", 0.3)]),
    "variance of a group": Case([Variance("x", 1.3, where=A)]),
    "variance, mean free": Case([Variance("x", 1.4, mean="free")], searched=True),
    "covariance": Case([Covariance("x", "h", 0.6)]),
    "correlation": Case([Correlation("x", "h", 0.6)]),
    "expected shortfall": Case([ExpectedShortfall("x", 0.8, 1.5)], n=1_000),
    "mean prediction": Case([Prediction(0.55)]),
    "share above": Case([Prediction(0.6, above=0.5)]),
    "error rate": Case([ErrorRate(0.35)]),
    "selection rate of a group": Case([SelectionRate(0.6, where=A)]),
    "true positive rate": Case([TruePositiveRate(0.7)]),
    "disparate impact": Case([DisparateImpact(1.0, **GROUP)], searched=True),
    "disparate impact, shares held": Case([DisparateImpact(1.0, **GROUP, hold_shares=True)], searched=True),
    "equal opportunity": Case([EqualOpportunity(0.15, **GROUP)], searched=True),
    "five at once": Case(
        [
            Mean("x", 0.3),
            Variance("h", 1.2),
            Quantile("x", 0.75, 0.9),
            Proportion("g", "a", 0.45),
            Mean("h", (0.1, 2.0)),
        ]
    ),
    "mean, households": Case([Mean("x", 0.5)], clusters=True, n=800),
    "variance, households": Case([Variance("x", 1.3), Mean("h", 0.3)], clusters=True, n=800),
    "mean of a group, households": Case([Mean("x", 0.4, where=A)], clusters=True, n=800),
    "correlation, chi-square, households": Case(
        [Correlation("x", "h", 0.5)], {"divergence": "chi_square"}, clusters=True, n=800
    ),
}
"""Scenarios by name."""


@dataclass(frozen=True)
class Rows:
    """A table, its labels and what is predicted; a curved outcome is one of the columns."""

    X: pd.DataFrame
    y: np.ndarray
    predictions: np.ndarray

    @classmethod
    def from_uniform(cls, u: np.ndarray) -> Rows:
        """From points (n_rows, 6) of the unit cube."""
        z = ndtri(u)
        x, h = z[:, 0], 0.3 * z[:, 0] + np.sqrt(0.91) * z[:, 1]
        in_a = u[:, 2] < 0.4
        score = 0.8 * x + 0.3 * h - 0.4 * in_a
        p = expit(score + 0.3 * z[:, 3])
        y = (u[:, 4] < expit(score)).astype(int)
        curved = 0.5 * x**2 + x + h + z[:, 5]
        X = pd.DataFrame(
            {"x": x, "h": h, "b": 2.0 * u[:, 0] - 1.0, "g": np.where(in_a, "a", "b"), "curved": curved}
        )
        return cls(X, y, p)


def draw(case: Case, seed: int) -> tuple[Rows, np.ndarray | None]:
    """A table, and the household of each row if it has some."""
    rng = np.random.default_rng([seed, case.n, case.clusters])
    if not case.clusters:
        return Rows.from_uniform(rng.random((case.n, _DIMS))), None
    house = np.repeat(np.arange(case.n // _HOUSE), _HOUSE)
    shared = rng.normal(size=(house.max() + 1, _DIMS))[house]
    own = rng.normal(size=(case.n, _DIMS))
    return Rows.from_uniform(ndtr(np.sqrt(0.4) * shared + np.sqrt(0.6) * own)), house


def measure(rows: Rows, case: Case, groups: Any = None, **params: Any) -> Any:
    """The scenario of some rows."""
    projection = EntropicProjection(**params).fit(rows.X, rows.y, predictions=rows.predictions, groups=groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return projection.what_if(
            case.constraints, metric=["prediction", "error_rate", "roc_auc"], **case.how
        )


def intervals(scenario: Any) -> np.ndarray:
    """Value, low and high of each item, (n_items, 3); the curved outcome by its shift."""
    frame = scenario.outcomes.set_index("quantity")
    curved = scenario.shifts.set_index("feature").loc["curved"]
    return np.array(
        [
            frame.loc["prediction", ["value", "low", "high"]],
            frame.loc["prediction", ["change", "change_low", "change_high"]],
            curved[["shift", "low", "high"]],
            frame.loc["error_rate", ["value", "low", "high"]],
            frame.loc["roc_auc", ["value", "low", "high"]],
        ],
        dtype=float,
    )


def truth_of(case: Case) -> np.ndarray:
    """What the items are in the population."""
    net = qmc.Sobol(_DIMS, scramble=True, rng=np.random.default_rng(0)).random_base2(16)
    return intervals(measure(Rows.from_uniform(np.clip(net, 1e-9, 1.0 - 1e-9)), case))[:, 0]


def one_table(case: Case, seed: int, truth: np.ndarray, methods: tuple[str, ...]) -> np.ndarray | None:
    """Whether intervals hold the truth, (n_methods, n_items); None unless the status is ok."""
    rows, groups = draw(case, seed)
    held = []
    for method in methods:
        try:
            scenario = measure(
                rows, case, groups, std_errors=method, n_bootstrap=N_BOOTSTRAP, random_state=seed
            )
        except ValueError:  # no reweighting of this table reaches it
            return None
        if scenario.status != "ok":
            return None
        _, low, high = intervals(scenario).T
        slack = 1e-9 * np.maximum(np.abs(truth), 1.0)  # what is stated is met to rounding
        held.append((low - slack <= truth) & (truth <= high + slack))
    return np.array(held)


def coverage(
    name: str, n_tables: int, n_jobs: int, methods: tuple[str, ...] = METHODS
) -> list[tuple[str, ...]]:
    """Lines of the result for one scenario: one for each method."""
    case = CASES[name]
    truth = truth_of(case)
    methods = methods[:1] if case.searched and n_tables < 400 else methods
    found = Parallel(n_jobs=n_jobs)(delayed(one_table)(case, s, truth, methods) for s in range(n_tables))
    held = np.array([one for one in found if one is not None])
    lines = []
    for m, method in enumerate(methods):
        shares = held[:, m].mean(0) if held.size else np.full(len(ITEMS), np.nan)
        least = 0.92 - 2.0 * np.sqrt(0.92 * 0.08 / max(len(held), 1))
        misses = [item for item, share in zip(ITEMS, shares, strict=True) if share < least]
        cells = (f"{share:.3f}" for share in shares)
        lines.append((f"{name}, {method}", *cells, f"{len(held) / n_tables:.2f}", ", ".join(misses)))
    return lines


def main() -> None:
    """Simulate all scenarios and print the table."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=400, help="tables for each scenario")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS, help="of errors")
    parser.add_argument("--only", nargs="*", help="names of scenarios")
    options = parser.parse_args()
    lines = [
        line
        for name in (options.only or CASES)
        for line in coverage(name, options.tables, options.jobs, tuple(options.methods))
    ]
    header = ("", *ITEMS, "share ok", "below .92 less two errors")
    print_table(f"Coverage of nominal 95 % intervals, {options.tables} tables each", header, lines)


if __name__ == "__main__":
    main()
