"""Values of models read as trees against predictions of all coalitions of the user's columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix.core.features import Features
from agnostix.core.frames import column_names, take_rows
from agnostix.core.models import as_predictor
from agnostix.core.trees import read_trees
from agnostix.shapley.trees import tree_values
from tests.reference.shapley import masked_values, subsets

EXACT = 1e-10


def brute_force(predict, X, rows, background, weights, groups):
    """Values (n_rows, n_players, n_outputs) from predictions for all coalitions of groups of columns."""
    frame = pd.DataFrame(X)
    others = frame.iloc[background].reset_index(drop=True)
    found = []
    for row in rows:
        predictions = {}
        for coalition in subsets(range(len(groups))):
            mixed = others.copy()
            for column in (column for group in coalition for column in groups[group]):
                name = frame.columns[column]
                mixed[name] = pd.Series([frame[name].iloc[row]] * len(others), dtype=frame[name].dtype)
            raw = predict(mixed if isinstance(X, pd.DataFrame) else mixed.to_numpy())
            predictions[coalition] = np.asarray(raw).reshape(len(others), -1)
        found.append(masked_values(predictions, weights))
    return np.array(found)


def check(model, X, *, groups=None, tolerance=EXACT, rows=(0, 1), n_background=15):
    """The tree way against brute force, and the sum of values and base; what was read."""
    features = Features.from_names(column_names(X), groups)
    background = np.arange(len(X) - n_background, len(X))
    weights = np.random.default_rng(0).random(n_background)
    weights /= weights.sum()
    read = read_trees(as_predictor(model), X, features)
    own, others = take_rows(X, np.array(rows)), take_rows(X, background)
    got = tree_values(read, own, others, weights, len(features.names))
    predict = (read.margins if read.is_margin else as_predictor(model)).predict
    expected = brute_force(predict, X, rows, background, weights, features.columns)
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(
        got.sum(axis=1) + weights @ read.predict(others), read.predict(own), rtol=0, atol=EXACT
    )
    return read


def numbers(missing=False, n_rows=200):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 5))
    y = X[:, 0] * X[:, 1] + np.where(X[:, 2] > 0, X[:, 3], X[:, 4])
    if missing:
        X[rng.random(X.shape) < 0.15] = np.nan
    return X, y, np.digitize(y, [-0.7, 0.7])


def people(missing=False):
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc"))
    X["k"], X["g"] = rng.choice(list("uvwx"), 200), rng.choice(["f", "m"], 200)
    y = (X.a * (X.k == "u") + X.b * (X.g == "m") + (X.k == "w") * X.c).to_numpy()
    if missing:
        X.loc[::6, "a"] = np.nan
    return X, y
