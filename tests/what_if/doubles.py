"""A small table of people and simple models of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix import EntropicProjection


def people(n=300, seed=0):
    """Correlated numbers, a zero-inflated one, labels and booleans, without missing values."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40.0, 10.0, n)
    return pd.DataFrame(
        {
            "age": age,
            "hours": 0.3 * age + rng.normal(28.0, 5.0, n),
            "gain": np.where(rng.random(n) < 0.9, 0.0, np.round(rng.exponential(5000.0, n))),
            "sex": rng.choice(["Female", "Male"], n, p=[0.35, 0.65]),
            "job": rng.choice(["clerk", "farmer", "teacher"], n, p=[0.5, 0.2, 0.3]),
            "member": rng.random(n) < 0.3,
        }
    )


def chance(X):
    """Probability of each row, independent of other rows to the bit."""
    return 1.0 / (1.0 + np.exp(-0.06 * (X["age"].to_numpy() - 45.0) - 0.05 * (X["hours"].to_numpy() - 40.0)))


def truth(X, seed=1):
    """Labels sampled with the probability of each row."""
    return (np.random.default_rng(seed).random(len(X)) < chance(X)).astype(int)


def fit_projection(X, y=None, weight=None, **params):
    """A projection fitted on recorded predictions."""
    return EntropicProjection(**params).fit(X, y, weight, predictions=chance(X))


def select_rows(frame, **named):
    """Rows of a frame with the given values in the named columns."""
    for column, value in named.items():
        frame = frame[frame[column].map(lambda there, value=value: there is value or there == value)]
    return frame
