"""Values as they are written in other languages."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from agnostix.exceptions import DataError
from agnostix.surrogate_tree.rule_feature import RuleFeature


def sql_name(name: str) -> str:
    """A name between double quotes, as standard SQL has it.

    Parameters
    ----------
    name : str
        Of a column or table.

    Returns
    -------
    str

    Raises
    ------
    DataError
        If it holds the character NUL.
    """
    _check_text(name)
    return '"' + name.replace('"', '""') + '"'


def sql_value(value: Any) -> str:
    """A value as standard SQL has it.

    Parameters
    ----------
    value : str, bool, int, float, date, datetime or their numpy and pandas kinds
        Which; dates become text in ISO's form, durations nanoseconds.

    Returns
    -------
    str

    Raises
    ------
    DataError
        If it cannot be written.
    """
    plain = plain_value(value)
    if isinstance(plain, bool):
        return str(plain).upper()
    if isinstance(plain, int | float):
        return repr(plain)
    if isinstance(plain, timedelta):
        return str(plain // timedelta(microseconds=1) * 1000)
    text = plain if isinstance(plain, str) else str(plain)
    _check_text(text)
    return "'" + text.replace("'", "''") + "'"


def python_value(value: Any) -> str:
    """A value as Python has it, with nothing imported but the module datetime.

    Parameters
    ----------
    value : str, bool, int, float, date, datetime, timedelta or their numpy and pandas kinds
        Which.

    Returns
    -------
    str

    Raises
    ------
    DataError
        If it cannot be written.
    """
    plain = plain_value(value)
    if isinstance(plain, datetime):
        return f"datetime.datetime.fromisoformat({plain.isoformat()!r})"
    if isinstance(plain, date):
        return f"datetime.date.fromisoformat({plain.isoformat()!r})"
    if isinstance(plain, timedelta):
        return f"datetime.timedelta(microseconds={plain // timedelta(microseconds=1)})"
    return repr(plain)


def plain_value(value: Any) -> Any:
    """The Python object for a value of numpy or pandas.

    Parameters
    ----------
    value : object
        Which.

    Returns
    -------
    str, bool, int, float, date, datetime or timedelta
        Moments rounded down to microseconds.

    Raises
    ------
    DataError
        If there is none, as for intervals, or numbers that are not finite.
    """
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        floored = value.floor("us")
        return floored.to_pydatetime() if isinstance(floored, pd.Timestamp) else floored.to_pytimedelta()
    plain = value.item() if isinstance(value, np.generic) else value
    is_number = isinstance(plain, int | float) and math.isfinite(plain)
    if not is_number and not isinstance(plain, str | date | timedelta):
        raise DataError(
            f"The label {value!r} is of type {type(value).__name__}, which has no form outside Python. Turn "
            "the column into text before fit, as with X[column].astype(str)."
        )
    return plain


def moment(feature: RuleFeature, number: float) -> Any:
    """A number that a tree compares as a value of the column.

    Parameters
    ----------
    feature : RuleFeature
        The column.
    number : float
        As `RuleFeature.read` gives it.

    Returns
    -------
    float, date, datetime or timedelta
    """
    if feature.dtype is None:
        return number
    ticks = int((number + feature.origin) // 1)
    if not isinstance(feature.dtype, np.dtype | pd.api.extensions.ExtensionDtype):
        return _polars_moment(ticks, feature.dtype)
    if getattr(feature.dtype, "kind", "M") == "m":
        return plain_value(pd.Timedelta(ticks, "ns"))
    return plain_value(pd.Timestamp(ticks, tz="UTC" if getattr(feature.dtype, "tz", None) else None))


def _polars_moment(ticks: int, dtype: Any) -> Any:
    import polars as pl

    return pl.Series([ticks]).cast(pl.Int32 if dtype == pl.Date else pl.Int64).cast(dtype)[0]


def _check_text(text: str) -> None:
    if "\0" in text:
        raise DataError(f"SQL cannot hold the character NUL, which is in {text!r}. Rename it before fit.")
