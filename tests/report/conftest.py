"""Small reports, each made once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from agnostix import WhatIfReport


def make_people(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age = rng.normal(40, 10, n)
    return pd.DataFrame(
        {
            "age": age,
            "echo": age + rng.normal(0, 2, n),
            "noise": rng.normal(size=n),
            "sex": rng.choice(["Female", "Male"], n, p=[0.3, 0.7]),
            "town": rng.choice(["north", "south", "west"], n),
        }
    )


def pipeline(final: object, numbers: list[str], labels: list[str]) -> object:
    encode = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(), labels))
    return make_pipeline(encode, final)


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    return make_people()


@pytest.fixture(scope="session")
def income(people: pd.DataFrame) -> pd.Series:
    rng = np.random.default_rng(1)
    logit = 0.12 * (people["age"] - 45) + 1.0 * (people["sex"] == "Male") + rng.logistic(size=len(people))
    return pd.Series(np.where(logit > 0, ">50K", "<=50K"), name="income")


@pytest.fixture(scope="session")
def binary(people: pd.DataFrame, income: pd.Series) -> WhatIfReport:
    model = pipeline(LogisticRegression(), ["age", "noise"], ["sex"]).fit(people, income)
    scenarios = [{"age": 45.0, "sex": {"Female": 0.5}}, {"age": (44, 48)}, {"age": 200}]
    return WhatIfReport(model, people, income, what_if=scenarios, by="sex", title="Incomes & <others>")


@pytest.fixture(scope="session")
def regression(people: pd.DataFrame) -> WhatIfReport:
    rng = np.random.default_rng(2)
    y = pd.Series(-3.0 * people["age"] + rng.normal(0, 5, len(people)), name="score")
    model = pipeline(LinearRegression(), ["age", "noise"], ["sex"]).fit(people[["age", "noise", "sex"]], y)
    return WhatIfReport(model, people[["age", "noise", "sex"]], y, what_if=[{"age": 45}])


@pytest.fixture(scope="session")
def multiclass(people: pd.DataFrame) -> WhatIfReport:
    rng = np.random.default_rng(3)
    y = np.where(
        people["age"] > 50,
        "old",
        np.where(people["age"] + 5 * rng.normal(size=len(people)) > 30, "mid", "new"),
    )
    model = pipeline(LogisticRegression(), ["age"], ["town"]).fit(people[["age", "town"]], y)
    return WhatIfReport(model, people[["age", "town"]], y)
