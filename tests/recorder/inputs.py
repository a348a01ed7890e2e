"""Fixed inputs: tables, pictures, texts, and models of them, all small and made from seeds."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

N_PEOPLE = 240


@cache
def numbers(d: int = 6) -> np.ndarray:
    """Correlated numbers, shape (120, d)."""
    rng = np.random.default_rng(d)
    X = rng.normal(size=(120, d))
    X[:, 1] += 0.8 * X[:, 0]
    X[:, 2] = np.round(np.exp(X[:, 2]), 2)
    return X


@cache
def frame(d: int = 6) -> pd.DataFrame:
    """The numbers as a DataFrame with labels of rows."""
    return pd.DataFrame(
        numbers(d), columns=[f"x{j}" for j in range(d)], index=[f"row {i}" for i in range(120)]
    )


@cache
def people() -> pd.DataFrame:
    """Whole numbers, missing values, categories, strings, flags and dates."""
    rng = np.random.default_rng(1)
    n = N_PEOPLE
    age = rng.integers(18, 80, n)
    return pd.DataFrame(
        {
            "age": age,
            "hours": np.where(rng.random(n) < 0.1, np.nan, rng.normal(38, 8, n).round(1)),
            "income": np.round(np.exp(rng.normal(10, 0.5, n) + 0.01 * age), 1),
            "gains": np.where(rng.random(n) < 0.8, 0.0, rng.integers(1, 9, n) * 100.0),
            "grade": pd.Categorical(
                rng.choice(["low", "mid", "high"], n), ["low", "mid", "high"], ordered=True
            ),
            "town": np.where(rng.random(n) < 0.05, None, rng.choice(["north", "south", "west"], n)),
            "member": rng.random(n) < 0.4,
            "joined": pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), unit="D"),
        }
    )


@cache
def dateless() -> pd.DataFrame:
    """People without the dates."""
    return people().drop(columns="joined")


@cache
def weights() -> np.ndarray:
    """A weight for each of the people, some 0."""
    return np.random.default_rng(2).integers(0, 4, N_PEOPLE).astype(float)


@cache
def approved() -> pd.Series:
    """Labels of people."""
    rng = np.random.default_rng(3)
    table = people()
    score = 0.05 * (table["age"] - 45) + 0.08 * (table["hours"].fillna(30) - 38) + 1.2 * table["member"]
    return pd.Series(np.where(score + rng.logistic(size=N_PEOPLE) > 0, "yes", "no"), name="approved")


@cache
def spending() -> pd.Series:
    """Numbers of people."""
    rng = np.random.default_rng(4)
    table = people()
    return pd.Series(
        table["income"] / 1000 + 5.0 * (table["grade"] == "high") + rng.normal(0, 2, N_PEOPLE),
        name="spending",
    )


@cache
def segments_of_people() -> np.ndarray:
    """Three classes of people."""
    table = people()
    return np.where(table["age"] > 60, "old", np.where(table["income"] > 35_000, "rich", "other"))


NUMERIC = ["age", "hours", "income", "gains"]
LABELS = ["grade", "town", "member"]


def days(table: pd.DataFrame) -> np.ndarray:
    """Dates as years since 2015."""
    return (table - pd.Timestamp("2015-01-01")).to_numpy().astype("timedelta64[D]").astype(float) / 365.0


def pipeline(final: Any, dates: bool = True) -> Any:
    """Encode people and end with an estimator."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    steps = [
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMERIC),
        (OneHotEncoder(handle_unknown="ignore"), LABELS),
    ]
    if dates:
        steps.append((FunctionTransformer(days), ["joined"]))
    return make_pipeline(make_column_transformer(*steps), final)


@cache
def approval(dates: bool = True) -> Any:
    """A binary classifier of people: a logistic regression of encoded columns."""
    from sklearn.linear_model import LogisticRegression

    return pipeline(LogisticRegression(max_iter=500), dates).fit(
        people() if dates else dateless(), approved()
    )


