"""Models and tables on which surrogates are compared, each with one output."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from _data import adult, described
from _models import pipeline
from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier

from agnostix import Explanation, LimeExplainer, as_predictor

N_SAMPLES = 5_000
SLOPES = np.array([1.0, -2.0, 0.5, 0.0, 3.0])


@dataclass(frozen=True)
class Case:
    """A model with one output, what is learned from and what is explained.

    Attributes
    ----------
    name : str
        How it is called in a table.
    function : callable
        The model: a table in, (n,) out.
    table : DataFrame or ndarray
        Given to `fit`.
    rows : DataFrame or ndarray
        Given to `explain`.
    """

    name: str
    function: Callable[[Any], np.ndarray]
    table: Any
    rows: Any

    def first(self, n_rows: int) -> Case:
        """The same with fewer rows to explain."""
        return replace(self, rows=self.rows[:n_rows])

    def fitted(self, seed: int, **settings: Any) -> LimeExplainer:
        """Ours, fitted."""
        predictor = as_predictor(self.function, task="regression")
        return LimeExplainer(predictor, random_state=seed, **settings).fit(self.table)

    def explained(self, seed: int, **settings: Any) -> Explanation:
        """Ours, fitted, and its explanation."""
        return self.fitted(seed, **settings).explain(self.rows)


def linear(d: int, n_rows: int) -> Case:
    """A linear model of d normal columns, whose weights are fixed for 5 and random for others."""
    rng = np.random.default_rng(0)
    X, slopes = rng.normal(size=(1_000, d)), rng.normal(size=d)
    slopes = SLOPES if d == SLOPES.size else slopes
    return Case(f"linear, {d} columns", lambda X: X @ slopes, X, X[:n_rows])


def logistic(n_rows: int) -> Case:
    """A logistic function of a fixed linear combination of 30 columns, which costs next to nothing."""
    X, _ = make_classification(1_000, 30, n_informative=10, random_state=0)
    slopes = np.random.default_rng(0).normal(size=30) / 5.0
    return Case("logistic, 30 columns", lambda X: 1.0 / (1.0 + np.exp(-(X @ slopes))), X, X[:n_rows])


def cancer(n_rows: int) -> Case:
    """A random forest on breast cancer: 30 columns."""
    X, y = load_breast_cancer(return_X_y=True)
    model = RandomForestClassifier(100, random_state=0).fit(X, y)
    return Case("breast cancer, random forest", lambda X: model.predict_proba(X)[:, 1], X, X[:n_rows])


def diabetes(n_rows: int) -> Case:
    """Boosted trees on diabetes: 10 columns."""
    X, y = load_diabetes(return_X_y=True)
    model = HistGradientBoostingRegressor(random_state=0).fit(X, y)
    return Case("diabetes, boosted trees", model.predict, X, X[:n_rows])


def adult_rows(args: Namespace, n_rows: int, n_fitted: int = 20_000) -> Case:
    """A Pipeline on Adult's strings and numbers."""
    table, rich = adult(args.adult)
    model = pipeline(table[:20_000], rich[:20_000])

    def function(X: pd.DataFrame) -> np.ndarray:
        return model.predict_proba(X)[:, 1]

    return Case(f"{described(args.adult)}, Pipeline", function, table[:n_fitted], table.tail(n_rows))
