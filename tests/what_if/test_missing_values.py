"""A missing value of any library leaves its row out where its column is shifted, as in the report."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix import EntropicProjection, WhatIfReport
from agnostix.core.frames import columns, to_floats
from agnostix.exceptions import DataError
from tests.messages import refuses

N = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {"age": RNG.normal(40.0, 9.0, N), "rooms": RNG.integers(1, 6, N), "sex": RNG.choice(["f", "m"], N)}
)
PREDICTIONS = np.sin(X["age"]) + X["rooms"]
GONE = np.arange(N) == 7
CELLS = np.repeat(GONE[:, None], 3, axis=1)
NUMBERS = X[["age", "rooms"]].astype(float)
FORMS = {
    "array": lambda: NUMBERS.mask(CELLS[:, :2]).to_numpy(),
    "masked array": lambda: np.ma.masked_array(NUMBERS.to_numpy(), CELLS[:, :2]),
    "array of objects": lambda: X.astype(object).mask(CELLS, None).to_numpy(),
    "pandas": lambda: X.mask(CELLS),
    "pandas nullable": lambda: X.convert_dtypes().mask(CELLS),
    "pandas arrow": lambda: X.convert_dtypes(dtype_backend="pyarrow").mask(CELLS),
    "pandas category": lambda: X.astype({"sex": "category"}).mask(CELLS),
    "polars": lambda: pl.from_pandas(X.mask(CELLS)),
    "polars NaN": lambda: pl.DataFrame(
        {"age": X["age"].mask(GONE).to_numpy(), "rooms": X["rooms"].to_numpy()}
    ),
}
CALLS = {
    "explain": lambda p, age, rooms: p.explain(features=age).frame["value"],
    "rank": lambda p, age, rooms: p.rank(features=[age])["value"],
    "what_if": lambda p, age, rooms: p.what_if({age: 42.0}).outcomes["value"],
    "joint": lambda p, age, rooms: p.joint(age, rooms, n_targets=3)["value"],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("call", CALLS)
def test_one_missing_value_leaves_out_its_row_and_warns(form, call):
    table = FORMS[form]()
    age, rooms = ("x0", "x1") if isinstance(table, np.ndarray) else ("age", "rooms")
    projection = EntropicProjection(n_targets=5).fit(table, predictions=PREDICTIONS)
    with pytest.warns(UserWarning, match=rf"of 60 rows: '{age}' 1"):
        values = CALLS[call](projection, age, rooms)
    complete = EntropicProjection(n_targets=5).fit(X[~GONE], predictions=PREDICTIONS[~GONE])
    np.testing.assert_allclose(values, CALLS[call](complete, "age", "rooms"), rtol=1e-8)


def follows_age(X):
    ages = to_floats(next(iter(columns(X).values())))
    return np.where(np.isnan(ages), 0.0, np.sin(ages))


@pytest.mark.parametrize("form", FORMS)
def test_explain_gives_what_report_gives(form):
    table = FORMS[form]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        curves = EntropicProjection(follows_age).fit(table).explain()
        WhatIfReport(follows_age, table).json()
    assert curves.frame["value"].notna().all()
    assert curves.skipped == ()
    assert set(curves.frame["n_rows"]) <= {N, N - 1}


def test_remedies_of_warning_and_of_refusal():
    table = X.mask(CELLS)
    projection = EntropicProjection(missing="raise").fit(table, predictions=PREDICTIONS)
    with refuses(DataError, "'age'", "1 of 60 rows", "Fill them in", "missing='omit'"):
        projection.explain()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert EntropicProjection(missing="omit").fit(table, predictions=PREDICTIONS).explain().skipped == ()
        filled = table.fillna({"age": 40.0, "rooms": 2, "sex": "f"})
        assert (
            EntropicProjection(missing="raise").fit(filled, predictions=PREDICTIONS).explain().skipped == ()
        )
