"""Tables redrawn by seed: rare levels, heavy tails, missing values, categories, 8 to 60 columns.

All are frames whose labels are categories; `as_numbers` makes arrays of them, for models and for peers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _data import adult
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

Table = tuple[pd.DataFrame, np.ndarray]
N_ROWS = 2000


def rare(seed: int, n: int = N_ROWS) -> Table:
    """Levels of .5, 2 and 30 %, a zero-inflated and a lognormal column, six levels, two normal columns."""
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(2, n))
    six = rng.integers(0, 6, n)
    table = pd.DataFrame(
        {
            "half_percent": _labels(rng.random(n) < 0.005),
            "two_percent": _labels(rng.random(n) < 0.02),
            "third": _labels(rng.random(n) < 0.3),
            "mostly_zero": np.where(rng.random(n) < 0.9, 0.0, rng.exponential(size=n)),
            "lognormal": np.exp(1.5 * rng.normal(size=n)),
            "normal": one,
            "correlated": 0.6 * one + 0.8 * two,
            "six": _labels(six),
        }
    )
    return table, rare_effect(as_numbers(table))


def rare_effect(X: np.ndarray) -> np.ndarray:
    """What the columns of `rare` do: sums, products and bends."""
    steps = np.array([0.0, 0.5, -0.5, 1.0, 0.0, -1.0])
    total = 3.0 * X[:, 0] * (1.0 + 0.5 * X[:, 5]) + 2.0 * X[:, 1] * (X[:, 6] > 0)
    total += X[:, 2] * (1.0 + X[:, 5]) + X[:, 3] + 0.4 * np.log1p(X[:, 4]) + 0.05 * X[:, 4]
    return total + X[:, 5] * X[:, 6] + steps[X[:, 7].astype(int)] + 0.5 * np.sin(2.0 * X[:, 6])


def heavy(seed: int, n: int = N_ROWS) -> Table:
    """Twelve columns: tails, levels of 1 and 3 %, zeros, six and twelve levels of unlike shares."""
    rng = np.random.default_rng(seed)
    six = rng.choice(6, n, p=[0.4, 0.25, 0.15, 0.1, 0.07, 0.03])
    twelve = rng.choice(12, n, p=np.r_[0.5, np.full(11, 0.5 / 11)])
    z = rng.normal(size=(n, 4)) @ np.linalg.cholesky(0.5 * np.eye(4) + 0.5).T
    X = pd.DataFrame({f"normal_{j}": z[:, j] for j in range(4)})
    X["lognormal"], X["t"] = np.exp(1.5 * rng.normal(size=n)), rng.standard_t(2.5, n)
    X["zeros"] = np.where(rng.random(n) < 0.9, 0.0, rng.exponential(2.0, n))
    for name, share in {"one_percent": 0.01, "three_percent": 0.03, "half": 0.5}.items():
        X[name] = _labels(rng.random(n) < share)
    X["six"], X["twelve"] = _labels(six), _labels(twelve)
    fixed = np.random.default_rng(0).normal(size=18)
    total = 0.1 * X["lognormal"] + np.log1p(X["lognormal"]) * z[:, 0] + X["zeros"] + 0.5 * X["t"]
    total += 4.0 * (X["one_percent"] == "l1") + 2.0 * (X["three_percent"] == "l1") * z[:, 1]
    total += fixed[six] * (1.0 + z[:, 2]) + fixed[6 + twelve] + z[:, 0] * z[:, 1] + np.maximum(z[:, 3], 0)
    return X, total.to_numpy()


def missing(seed: int, n: int = N_ROWS) -> Table:
    """Ten columns, three of which lack 2 to 15 % of their values."""
    rng = np.random.default_rng(seed)
    z, four = rng.normal(size=(n, 6)), rng.integers(0, 4, n)
    X = pd.DataFrame({f"normal_{j}": z[:, j] for j in range(6)})
    X["four"], X["one_percent"] = _labels(four), _labels(rng.random(n) < 0.01)
    X["lognormal"], X["count"] = np.exp(rng.normal(size=n)), rng.poisson(1.0, n).astype(float)
    total = z[:, 0] * z[:, 1] + z[:, 2] + np.abs(z[:, 3]) + four + X["lognormal"]
    total += 3.0 * (X["one_percent"] == "l1") + np.sqrt(X["count"]) * z[:, 4]
    X.loc[rng.random(n) < 0.1, "normal_2"] = np.nan
    X.loc[rng.random(n) < 0.02, "lognormal"] = np.nan
    X.loc[(rng.random(n) < 0.3) & (z[:, 0] > 0), "normal_4"] = np.nan
    return X, total.to_numpy()


def wide(seed: int, n: int = N_ROWS) -> Table:
    """Sixty columns of six factors, some rounded, some skewed, five of them rare levels."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(1)
    loads, coefficients = fixed.normal(size=(6, 60)), fixed.normal(size=60) * (fixed.random(60) < 0.5)
    X = rng.normal(size=(n, 6)) @ loads + 2.0 * rng.normal(size=(n, 60))
    X[:, :10], X[:, 10:20] = np.round(X[:, :10]), np.exp(0.4 * X[:, 10:20])
    total = np.tanh(X / 3.0) @ coefficients + 0.1 * X[:, 30] * X[:, 31] + 2.0 * (X[:, 22] > 6)
    table = pd.DataFrame(X, columns=[f"c{j}" for j in range(60)])
    for j in range(20, 25):
        table[f"c{j}"] = _labels(X[:, j] > 6)
    return table, total


