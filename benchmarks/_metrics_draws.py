"""How often intervals and paired comparisons are right: cheap models, rows and explanations drawn anew.

The score of a row does not depend on the rows beside it, so that many rows are scored at once, and redraws
are results of as many of them as a user would have.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from _clock import print_table
from _metrics_models import explanation_of, explanation_of_table
from scipy.special import expit

from agnostix.metrics import (
    MetricResult,
    average_drop,
    average_gain,
    average_increase,
    comprehensiveness,
    deletion,
    faithfulness_correlation,
    infidelity,
    insertion,
    road,
    sufficiency,
)

_ALONE: dict[str, Any] = {"least": False, "n_random": 0, "verbose": 0}
SIDE, N_COLUMNS = 6, 8
STANDARD_ERRORS = 4.0


@dataclass(frozen=True)
class Measure:
    """A metric of a model, as a function of rows, values and a seed."""

    name: str
    rows: Callable[[np.random.Generator, int], Any]
    parts: Callable[[Any], Any]  # what each unit adds to the score of the class
    measure: Callable[..., MetricResult]  # of rows and values; random_state=


def _pictures(rng: np.random.Generator, n: int) -> Any:
    return rng.random((n, SIDE, SIDE))


def _table(rng: np.random.Generator, n: int) -> Any:
    return rng.normal(size=(n, N_COLUMNS))


_rng = np.random.default_rng(0)
_W, _V = _rng.normal(size=(SIDE, SIDE)), _rng.normal(size=N_COLUMNS)
_BACKGROUND = _rng.normal(size=(3, N_COLUMNS))


def _of_pictures(X: Any) -> Any:
    return expit((X - 0.5).reshape(len(X), -1) @ _W.ravel() + 0.3)


def _of_table(X: Any) -> Any:
    return expit(X @ _V) + 0.2 * np.tanh(X[:, 0] * X[:, 1])


def _picture_measure(metric: Any, pictures: Any, values: Any, random_state: int = 0, **params: Any) -> Any:
    exp = explanation_of(values, names=("prediction",))
    if metric not in (average_drop, average_gain, average_increase):
        params = {**_ALONE, "random_state": random_state} | params
    return metric(_of_pictures, pictures, exp, **{"verbose": 0} | params)


def _table_measure(metric: Any, X: Any, values: Any, random_state: int = 0, **params: Any) -> Any:
    exp = explanation_of_table(values, X)
    alone = {"n_random": 0, "verbose": 0} if "n_samples" in params else _ALONE
    options = {**alone, "random_state": random_state} | params
    return metric(_of_table, X, exp, masker=_BACKGROUND, **options)


def _measures() -> Iterator[Measure]:
    def of_pictures(X: Any) -> Any:
        return _W * (X - 0.5)

    def of_table(X: Any) -> Any:
        return _V * X

    for metric in (deletion, insertion):
        yield Measure(f"{metric.__name__}, table", _table, of_table, partial(_table_measure, metric))
    for metric in (comprehensiveness, sufficiency):
        measure = partial(_table_measure, metric, proportions=(0.25, 0.5))
        yield Measure(f"{metric.__name__}, table", _table, of_table, measure)
    # scaled, since the parts are of the scores, not of the probabilities
    for name, metric, extra in (
        ("infidelity, scaled", infidelity, {"scale": True}),
        ("faithfulness_correlation", faithfulness_correlation, {}),
    ):
        measure = partial(_table_measure, metric, n_samples=20, **extra)
        yield Measure(f"{name}, table, 20 draws", _table, of_table, measure)
    for metric in (deletion, insertion):
        measure = partial(_picture_measure, metric, fill=0.5)
        yield Measure(f"{metric.__name__}, pictures", _pictures, of_pictures, measure)
    measure = partial(_picture_measure, road, proportions=(0.2, 0.5))
    yield Measure("road", _pictures, of_pictures, measure)
    for metric in (average_drop, average_gain, average_increase):
        measure = partial(_picture_measure, metric, fill=0.5)
        yield Measure(metric.__name__, _pictures, of_pictures, measure)


# Pairs of explanations --------------------------------------------------------------------------


def pairs(args: Namespace) -> None:
    """How often two random explanations are told apart, and a planted difference found."""
    n_redraws, n_rows = (60, 40) if args.small else (500, 40)
    rows = []
    for measure in _measures():
        rng = np.random.default_rng(1)
        X = measure.rows(rng, n_redraws * n_rows)
        one, other = (measure.measure(X, rng.normal(size=X.shape)) for _ in range(2))
        alike = np.mean([_tells_apart(one, other, k, n_rows) for k in range(n_redraws)])
        share = _planted(measure, n_rows, 2000 if args.small else 5000)
        X = measure.rows(rng, n_redraws * n_rows)
        noise = rng.normal(size=(2, *X.shape))
        one = measure.measure(X, _mixed(measure, X, noise[0], share))
        other = measure.measure(X, noise[1])
        sign = 1.0 if one.greater_is_better else -1.0
        found = np.mean([_tells_apart(one, other, k, n_rows, sign) for k in range(n_redraws)])
        apart = sign * (one.scores - other.scores)
        size = apart.mean() / (apart.std(ddof=1) / np.sqrt(n_rows))
        rows.append([measure.name, f"{alike:.1%}", f"{size:.2f}", f"{found:.1%}"])
    limit = 0.05 + 2 * np.sqrt(0.05 * 0.95 / n_redraws)
    print_table(
        f"Two explanations of {n_rows} rows, 95% intervals of paired differences, {n_redraws} times",
        ["", "two random ones told apart", "planted, in standard errors", "found"],
        rows,
    )
    print(f"\nAllowed: {limit:.1%} told apart, 5 % and two errors of {n_redraws} redraws; 90 % found.")


def _mixed(measure: Measure, X: Any, noise: Any, share: float) -> Any:
    """Values between noise and what each unit adds."""
    parts = measure.parts(X)
    return noise * (1.0 - share) + share * parts / parts.std()


def _planted(measure: Measure, n_rows: int, n_pool: int) -> float:
    """The share of the true parts that makes a mean paired difference of so many standard errors."""
    rng = np.random.default_rng(2)
    X = measure.rows(rng, n_pool)
    noise = rng.normal(size=(2, *X.shape))
    other = measure.measure(X, noise[1])
    sign = 1.0 if other.greater_is_better else -1.0
    low, high = 0.0, 1.0
    for _ in range(9):
        middle = (low + high) / 2
        one = measure.measure(X, _mixed(measure, X, noise[0], middle))
        apart = sign * (one.scores - other.scores)
        is_more = apart.mean() / apart.std(ddof=1) * np.sqrt(n_rows) > STANDARD_ERRORS
        low, high = (low, middle) if is_more else (middle, high)
    return (low + high) / 2


def _tells_apart(one: MetricResult, other: MetricResult, k: int, n_rows: int, sign: float = 0.0) -> bool:
    """Whether the paired interval leaves out 0; with a sign, on that side."""
    few = slice(k * n_rows, (k + 1) * n_rows)
    low, high = part_of(one, few).difference(part_of(other, few)).interval()
    if sign:
        return bool(low > 0 if sign > 0 else high < 0)
    return bool(low > 0 or high < 0)


def part_of(result: MetricResult, few: slice) -> MetricResult:
    """The result of some of the rows."""
    errors = result.draw_errors
    return replace(
        result,
        scores=result.scores[few],
        draw_errors=None if errors is None else errors[few],
        references={name: one[few] for name, one in result.references.items()},
        row_keys=None if result.row_keys is None else result.row_keys[few],
        curve=None,
    )


# Coverage ---------------------------------------------------------------------------------------


def coverage(args: Namespace) -> None:
    """How often 95% intervals hold the mean over all rows and draws."""
    n_redraws = 100 if args.small else 1000
    n_truth = 4_000 if args.small else 40_000
    rows = []
    for measure in _measures():
        rows.append(_covered(measure.name, measure, n_redraws, n_truth))
    for name, measure, params in _with_draws():
        rows.append(_covered(name, measure, n_redraws, n_truth, **params))
        alone = _covered_alone(measure, n_redraws, **params)
        rows.append([f"{name}: one row, its draws alone", alone, ""])
    print_table(
        f"Coverage of 95% intervals, {n_redraws} redraws",
        ["", *(f"{n} rows" for n in _ROWS)],
        rows,
    )
    error = np.sqrt(0.95 * 0.05 / n_redraws)
    print(f"\nThe truth: the mean of {n_truth:,} other rows. A coverage is known to {error:.3f}.")


_ROWS = (20, 50)


def _with_draws() -> Iterator[tuple[str, Measure, dict[str, Any]]]:
    by_name = {one.name: one for one in _measures()}
    ties = {"n_ties": 8, "digits": 0}
    yield "deletion, table, whole numbers: ties", by_name["deletion, table"], ties
    yield "deletion, pictures, whole numbers: ties", by_name["deletion, pictures"], ties
    yield "road, noise 0.3, whole numbers: ties", by_name["road"], ties | {"noise": 0.3}


def _covered(
    name: str, measure: Measure, n_redraws: int, n_truth: int, digits: int = 6, **params: Any
) -> list[str]:
    truth = _scored(measure, np.random.default_rng(5), n_truth, digits, **params).score
    result = _scored(measure, np.random.default_rng(7), n_redraws * max(_ROWS), digits, **params)
    cells = []
    for n_rows in _ROWS:
        ends = [part_of(result, slice(k * n_rows, (k + 1) * n_rows)).interval() for k in range(n_redraws)]
        cells.append(f"{np.mean([low <= truth <= high for low, high in ends]):.3f}")
    return [name, *cells]


def _scored(measure: Measure, rng: np.random.Generator, n: int, digits: int, **params: Any) -> MetricResult:
    X = measure.rows(rng, n)
    return measure.measure(X, np.round(_mixed(measure, X, rng.normal(size=X.shape), 0.3), digits), **params)


def _covered_alone(measure: Measure, n_redraws: int, digits: int, **params: Any) -> str:
    """Intervals of single rows over the draws of each, about the mean of many draws."""
    rng = np.random.default_rng(6)
    X = measure.rows(rng, 12)
    values = np.round(_mixed(measure, X, rng.normal(size=X.shape), 0.3), digits)
    many = measure.measure(X, values, random_state=10**6, **params | {"n_ties": 4000})
    n_each, covered = n_redraws // len(X), []
    for seed in range(n_each):
        result = measure.measure(X, values, random_state=seed, **params)
        for row in range(len(X)):
            low, high = part_of(result, slice(row, row + 1)).interval()
            covered.append(low <= many.scores[row] <= high)
    return f"{np.mean(covered):.3f}"
