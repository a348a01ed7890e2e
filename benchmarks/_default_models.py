"""Boosted trees that the default KernelSHAP is measured on, with their exact Shapley values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from _shapley_step_games import TableModel, all_masks, shapley_values
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from agnostix import KernelShapExplainer

N_BACKGROUND = 20


@dataclass(frozen=True)
class Case:
    """A table and two classes."""

    name: str
    X: np.ndarray
    y: np.ndarray


def cases(n_columns: int) -> Iterator[Case]:
    """Tables with this many columns, and two of eight columns that come with scikit-learn."""
    for kind, score in _SCORES.items():
        rng = np.random.default_rng([0, n_columns])
        X = rng.normal(size=(4_000, n_columns))
        noise = 0.3 * rng.normal(size=len(X))
        yield Case(kind, X, (score(X) + noise > 0).astype(int))
    if n_columns == 8:
        X, y = load_breast_cancer(return_X_y=True)
        yield Case("breast cancer", X[:, :8], y)
        X, y = load_diabetes(return_X_y=True)
        yield Case("diabetes above the median", X[:, :8], (y > np.median(y)).astype(int))


def _smooth(X: np.ndarray) -> np.ndarray:
    slopes = np.random.default_rng(1).normal(size=(X.shape[1], 6)) * 2.0 / np.sqrt(X.shape[1])
    return np.tanh(X @ slopes) @ np.array([1.0, -0.8, 0.6, 1.2, -1.0, 0.7])


_SCORES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pairs": lambda X: X[:, 0] * X[:, 1] + X[:, 2] + np.sin(2 * X[:, 3]) + 0.5 * (X[:, 4] > 0) * X[:, 5],
    "three columns": lambda X: X[:, 0] * X[:, 1] * X[:, 2] + 0.5 * X[:, 3] - 0.5 * X[:, 4] * X[:, 5],
    "additive score": lambda X: X[:, :5].sum(axis=1),
    "six smooth directions": _smooth,
}


def classifier(case: Case) -> Callable[[np.ndarray], np.ndarray]:
    """Probabilities of boosted trees."""
    model = HistGradientBoostingClassifier(random_state=0).fit(case.X, case.y)
    return lambda Z: model.predict_proba(Z)[:, 1]


def probabilities(case: Case, n_rows: int) -> TableModel:
    """Probabilities; the truth by all coalitions."""
    predict = classifier(case)
    background, rows = _split(case.X, n_rows)
    return TableModel(case.name, predict, background, rows, _enumerated(predict, background, rows))


def probabilities_of_some(case: Case, n_read: int, n_rows: int) -> TableModel:
    """Probabilities of trees that read the first columns; the truth by all coalitions of these."""
    read = classifier(Case(case.name, case.X[:, :n_read], case.y))
    background, rows = _split(case.X, n_rows)
    truth = np.zeros(rows.shape)
    truth[:, :n_read] = _enumerated(read, background[:, :n_read], rows[:, :n_read])
    name = f"{case.name}, {n_read} of {case.X.shape[1]} columns read"
    return TableModel(name, lambda Z: read(Z[:, :n_read]), background, rows, truth)


def sums_of_trees(case: Case, n_rows: int) -> TableModel:
    """Boosted regression trees on the classes; the truth by their leaves."""
    model = HistGradientBoostingRegressor(random_state=0).fit(case.X, case.y.astype(float))
    background, rows = _split(case.X, n_rows)
    exact = KernelShapExplainer(model, algorithm="tree", background="all", verbose=0).fit(background)
    truth = exact.explain(rows).values[:, :, 0]
    return TableModel(f"{case.name}, regression", model.predict, background, rows, truth)


def _split(X: np.ndarray, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Background rows, and rows to be explained."""
    order = np.random.default_rng(5).permutation(len(X))
    return X[order[:N_BACKGROUND]], X[order[100 : 100 + n_rows]]


def _enumerated(
    predict: Callable[[np.ndarray], np.ndarray], background: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    masks = all_masks(rows.shape[1])
    tables = [np.mean([predict(np.where(masks, row, other)) for other in background], axis=0) for row in rows]
    return np.array([shapley_values(table) for table in tables])