def cancer(seed: int, n: int = 400) -> Table:
    """Breast cancer, 30 columns: 400 of its 569 rows."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    rows = np.random.default_rng(seed).choice(len(X), n, replace=False)
    return X.iloc[rows].reset_index(drop=True), y.to_numpy(dtype=float)[rows]


def census(path: Path | None) -> Callable[[int], Table]:
    """UCI Adult, 14 columns, eight of them categories: a drawing of its rows."""
    X, y = adult(path)
    X = X.apply(lambda column: column.astype("category") if column.dtype.kind not in "iuf" else column)

    def draw(seed: int) -> Table:
        rows = np.random.default_rng(seed).choice(len(X), N_ROWS, replace=False)
        return X.iloc[rows].reset_index(drop=True), y[rows].astype(float)

    return draw


def tables(path: Path | None) -> dict[str, Callable[[int], Table]]:
    """All, by name."""
    named = {"8 columns, rare levels and tails": rare, "10 columns, missing values": missing}
    named |= {"12 columns, heavy tails and categories": heavy, "14 columns, census": census(path)}
    return named | {"30 columns, breast cancer": cancer, "60 columns, factors and rare levels": wide}


def as_numbers(table: pd.DataFrame) -> np.ndarray:
    """Codes of categories and numbers, (n_rows, n_columns)."""
    columns = [table[name].cat.codes if name in labels_of(table) else table[name] for name in table]
    return np.column_stack([np.asarray(column, dtype=float) for column in columns])


def labels_of(table: pd.DataFrame) -> list[str]:
    """Names of the columns of labels."""
    return [name for name in table if isinstance(table[name].dtype, pd.CategoricalDtype)]


def _labels(codes: np.ndarray) -> pd.Categorical:
    return pd.Categorical(np.char.add("l", codes.astype(int).astype(str)))


def models(table: pd.DataFrame, y: np.ndarray) -> dict[str, Any]:
    """Functions of arrays of numbers: a forest, boosted trees and a neural network."""
    X = as_numbers(table)
    filled = np.nan_to_num(X, nan=-1.0)
    labels = [table.columns.get_loc(name) for name in labels_of(table)]
    numbers = [j for j in range(X.shape[1]) if j not in labels]
    encoder = OneHotEncoder(handle_unknown="ignore")
    scaled = make_column_transformer((StandardScaler(), numbers), (encoder, labels))
    fitted = {
        "forest": RandomForestRegressor(20, max_depth=8, max_features=0.5, random_state=0),
        "boosted trees": HistGradientBoostingRegressor(max_iter=40, random_state=0),
        "neural network": make_pipeline(
            scaled, MLPRegressor(hidden_layer_sizes=(20,), max_iter=80, tol=0.01, random_state=0)
        ),
    }
    return {name: _Filled(model.fit(filled, y)) for name, model in fitted.items()}


class _Filled:
    """Predictions of an array, missing values as -1."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.predict(np.nan_to_num(X, nan=-1.0)))
