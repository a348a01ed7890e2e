"""What oversampling rare levels gains for them, and costs the others."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from _clock import print_table
from _lime_cases import Case, adult_rows

from agnostix import LimeExplainer, as_predictor
from agnostix.lime import discretizer, features

COLUMNS = ("native-country", "occupation", "workclass")
BOUNDS = (0.0, 0.001, 0.01, 0.05)
SETTINGS = (None, 1.15, 1.3, 1.5, 2.0)
"""Factors by which other variances may grow; None samples all levels as often as they are observed."""
N_EACH = 12
"""Rows for each column and each range of shares."""


def rare(args: Namespace) -> None:
    """Adult rows with rare labels: their coefficients over seeds, and all others."""
    n_seeds = args.seeds or (4 if args.quick else 30)
    whole = adult_rows(args, 0)
    case, cells = _pick_rows(whole)
    limits = np.array([_limit(whole, case.rows.iloc[[i]], j) for i, j, _ in cells])
    found = {limit: _runs(case, limit, n_seeds) for limit in SETTINGS}
    plain = found[None][0].std(axis=0, ddof=1)
    others = np.ones(plain.shape, dtype=bool)
    others[tuple(np.array([(i, j) for i, j, _ in cells]).T)] = False
    lines = []
    for limit, (values, effective) in found.items():
        lines.append([_name_limit(limit), *_cells(values, plain, others, cells, limits), f"{effective:,.0f}"])
    ranges = [f"to {high:.1%}" for high in BOUNDS[1:]]
    print_table(
        f"Rare labels: {len(case.rows)} rows of {case.name}, {n_seeds} seeds, by share in the table",
        (
            *("", *(f"sd, {one}" for one in ranges), *(f"size, {one}" for one in ranges)),
            *(*(f"error, {one}" for one in ranges), "others, sd", "effective samples"),
        ),
        lines,
    )
    counts = [sum(kind == k for *_, kind in cells) for k in range(len(ranges))]
    print(f"\n{', '.join(map(str, counts))} labels in {', '.join(COLUMNS)}, of 20,000 rows.")
    print(
        "sd: the median over labels, divided by the median sd of all other coefficients without oversampling."
    )
    print(
        "Size: the slope of mean coefficients against their limits without a penalty, which takes much where"
    )
    print(
        "hardly a sample has the label. Error: the median over labels of the root mean squared distance from"
    )
    print("that limit, in the unit of sd. Others, sd: the median of sd / sd without oversampling.")


def _pick_rows(whole: Case) -> tuple[Case, list[tuple[int, int, int]]]:
    """Rows with rare labels, and (place, column, range) of each label."""
    table, places, cells = whole.table, [], []
    for name in COLUMNS:
        share = table[name].map(table[name].value_counts(normalize=True)).to_numpy()
        for number, (low, high) in enumerate(pairwise(BOUNDS)):
            rows = np.flatnonzero((share > low) & (share <= high))
            for row in rows[np.linspace(0, rows.size - 1, min(N_EACH, rows.size)).astype(int)]:
                cells.append((len(places), list(table).index(name), number))
                places.append(row)
    return Case(whole.name, whole.function, table, table.iloc[places]), cells


def _limit(whole: Case, row: pd.DataFrame, column: int) -> float:
    """What the row's label changes, by putting it into samples near the row that have another."""
    tables: list[pd.DataFrame] = []

    def recording(X: pd.DataFrame) -> np.ndarray:
        tables.append(X)
        return whole.function(X)

    explainer = LimeExplainer(
        as_predictor(recording, task="regression"), sampling="tilted", n_samples=4_096, random_state=0
    ).fit(whole.table)
    explainer.explain(row)
    name = whole.table.columns[column]
    without = tables[-1][tables[-1][name] != row[name].iloc[0]]
    return float(
        (whole.function(without.assign(**{name: row[name].iloc[0]})) - whole.function(without)).mean()
    )


def _runs(case: Case, limit: float | None, n_seeds: int) -> tuple[np.ndarray, float]:
    """Values over seeds, and the median of effective samples."""
    with _oversampling(limit):
        found = [case.explained(seed) for seed in range(n_seeds)]
    values = np.array([one.values[:, :, 0] for one in found])
    return values, float(np.median([one.extras["effective_samples"].array for one in found]))


def _cells(
    values: np.ndarray, plain: np.ndarray, others: np.ndarray, cells: list[Any], limits: np.ndarray
) -> list[str]:
    unit = np.median(plain[others])
    of_cells = np.array([values[:, i, j] for i, j, _ in cells]).T
    ranges = np.array([number for *_, number in cells])
    kinds = [np.flatnonzero(ranges == number) for number in range(len(BOUNDS) - 1)]
    spread = of_cells.std(axis=0, ddof=1) / unit
    error = np.sqrt(np.square(of_cells - limits).mean(axis=0)) / unit
    mean = of_cells.mean(axis=0)
    size = [f"{mean[kind] @ limits[kind] / np.square(limits[kind]).sum():.2f}" for kind in kinds]
    now = values.std(axis=0, ddof=1)[others] / plain[others]
    medians = [[f"{np.median(one[kind]):.2f}" for kind in kinds] for one in (spread, error)]
    return [*medians[0], *size, *medians[1], f"{np.median(now):.2f}"]


def _name_limit(limit: float | None) -> str:
    if limit is None:
        return "as often as observed"
    built = ", as built" if limit == features.MAX_VARIANCE else ""
    return f"MAX_VARIANCE={limit:g}{built}"


@contextmanager
def _oversampling(limit: float | None) -> Iterator[None]:
    """Another limit on the variance, or no oversampling, for a while."""
    before = features.MAX_VARIANCE, discretizer.make_proposals
    features.MAX_VARIANCE = before[0] if limit is None else limit
    discretizer.make_proposals = list if limit is None else before[1]
    try:
        yield
    finally:
        features.MAX_VARIANCE, discretizer.make_proposals = before
