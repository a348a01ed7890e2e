"""Pairs of tables whose gaps are explained."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix import EntropicProjection

SLOPES = np.array([1.0, 0.5, -0.7])
UNKNOWN = np.array([0.5, 0.5, 0.0])
NAMES = ["a", "b", "c"]


def gaussian(n, mean, rho=0.4, seed=0, change=0.0):
    """Three normal columns and an outcome that is linear but for noise."""
    rng = np.random.default_rng(seed)
    X = rng.multivariate_normal(mean, np.full((3, 3), rho) + (1.0 - rho) * np.eye(3), n)
    y = X @ (SLOPES + UNKNOWN) + change + rng.normal(size=n)
    return pd.DataFrame(X, columns=NAMES), y


def linear(X):
    """The model of the Gaussian tables."""
    return X.to_numpy() @ SLOPES


def linear_pair(n=400, shift=(0.4, 0.0, 0.2), rho=0.4, seed=0, change=0.0, predict=linear, **params):
    """Projections fitted on two Gaussian tables."""
    tables = gaussian(n, np.zeros(3), rho, seed), gaussian(n, np.array(shift), rho, seed + 500, change)
    return tuple(EntropicProjection(**params).fit(X, y, predictions=predict(X)) for X, y in tables)


def people(n=300, moved=False, seed=0):
    """Numbers, labels and missing values; in the moved table older, more women, one more missing age."""
    rng = np.random.default_rng([seed, moved])
    X = pd.DataFrame(
        {
            "age": np.round(rng.normal(44.0 if moved else 40.0, 10.0, n)),
            "sex": rng.choice(["Female", "Male"], n, p=[0.55, 0.45] if moved else [0.4, 0.6]),
            "job": rng.choice(["clerk", "farmer", "teacher"], n),
            "hours": rng.normal(38.0, 6.0, n),
        }
    )
    X.loc[rng.random(n) < (0.1 if moved else 0.05), "age"] = np.nan
    return X


def chance(X):
    """Probability of each row."""
    age = X["age"].fillna(42.0).to_numpy()
    woman = (X["sex"] == "Female").to_numpy()
    return 1.0 / (1.0 + np.exp(-0.08 * (age - 42.0) - 0.6 * woman - 0.04 * (X["hours"].to_numpy() - 38.0)))


def people_pair(n=300, seed=0, change=0.0, tables=None, **params):
    """Projections fitted on two tables of people, with labels."""
    fitted = []
    for k, X in enumerate(tables or (people(n, False, seed), people(n, True, seed))):
        p = chance(X)
        rng = np.random.default_rng([seed, 7, k])
        y = (rng.random(len(X)) < np.clip(p + change * k, 0.0, 1.0)).astype(int)
        fitted.append(EntropicProjection(**params).fit(X, y, predictions=p))
    return tuple(fitted)


def parts(gap):
    """Values of the parts by name."""
    return dict(zip(gap.frame["part"], gap.frame["value"], strict=True))


def line(gap, part):
    """One line of the frame."""
    return gap.frame.set_index("part").loc[part]


def left_over(gap):
    """How far the sum of the parts is from the gap."""
    return abs(np.nansum(gap.frame["value"]) - gap.totals.loc["gap", "value"])
