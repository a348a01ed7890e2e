"""A small population, its explainer, and a look at what is left behind after a picture."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, as_predictor

mpl.use("agg")

WILD = "a_b^2 $x$ <script>"


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "zeros": np.where(rng.random(n) < 0.9, 0.0, 100.0),
            "sex": rng.choice(["Female", "Male"], n, p=[0.3, 0.7]),
            "town": rng.choice(["north", "south", "west"], n),
            WILD: rng.normal(size=n),
        }
    )


@pytest.fixture(scope="session")
def projection(people: pd.DataFrame) -> EntropicProjection:
    def model(X: pd.DataFrame) -> np.ndarray:
        return (
            X["age"].to_numpy() / 100.0 + 0.2 * (X["sex"] == "Female").to_numpy() + 0.01 * X[WILD].to_numpy()
        )

    y = model(people) + 0.05 * np.sin(np.arange(len(people)))
    return EntropicProjection(as_predictor(model, task="regression"), n_targets=9).fit(
        people, pd.Series(y, name="out_$put$")
    )


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """The user's matplotlib settings stay."""
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
