"""Coverage of values about those of the whole table: chosen and random backgrounds of 5 to 400 rows.

Tables are redrawn, with levels of .5, 2 and 30 %, zeros, a lognormal column and six levels. Three rows are
explained: one with the usual values, one with the rare ones, and one of the table.
"""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from _background_tables import as_numbers, rare, rare_effect
from _coverage import Cell, seeds_of
from scipy import stats
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from agnostix import KernelShapExplainer, OcclusionExplainer

SIZES = (5, 10, 20, 50, 100, 400)
KINDS = ("function", "forest", "boosted trees")
N_DESIGNS = 60
N_ROWS = 1500


def cells(args: Namespace) -> Iterator[Cell]:
    """Occlusion and Shapley values, chosen and random rows; of three designs each one kind of model."""
    seeds = seeds_of(args, N_DESIGNS, 6)
    sizes = SIZES[1::2] if args.quick else SIZES
    for explainer in (OcclusionExplainer, KernelShapExplainer):
        found: dict[tuple[str, int], list[tuple[np.ndarray, ...]]] = {}
        for seed in seeds:
            for key, design in _designs(explainer, KINDS[seed % len(KINDS)], seed, sizes):
                found.setdefault(key, []).append(design)
        for (how, size), designs in found.items():
            parts = [np.array(part) for part in zip(*designs, strict=True)]
            yield Cell(f"background, {explainer.__name__}", f"{how}, {size} rows", *parts)


def _designs(
    explainer: Any, kind: str, seed: int, sizes: tuple[int, ...]
) -> Iterator[tuple[tuple[str, int], tuple[np.ndarray, ...]]]:
    """Estimates, truths, ends and errors of one table, by how its background is chosen."""
    table, y = rare(seed, N_ROWS)
    model = _Frames(rare_effect)
    if kind != "function":
        forest = RandomForestRegressor(10, max_depth=7, max_features=0.5, random_state=seed)
        boosted = HistGradientBoostingRegressor(max_iter=25, random_state=seed)
        model = _Frames((forest if kind == "forest" else boosted).fit(as_numbers(table), y).predict)
    rows = _rows(table, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = explainer(model, background="all", verbose=0).fit(table).explain(rows)
        truths = np.concatenate([whole.values.ravel(), whole.base_values[0]])
        for how in ("representative", "sample"):
            for size in sizes:
                fitted = explainer(
                    model, background=how, background_size=size, random_state=seed, verbose=0
                ).fit(table)
                exp = fitted.explain(rows)
                low, high = (end.ravel() for end in exp.interval())
                errors, base = exp.std_errors.ravel(), exp.base_values[0]
                base_error = exp.extras["base_value_std_errors"].array[0]
                base_dof = exp.extras["base_value_degrees_of_freedom"].array[0]
                half = stats.t.ppf(0.975, base_dof) * base_error
                own = (
                    np.concatenate([exp.values.ravel(), base]),
                    truths,
                    np.concatenate([low, base - half]),
                    np.concatenate([high, base + half]),
                    np.concatenate([errors, base_error]),
                )
                yield (how, size), own


def _rows(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The usual values, the rare ones where there are any, and a row of the table."""
    rows = table.iloc[(seed + np.arange(3)) % len(table)].copy()
    for name, usual, other in (("half_percent", "l0", "l1"), ("two_percent", "l0", "l1")):
        levels = list(table[name].cat.categories)
        rows[name] = pd.Categorical([usual, other if other in levels else usual, usual], categories=levels)
    rows["mostly_zero"] = [0.0, 1.5, 0.0]
    return rows


class _Frames:
    """A function of arrays for frames of categories."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, table: pd.DataFrame) -> np.ndarray:
        return np.asarray(self._function(as_numbers(table)))
