"""Exported rules on dates, moments and durations of every library and type, run on their own values."""

import datetime as dt
import json
import sqlite3

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix import MimicTree

pa = pytest.importorskip("pyarrow")

DAYS = [dt.date(2020, 1, 1) + dt.timedelta(days=k) for k in range(60)]
MOMENTS = [dt.datetime(2020, 1, 1) + dt.timedelta(hours=25 * k) for k in range(60)]
ZONED = [pd.Timestamp(one, tz="UTC") for one in MOMENTS]
SPANS = [dt.timedelta(hours=25 * k) for k in range(60)]


def arrow(values, dtype):
    return pd.Series(pd.array(values, dtype=pd.ArrowDtype(dtype)))


COLUMNS = {
    "arrow date32": arrow(DAYS, pa.date32()),
    "arrow us": arrow(MOMENTS, pa.timestamp("us")),
    "arrow ns": arrow(MOMENTS, pa.timestamp("ns")),
    "arrow zoned": arrow(ZONED, pa.timestamp("us", "Europe/Berlin")),
    "arrow duration": arrow(SPANS, pa.duration("us")),
    "pandas": pd.Series(pd.to_datetime(MOMENTS)),
    "pandas s": pd.Series(pd.to_datetime(MOMENTS).as_unit("s")),
    "pandas zoned": pd.Series(pd.DatetimeIndex(ZONED).tz_convert("Europe/Berlin")),
    "pandas durations": pd.Series(pd.to_timedelta(SPANS)),
    "polars date": pl.Series(DAYS),
    "polars moment": pl.Series(MOMENTS),
    "polars ms": pl.Series(MOMENTS).cast(pl.Datetime("ms")),
    "polars zoned": pl.Series(MOMENTS).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin"),
    "polars duration": pl.Series(SPANS),
}


@pytest.mark.parametrize("with_missing", [False, True])
@pytest.mark.parametrize("kind", COLUMNS)
def test_python_of_dates_runs_on_the_columns_values(kind, with_missing):
    column = COLUMNS[kind]
    late = set(column.to_list()[32:])
    if with_missing:
        missing = np.arange(60) == 7
        column = (
            column.mask(missing) if isinstance(column, pd.Series) else column.set(pl.Series(missing), None)
        )
    X = pl.DataFrame({"c": column}) if isinstance(column, pl.Series) else pd.DataFrame({"c": column})

    def model(Z):
        return np.array([float(value in late) for value in Z["c"].to_list()])

    mimic = MimicTree(model, synthetic="none", random_state=0).fit(X)
    assert len(mimic.leaves_) == 2
    code = {}
    exec(mimic.to_python(), code)
    by_row = [code["predict"]({"c": value}) for value in column.to_list()]
    np.testing.assert_array_equal(by_row, mimic.predict(X))
    rows = X.to_dicts() if isinstance(X, pl.DataFrame) else X.to_dict("records")
    np.testing.assert_array_equal([code["predict"](row) for row in rows], mimic.predict(X))
    if "date" in kind:
        assert "00:00" not in mimic.to_python()
        assert ":" not in mimic.leaves_["rule"].iloc[0]
        (threshold,) = [node["at_most"] for node in json.loads(mimic.to_json())["nodes"] if "at_most" in node]
        assert dt.date.fromisoformat(threshold) == DAYS[31]
        database = sqlite3.connect(":memory:")
        database.execute("create table t (c text)")
        values = [(None if pd.isna(value) else str(value)[:10],) for value in column.to_list()]
        database.executemany("insert into t values (?)", values)
        found = database.execute(f"select {mimic.to_sql()} from t").fetchall()
        np.testing.assert_array_equal(np.ravel(found), mimic.predict(X))