@cache
def classes(dates: bool = True) -> Any:
    """A forest of three classes."""
    from sklearn.ensemble import RandomForestClassifier

    # With one job, whatever `--n-jobs`: threads sum the trees in any order.
    forest = RandomForestClassifier(8, max_depth=5, n_jobs=1, random_state=0)
    return pipeline(forest, dates).fit(people() if dates else dateless(), segments_of_people())


@cache
def spender(dates: bool = True) -> Any:
    """A regressor of people, not additive."""
    from sklearn.ensemble import GradientBoostingRegressor

    boosted = GradientBoostingRegressor(n_estimators=15, random_state=0)
    return pipeline(boosted, dates).fit(people() if dates else dateless(), spending())


@cache
def forest(d: int = 6) -> Any:
    """A forest of numbers in a DataFrame."""
    from sklearn.ensemble import RandomForestRegressor

    # With one job, whatever `--n-jobs`: threads sum the trees in any order.
    model = RandomForestRegressor(6, max_depth=4, n_jobs=1, random_state=0)
    return model.fit(frame(d), smooth(numbers(d)))


@cache
def tree() -> Any:
    """A decision tree of numbers in a DataFrame."""
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(max_depth=4, random_state=0).fit(frame(), smooth(numbers()))


@cache
def linear() -> Any:
    """A linear regression of an array."""
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(numbers(), smooth(numbers()))


def smooth(X: Any) -> np.ndarray:
    """A sum of products and waves, of any number of columns."""
    X = np.asarray(X, dtype=float)
    return np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.3 * np.tanh(X).sum(axis=1) ** 2


def several(X: Any) -> np.ndarray:
    """Three outputs."""
    one = smooth(X)
    return np.stack([one, np.cos(one), np.asarray(X, dtype=float)[:, -1] * one], axis=1)


def probability(X: Any) -> np.ndarray:
    """One number between 0 and 1."""
    return 1.0 / (1.0 + np.exp(-smooth(X)))


def additive(X: Any) -> np.ndarray:
    """A sum of functions of single columns."""
    X = np.asarray(X, dtype=float)
    return np.sin(X).sum(axis=1) + X[:, 0] ** 2


@cache
def gray(n: int = 2) -> np.ndarray:
    """Gray pictures, shape (n, 20, 24)."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:20, :24]
    spots = np.stack([np.exp(-((y - 5 - 4 * i) ** 2 + (x - 8 - 3 * i) ** 2) / 20.0) for i in range(n)])
    return spots + 0.1 * rng.random((n, 20, 24))


@cache
def color() -> np.ndarray:
    """Color pictures of whole numbers, shape (2, 18, 16, 3)."""
    rng = np.random.default_rng(6)
    coarse = rng.integers(0, 256, (2, 6, 4, 3)).astype(float)
    fine = np.repeat(np.repeat(coarse, 3, axis=1), 4, axis=2) + rng.normal(0, 10, (2, 18, 16, 3))
    return fine.clip(0, 255).astype(np.uint8)


def look(X: Any) -> np.ndarray:
    """Two outputs of gray or color pictures."""
    X = np.asarray(X, dtype=float)
    X = X.reshape(*X.shape[:3], -1).mean(axis=3) / (255.0 if X.ndim == 4 else 1.0)
    left, middle = X[:, 2:10, 3:12].mean(axis=(1, 2)), X[:, 8:14, 6:14].mean(axis=(1, 2))
    return np.stack([left * middle + 0.1 * X.mean(axis=(1, 2)), np.sqrt(np.abs(left))], axis=1)


TEXTS = [
    "The food was good, the beer was good, and the service slow.",
    "Bad service. Never again!",
    "good good bad",
]


def praise(texts: Any) -> np.ndarray:
    """A nonlinear score of texts, and their length."""
    texts = np.asarray(texts, dtype=object).ravel()
    counts = np.array(
        [[text.count(word) for word in ("good", "bad", "slow", "again")] for text in texts], dtype=float
    )
    score = counts @ [1.0, -1.0, -0.5, 0.2] + counts[:, 0] * counts[:, 1]
    return np.stack([score, 0.01 * np.array([len(text) for text in texts])], axis=1)
