"""Games of one row, and models of tables, most of them with steps: where residuals of 0 prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

MOST_ENUMERATED = 16
"""Players up to which the truth is found by enumeration."""


def all_masks(d: int) -> np.ndarray:
    """Every coalition (2**d, d); player i is bit i of the index."""
    return (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(bool)


def shapley_values(table: np.ndarray) -> np.ndarray:
    """Shapley values (d,) or (d, n_games) of the worths (2**d,) or (2**d, n_games), by the definition."""
    d = int(np.log2(len(table)))
    masks = all_masks(d)
    sizes, weights = masks.sum(axis=1), np.array([1.0 / (d * comb(d - 1, size)) for size in range(d)])
    values = np.empty((d, *table.shape[1:]))
    for player in range(d):
        without = np.flatnonzero(~masks[:, player])
        values[player] = weights[sizes[without]] @ (table[without | (1 << player)] - table[without])
    return values


@dataclass(frozen=True)
class StepGame:
    """The worth of coalitions, and its Shapley values."""

    name: str
    worth: Callable[[np.ndarray], np.ndarray]
    truth: np.ndarray

    @property
    def n_players(self) -> int:
        """Players."""
        return self.truth.size

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """The game as a model of rows of ones (present) and zeros (absent)."""
        return np.asarray(self.worth(rows > 0.5), dtype=float)


def _enumerated(name: str, d: int, worth: Callable[[np.ndarray], np.ndarray]) -> StepGame:
    table, codes = np.asarray(worth(all_masks(d)), dtype=float), 1 << np.arange(d)
    return StepGame(name, lambda masks: table[masks @ codes], shapley_values(table))


def step_games() -> list[StepGame]:
    """Rules, votes, parities and models beside a single baseline: twenty games."""
    return [*_votes(), *_products(), *_of_texts(), *_of_models()]


def _votes() -> list[StepGame]:
    rng = np.random.default_rng(0)
    one_big, seats = np.r_[10.0, np.ones(15)], rng.exponential(size=15)
    return [
        _enumerated("one big party of 16", 16, lambda m: m @ one_big > 12.5),
        _enumerated("weighted voting of 15", 15, lambda m: m @ seats > seats.sum() / 2),
        _enumerated("veto and 3 of 8, 16 players", 16, lambda m: m[:, 0] & (m[:, 1:9].sum(1) >= 3)),
        _enumerated("at least 9 of 16", 16, lambda m: m.sum(1) >= 9),
        _enumerated("3 of 5 and 5 of 10", 15, lambda m: (m[:, :5].sum(1) >= 3) & (m[:, 5:].sum(1) >= 5)),
        _enumerated("votes in steps of four", 16, lambda m: m.sum(1) // 4),
    ]


def _products() -> list[StepGame]:
    slopes = np.random.default_rng(1).normal(size=16)
    costs = np.random.default_rng(2).lognormal(size=16)
    three_of_30 = np.r_[np.full(3, 1 / 3), np.zeros(27)]
    return [
        _enumerated("all of 6 of 16", 16, lambda m: m[:, :6].all(1)),
        _enumerated("all of 3 or of other 5", 16, lambda m: m[:, :3].all(1) * 1.0 + m[:, 5:10].all(1)),
        StepGame("all of 3 of 30", lambda m: m[:, :3].all(1), three_of_30),
        _enumerated("parity of 5 of 16", 16, lambda m: (-1.0) ** m[:, :5].sum(1)),
        _enumerated("parity of 5, additive", 16, lambda m: (-1.0) ** m[:, :5].sum(1) + m @ slopes / 2),
        _enumerated("product of 3, additive", 16, lambda m: 3.0 * m[:, :3].all(1) + m @ slopes),
        _enumerated("largest of lognormals", 16, lambda m: (m * costs).max(axis=1)),
        _enumerated("sigmoid", 16, lambda m: 1.0 / (1.0 + np.exp(0.5 - 1.5 * (m @ slopes)))),
    ]


def _of_texts() -> list[StepGame]:
    """Words of a text of 18, of which rules of keywords read ten."""

    def worth(masks: np.ndarray) -> np.ndarray:
        rude = masks[:, 5] & ~masks[:, 4]
        slow = masks[:, 7] & masks[:, 8] & masks[:, 9]
        praise = masks[:, 10] & (masks[:, 11] | masks[:, 12]) & ~masks[:, 13]
        return 2.0 * masks[:, 2] - 2.0 * rude + slow + 1.5 * praise

    read = [2, 4, 5, 7, 8, 9, 10, 11, 12, 13]
    inner = np.zeros((2**10, 18), dtype=bool)
    inner[:, read] = all_masks(10)
    truth = np.zeros(18)
    truth[read] = shapley_values(worth(inner))
    return [StepGame("keyword rules, 18 words", worth, truth)]


def _of_models() -> list[StepGame]:
    X, y = _table()
    models = {
        "full decision tree": DecisionTreeRegressor(random_state=0),
        "boosted trees": GradientBoostingRegressor(n_estimators=80, max_depth=4, random_state=0),
        "forest": RandomForestRegressor(50, random_state=0),
        "network": MLPRegressor(hidden_layer_sizes=(32, 32), max_iter=300, random_state=0),
        "support vectors": SVR(C=10.0),
    }
    return [_beside_mean(name, model.fit(X, y), X) for name, model in models.items()]


def _table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(600, 14))
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] * (X[:, 4] > 0) * X[:, 5]
    return X, y + X[:, 6:] @ rng.normal(size=8) * 0.3


def _beside_mean(name: str, model: Any, X: np.ndarray) -> StepGame:
    mean = X.mean(axis=0)
    return _enumerated(f"{name}, mean row", 14, lambda masks: model.predict(np.where(masks, X[5], mean)))


# Models of tables, each row beside background rows -------------------------------------------------


@dataclass(frozen=True)
class TableModel:
    """A model, background rows, rows to be explained, and their Shapley values beside that background."""

    name: str
    predict: Callable[[np.ndarray], np.ndarray]
    background: np.ndarray
    rows: np.ndarray
    truth: np.ndarray  # (n_rows, n_columns)


def table_models(n_rows: int) -> list[TableModel]:
    """Sixteen models of 13 columns, with 10 to 40 background rows."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 13))
    binary = (rng.random((400, 13)) < 0.5).astype(float)
    slopes = rng.normal(size=13)
    heart, ill = _heart_like(rng, slopes)
    score = (
        X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] * (X[:, 4] > 0) * X[:, 5] + X[:, 6:] @ slopes[6:]
    )
    deep = DecisionTreeRegressor(random_state=0).fit(heart, ill)
    flat = DecisionTreeRegressor(max_depth=4, random_state=0).fit(heart, ill)
    boosted = GradientBoostingRegressor(n_estimators=60, max_depth=4, random_state=0).fit(X, score)
    forest = RandomForestRegressor(30, random_state=0).fit(X, score)
    network = MLPRegressor(hidden_layer_sizes=(32, 32), max_iter=300, random_state=0).fit(X, score)
    models = [
        ("switch", _switch, X, 40),
        ("XOR of five", lambda Z: Z[:, :5].sum(1) % 2, binary, 40),
        ("XOR of three, additive", lambda Z: Z[:, :3].sum(1) % 2 + Z @ slopes * 0.3, binary, 20),
        ("all of five, one more", lambda Z: Z[:, :5].all(1) + Z[:, 6] * 0.5, binary, 20),
        ("two boxes of four", _boxes, X, 20),
        ("product of three, additive", lambda Z: Z[:, 0] * Z[:, 1] * Z[:, 2] + Z @ slopes, X, 10),
        ("full decision tree", deep.predict, heart, 20),
        ("decision tree of depth 4", flat.predict, heart, 20),
        ("boosted trees", boosted.predict, X, 10),
        ("forest", forest.predict, X, 10),
        ("network", network.predict, X, 10),
        ("sigmoid", lambda Z: 1.0 / (1.0 + np.exp(-Z @ slopes)), X, 10),
        ("score card", lambda Z: (np.round(Z[:, :8]) @ np.arange(1.0, 9.0) > 6).astype(float), X, 20),
        ("rare kind", lambda Z: Z @ slopes + np.where(Z[:, 0] > 1.0, 4 * Z[:, 1:4].prod(1), 0.0), X, 10),
        ("pairs and a little more", lambda Z: (Z[:, :6] * Z[:, 6:12]).sum(1) + np.exp(Z @ slopes / 4), X, 10),
        ("largest column", lambda Z: Z.max(axis=1), X, 10),
    ]
    return [_beside_background(*model, n_rows) for model in models]


