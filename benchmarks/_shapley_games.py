"""Games with known Shapley values: models, rows and backgrounds, and the truth about them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import shap
from _data import adult, described
from shapiq.datasets import load_california_housing
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier
from xgboost import XGBRegressor

CHUNK = 200_000
"""Rows in one call of the model."""
MOST_TABLED = 14
"""Features up to which all coalitions are evaluated once and kept in a table."""


@dataclass(frozen=True)
class Game:
    """The mean prediction over the background, as a function of the columns that keep the row's values.

    Attributes
    ----------
    predict : callable
        From an array of shape (n, n_players) to one of shape (n,).
    row : ndarray of shape (n_players,)
        What is explained.
    background : ndarray of shape (n_background, n_players)
        Background rows.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    row: np.ndarray
    background: np.ndarray

    @property
    def n_players(self) -> int:
        """Columns."""
        return self.row.size

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        """Values of coalitions, bools of shape (n_coalitions, n_players)."""
        masks = np.atleast_2d(masks).astype(bool)
        if self.n_players <= MOST_TABLED:
            return self.table[masks @ (1 << np.arange(self.n_players))]
        return self.evaluate(masks)

    @cached_property
    def table(self) -> np.ndarray:
        """Values of all coalitions; player i is bit i of the index."""
        return self.evaluate(_all_coalitions(self.n_players))

    def evaluate(self, masks: np.ndarray) -> np.ndarray:
        """Values of coalitions, by the model."""
        n = max(1, CHUNK // len(self.background))
        parts = [self._means(masks[start : start + n]) for start in range(0, len(masks), n)]
        return np.concatenate(parts)

    def _means(self, masks: np.ndarray) -> np.ndarray:
        rows = np.where(masks[:, None, :], self.row, self.background)
        predictions = self.predict(rows.reshape(-1, self.n_players))
        return predictions.reshape(len(masks), -1).mean(axis=1)


@dataclass(frozen=True)
class Setting:
    """A model, rows to be explained, a background, other rows to learn from, and the truth.

    Attributes
    ----------
    name : str
        For headings.
    predict : callable
        From an array of shape (n, n_players) to one of shape (n,).
    rows : ndarray of shape (n_rows, n_players)
        Explained.
    background : ndarray of shape (n_background, n_players)
        Background rows.
    others : ndarray of shape (n_others, n_players)
        Rows that an explainer may learn from; none of those that are explained.
    truth : ndarray of shape (n_rows, n_players)
        Shapley values.
    games : list of Game
        One a row.
    doubt : float
        How far a second truth is from it, relative to the row's largest value.
    """

    name: str
    predict: Callable[[np.ndarray], np.ndarray]
    rows: np.ndarray
    background: np.ndarray
    others: np.ndarray
    truth: np.ndarray
    games: list[Game]
    doubt: float = 0.0

    @property
    def n_players(self) -> int:
        """Columns."""
        return self.rows.shape[1]

    def errors(self, values: np.ndarray) -> np.ndarray:
        """Normalized squared error of each row."""
        return ((values - self.truth) ** 2).sum(axis=1) / (self.truth**2).sum(axis=1)


def exact_values(table: np.ndarray) -> np.ndarray:
    """Shapley values out of the values of all coalitions, by the definition."""
    d = int(np.log2(table.size))
    masks = _all_coalitions(d)
    sizes = masks.sum(axis=1)
    weights = np.array([1.0 / (d * comb(d - 1, size)) for size in range(d)])
    values = np.empty(d)
    for i in range(d):
        without = np.flatnonzero(~masks[:, i])
        values[i] = weights[sizes[without]] @ (table[without | (1 << i)] - table[without])
    return values


def _all_coalitions(d: int) -> np.ndarray:
    return (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(bool)


# UCI Adult ---------------------------------------------------------------------------------------


def adult_settings(args: Namespace, n_rows: int) -> list[Setting]:
    """14 columns as numeric codes: 100 background rows, and the row of their means alone."""
    X, predict = adult_model(args)
    rows, others = X[-n_rows:], X[:20_000]
    chosen = np.random.default_rng(0).permutation(len(others))[:100]
    backgrounds = {"100 background rows": others[chosen], "mean baseline": others.mean(0, keepdims=True)}
    return [
        _enumerated(f"{described(args.adult)}, {words}", predict, rows, background, others)
        for words, background in backgrounds.items()
    ]


def adult_model(args: Namespace) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """The table as numeric codes, and boosted trees fitted on its first 20,000 rows."""
    table, rich = adult(args.adult)
    X = np.column_stack([_codes(table[name]) for name in table])
    model = HistGradientBoostingClassifier(random_state=0).fit(X[:20_000], rich[:20_000])
    return X, lambda rows: model.predict_proba(rows)[:, 1]


def _codes(column: pd.Series) -> np.ndarray:
    numeric = pd.api.types.is_numeric_dtype(column)
    return column.to_numpy(float) if numeric else pd.factorize(column, sort=True)[0].astype(float)


def _enumerated(
    name: str, predict: Callable, rows: np.ndarray, background: np.ndarray, others: np.ndarray
) -> Setting:
    games = [Game(predict, row, background) for row in rows]
    truth = np.array([exact_values(game.table) for game in games])
    return Setting(name, predict, rows, background, others, truth, games)


# One row of means as the background -------------------------------------------------------------


def mean_baseline_settings(n_rows: int) -> list[Setting]:
    """Boosted trees on four tables; the truth by enumeration, at 60 columns by interventional TreeSHAP."""
    tables = {
        "California": load_california_housing,
        "Diabetes": lambda: load_diabetes(return_X_y=True, as_frame=True),
        "corrgroups60": shap.datasets.corrgroups60,
        "independentlinear60": shap.datasets.independentlinear60,
    }
    return [_with_mean_baseline(name, *load(), n_rows) for name, load in tables.items()]


def _with_mean_baseline(name: str, table: Any, y: Any, n_rows: int) -> Setting:
    X = np.asarray(table, dtype=np.float32).astype(float)  # the trees compare in single precision
    baseline = X.mean(axis=0, keepdims=True).astype(np.float32).astype(float)
    model = XGBRegressor(n_estimators=100, max_depth=4, n_jobs=1, random_state=0).fit(X, np.asarray(y))
    order = np.random.default_rng(0).permutation(len(X))
    rows, others = X[order[:n_rows]], X[order[n_rows:]]
    predict = _in_double_precision(model, X[:1])
    games = [Game(predict, row, baseline) for row in rows]
    tree_shap = _tree_shap(model, baseline, rows)
    if X.shape[1] > MOST_TABLED:
        ends = np.array([[False], [True]]) & np.ones(X.shape[1], dtype=bool)
        apart = np.array([np.diff(game.evaluate(ends))[0] for game in games]) - tree_shap.sum(axis=1)
        return Setting(
            name, predict, rows, baseline, others, tree_shap, games, _doubt(apart[:, None], tree_shap)
        )
    truth = np.array([exact_values(game.table) for game in games])
    return Setting(name, predict, rows, baseline, others, truth, games, _doubt(tree_shap - truth, truth))


def _doubt(apart: np.ndarray, truth: np.ndarray) -> float:
    return float((np.abs(apart).max(axis=1) / np.abs(truth).max(axis=1)).max())


def _in_double_precision(model: XGBRegressor, row: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The sum of the leaves; XGBoost's own, in single precision, is itself off by some 1e-6 of a value."""
    frame = model.get_booster().trees_to_dataframe()
    leaves = frame[frame["Feature"] == "Leaf"]
    values = np.zeros((frame["Tree"].max() + 1, frame["Node"].max() + 1))
    values[leaves["Tree"], leaves["Node"]] = leaves["Gain"]
    trees = np.arange(len(values))

    def sums(rows: np.ndarray) -> np.ndarray:
        return values[trees, model.apply(rows).astype(int)].sum(axis=1)

    start = float(model.predict(row)[0]) - sums(row)[0]
    return lambda rows: start + sums(rows)


def _tree_shap(model: XGBRegressor, baseline: np.ndarray, rows: np.ndarray) -> np.ndarray:
    trees = shap.TreeExplainer(model, data=baseline, feature_perturbation="interventional")
    return np.asarray(trees.shap_values(rows), dtype=float)
