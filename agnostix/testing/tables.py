"""Small tables for the checks: numbers, and columns of every type, in each of the libraries."""

from __future__ import annotations

from types import ModuleType
from typing import Any
from unittest import SkipTest

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats


def polars() -> ModuleType | None:
    """The package polars, or None where it is not installed."""
    try:
        import polars
    except ImportError:
        return None
    return polars


def polars_or_skip() -> ModuleType:
    """The package polars; SkipTest where it is not installed."""
    package = polars()
    if package is None:
        raise SkipTest("polars is not installed")
    return package


def numbers(n_rows: int = 24, n_columns: int = 4, seed: int = 0) -> Floats:
    """Numbers (n_rows, n_columns); every second column has many ties."""
    rng = np.random.default_rng(seed)
    columns = [rng.normal(size=n_rows) + 0.5 * (j % 3) for j in range(n_columns)]
    return np.column_stack([column.round() if j % 2 else column for j, column in enumerate(columns)])


def named(X: Floats) -> pd.DataFrame:
    """An array (n_rows, n_columns) as a frame with the default names x0, x1, ..."""
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])


def mixed(n_rows: int = 24) -> pd.DataFrame:
    """A pandas frame of numbers, labels, booleans and dates, some of them missing."""
    rng = np.random.default_rng(0)
    place = np.arange(n_rows)
    jobs = rng.choice(["clerk", "farmer", "teacher"], n_rows)
    return pd.DataFrame(
        {
            "age": rng.normal(40.0, 10.0, n_rows),
            "hours": pd.Series(rng.normal(38.0, 5.0, n_rows)).where(place % 5 > 0),
            "children": rng.integers(0, 4, n_rows),
            "rooms": pd.array(rng.integers(1, 6, n_rows), dtype="Int64"),
            "job": pd.Series(jobs, dtype=object).where(place % 4 > 0, None),
            "town": pd.Categorical(rng.choice(["bern", "oslo"], n_rows), categories=["oslo", "bern", "rome"]),
            "member": rng.random(n_rows) < 0.4,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(place % 7, unit="D"),
        }
    )


def mixed_polars(n_rows: int = 24) -> Any:
    """The table of `mixed` as a polars frame; SkipTest where polars is not installed."""
    pl = polars_or_skip()
    X = mixed(n_rows)
    plain = {name: X[name].astype(object).where(X[name].notna(), None).tolist() for name in X.columns}
    frame = pl.DataFrame(plain | {"since": [day.date() for day in X["since"]]})
    towns = pl.Series("town", plain["town"], dtype=pl.Enum(list(X["town"].cat.categories)))
    return frame.with_columns(towns)


def take(X: Any, rows: Any) -> Any:
    """Rows of a table of any library, by position."""
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def forms(X: Floats) -> dict[str, Any]:
    """The same numbers as "numpy", "pandas" and, where it is installed, "polars"."""
    frame, pl = named(X), polars()
    tables = {"numpy": X, "pandas": frame}
    return tables if pl is None else tables | {"polars": pl.DataFrame(frame.to_dict(orient="list"))}
