"""Games whose Shapley values are known: boosted trees and a neural network, each row beside the mean row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from _plain_shapley import credit_leaf
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.exact import exact_weights

MAX_LISTED = 14


@dataclass(frozen=True)
class Games:
    """One game a row: hidden columns take their mean."""

    name: str
    n_players: int
    value: Callable[[np.ndarray], np.ndarray]
    truth: np.ndarray

    def coalition_values(self, masks: np.ndarray) -> CoalitionValues:
        """Values of both sides of pairs."""
        ends = self.value(np.array([[False] * self.n_players, [True] * self.n_players]))
        rest = np.stack([self.value(masks), self.value(~masks)], axis=1)
        return CoalitionValues(ends[1], ends[0], rest.reshape(-1, rest.shape[2]))

    def differences(self, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Differences of pairs of complements, and Delta."""
        ends = self.value(np.array([[False] * self.n_players, [True] * self.n_players]))
        return self.value(masks) - self.value(~masks), ends[1] - ends[0]


def all_games(n_rows: int) -> list[Games]:
    """Five sets of games."""
    rng = np.random.default_rng(0)
    return [
        _boosted("California-like 8", *_california_like(rng), n_rows),
        _boosted("Diabetes 10", *load_diabetes(return_X_y=True), n_rows),
        _network("Wine 13, network", n_rows),
        _boosted("corrgroups60", *_sixty_columns(rng, 0.99), n_rows),
        _boosted("independentlinear60", *_sixty_columns(rng, 0.0), n_rows),
    ]


def _boosted(name: str, X: np.ndarray, y: np.ndarray, n_rows: int) -> Games:
    model = GradientBoostingRegressor(n_estimators=100, max_depth=4, learning_rate=0.3, random_state=0)
    model.fit(X, y)
    rows = X[np.random.default_rng(0).choice(len(X), n_rows, replace=False)]
    if X.shape[1] <= MAX_LISTED:
        return _listed(name, model.predict, rows, X.mean(0))
    truth = np.stack([_tree_values(model, row, X.mean(0)) for row in rows], 1)
    return Games(name, X.shape[1], _value_of(model.predict, rows, X.mean(0)), truth)


def _network(name: str, n_rows: int) -> Games:
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), MLPClassifier((30, 30), max_iter=2000, random_state=0))
    model.fit(X, y == 1)
    rows = X[np.random.default_rng(0).choice(len(X), n_rows, replace=False)]
    return _listed(name, lambda table: model.predict_proba(table)[:, 1], rows, X.mean(0))


def _listed(name: str, predict: Any, rows: np.ndarray, base: np.ndarray) -> Games:
    """Every coalition evaluated once, and the Shapley values from all of them."""
    every = all_masks(rows.shape[1])
    values = _value_of(predict, rows, base)(every)
    codes = 1 << np.arange(rows.shape[1])
    return Games(name, rows.shape[1], lambda masks: values[masks @ codes], exact_weights(every) @ values)


def _value_of(predict: Any, rows: np.ndarray, base: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda masks: np.stack([predict(np.where(masks, row, base)) for row in rows], 1)


def _tree_values(model: Any, row: np.ndarray, base: np.ndarray) -> np.ndarray:
    """A leaf that needs p players present and q absent gives 1/(p C(p+q,p)) to the ones, -1/(q C(p+q,q))
    to the others.
    """
    values = np.zeros(row.size)
    row, base = row.astype(np.float32), base.astype(np.float32)
    for (estimator,) in model.estimators_:
        _walk(estimator.tree_, 0, frozenset(), frozenset(), row, base, values)
    return values * model.learning_rate


def _walk(tree: Any, node: int, present: frozenset, absent: frozenset, row: Any, base: Any, out: Any) -> None:
    if tree.children_left[node] < 0:
        credit_leaf(tree.value[node, 0, 0], present, absent, out)
        return
    f, cut = int(tree.feature[node]), tree.threshold[node]
    for child, left in ((tree.children_left[node], True), (tree.children_right[node], False)):
        ours, theirs = (row[f] <= cut) == left, (base[f] <= cut) == left
        if ours and theirs:
            _walk(tree, child, present, absent, row, base, out)
        elif ours and f not in absent:
            _walk(tree, child, present | {f}, absent, row, base, out)
        elif theirs and f not in present:
            _walk(tree, child, present, absent | {f}, row, base, out)


def _california_like(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Houses: income, age, rooms and where they are, two coasts apart."""
    n = 4_000
    south = rng.random(n) < 0.55
    latitude = np.where(south, rng.normal(34.0, 0.6, n), rng.normal(37.9, 0.8, n))
    longitude = np.where(south, rng.normal(-118.1, 0.6, n), rng.normal(-121.9, 0.7, n))
    income, age = rng.lognormal(1.25, 0.45, n), rng.uniform(1, 52, n)
    rooms = rng.lognormal(1.65, 0.25, n) * (income / 3.5) ** 0.3
    bedrooms, people, household = (rng.lognormal(*p, n) for p in ((0.06, 0.1), (7.0, 0.7), (1.05, 0.25)))
    miles = [abs(longitude - a) + abs(latitude - b) for a, b in ((-118.4, 34.0), (-122.4, 37.8))]
    coast = np.exp(-np.minimum(*miles))
    price = 0.42 * income * (1 + 0.6 * coast) + 1.2 * coast + 0.006 * age + 0.05 * rooms / bedrooms
    price += 0.3 * rng.normal(size=n) - 0.25 * np.log(household) * np.sqrt(income)
    columns = (income, age, rooms, bedrooms, people, household, latitude, longitude)
    return np.stack(columns, 1), np.minimum(price, 5.0)


def _sixty_columns(rng: np.random.Generator, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns of which every third among the first thirty counts; the first thirty in threes alike."""
    covariance = np.eye(60)
    for i in range(0, 30, 3):
        covariance[i : i + 3, i : i + 3] += correlation * (1.0 - np.eye(3))
    X = rng.normal(size=(1_000, 60)) @ np.linalg.cholesky(covariance).T
    return X, X[:, 0:30:3].sum(1) + 0.01 * rng.normal(size=1_000)