def _switch(rows: np.ndarray) -> np.ndarray:
    return np.where(rows[:, 0] > 0, 3 * rows[:, 1] + rows[:, 2] * rows[:, 3], rows[:, 4] - 2 * rows[:, 5])


def _boxes(rows: np.ndarray) -> np.ndarray:
    return (np.abs(rows[:, :4]) < 0.9).all(axis=1) * 1.0 + (rows[:, 4:8] > -0.5).all(axis=1)


def _heart_like(rng: np.random.Generator, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, whole numbers and flags, and who is ill."""
    X = rng.normal(size=(400, 13))
    X[:, ::2] = np.round(1.5 * X[:, ::2])
    for column, cut in ((1, 0.3), (5, 0.8), (9, 0.0)):
        X[:, column] = X[:, column] > cut
    score = X @ slopes + 2 * X[:, 0] * X[:, 1] - X[:, 2] * X[:, 5] + rng.normal(size=400)
    return X, (score > 0).astype(float)


def _beside_background(
    name: str, predict: Callable[[np.ndarray], np.ndarray], X: np.ndarray, n_background: int, n_rows: int
) -> TableModel:
    order = np.random.default_rng(5).permutation(len(X))
    background, rows = X[order[:n_background]], X[order[100 : 100 + n_rows]]
    masks = all_masks(X.shape[1])
    truth = [
        shapley_values(np.mean([predict(np.where(masks, row, other)) for other in background], axis=0))
        for row in rows
    ]
    return TableModel(name, lambda Z: np.asarray(predict(Z), dtype=float), background, rows, np.array(truth))
