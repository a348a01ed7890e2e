"""Tables of any make: pandas, polars or numpy, read through one door."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from agnostix.exceptions import DataError


def is_frame(X: Any) -> bool:
    """Tell a data frame from an array.

    Parameters
    ----------
    X : object
        Anything.

    Returns
    -------
    bool
    """
    if isinstance(X, pd.DataFrame | np.ndarray):
        return isinstance(X, pd.DataFrame)
    native = nw.from_native(X, eager_only=True, pass_through=True)
    return isinstance(native, nw.DataFrame) and native.implementation.is_polars()


def as_table(X: Any) -> Any:
    """Check that X is a table and give arrays two dimensions.

    Parameters
    ----------
    X : pandas or polars DataFrame, or array-like of shape (n_rows, n_columns)
        The table.

    Returns
    -------
    DataFrame or ndarray
        The frame itself, or the array.

    Raises
    ------
    DataError
        If X is sparse or complex, has not two dimensions, has no rows or no columns, or names a column twice.
    """
    if is_frame(X):
        names = [str(name) for name in X.columns]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(
                f"X names columns twice: {', '.join(repeated)}. Rename or drop the repeated ones."
            )
        table = X
    else:
        if hasattr(X, "toarray"):
            raise DataError("X is sparse; a table of rows is needed. Pass X.toarray(), or a DataFrame.")
        if type(X).__module__.split(".")[0] in (
            "pyarrow",
            "modin",
            "cudf",
            "dask",
            "ibis",
            "duckdb",
            "pyspark",
        ):
            raise DataError(
                f"X is a {type(X).__module__.split('.')[0]} {type(X).__name__}; pandas and polars frames and "
                "arrays are read. Convert it, for example with X.to_pandas()."
            )
        if hasattr(X, "collect"):
            raise DataError(f"X is a {type(X).__name__}, which holds no rows yet. Pass X.collect().")
        try:
            table = np.asarray(X)
        except ValueError:
            raise DataError("X must have rows of equal length; some are shorter than others.") from None
        except (RuntimeError, TypeError) as error:
            raise unreadable(X, error) from error
        if table.dtype.kind == "c":
            raise DataError("Complex data not supported: X holds complex numbers.")
        if table.ndim > 2:
            raise DataError(
                f"X must have two dimensions (rows, columns), got an array of shape {table.shape}. Images "
                "are explained by OcclusionExplainer and RiseExplainer, or with masker=SegmentMasker() of "
                "LimeExplainer and KernelShapExplainer."
            )
        if table.ndim != 2:
            raise DataError(
                f"X must have two dimensions (rows, columns), got an array of shape {table.shape}. "
                "Pass X.reshape(-1, 1) for one column, X.reshape(1, -1) for one row."
            )
    if min(table.shape) == 0:
        raise DataError(f"X must have at least one row and one column, got shape {tuple(table.shape)}.")
    return table


def unreadable(X: Any, error: Exception) -> DataError:
    """The error where numpy makes no array of something, as of tensors that are elsewhere.

    Parameters
    ----------
    X : object
        What it is.
    error : Exception
        What numpy says.

    Returns
    -------
    DataError
    """
    return DataError(
        f"X is a {type(X).__name__} of which numpy makes no array ({str(error).rstrip('.')}). Of a torch "
        "tensor, pass X.detach().cpu().float().numpy()."
    )


def column_names(X: Any) -> list[str]:
    """Names of the columns; ``x0``, ``x1``, ... for arrays.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The table.

    Returns
    -------
    list of str
    """
    if is_frame(X):
        return [str(name) for name in X.columns]
    return [f"x{j}" for j in range(X.shape[1])]


def columns(X: Any) -> dict[str, Any]:
    """The columns as pandas or polars Series.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The table; an array of objects gets the dtypes of its contents.

    Returns
    -------
    dict of str to Series
    """
    if not is_frame(X):
        X = pd.DataFrame(X, columns=column_names(X))
        X = X.infer_objects()
    return {str(name): X[name] for name in X.columns}


def column_at(X: Any, position: int) -> Any:
    """One column of a frame, by its place.

    Parameters
    ----------
    X : DataFrame
        The table.
    position : int
        From 0.

    Returns
    -------
    Series
        Of the same library.
    """
    return X.iloc[:, position] if isinstance(X, pd.DataFrame) else X.to_series(position)


def select(X: Any, names: list[str]) -> Any:
    """Columns of a frame, in the order asked for.

    Parameters
    ----------
    X : DataFrame
        The table.
    names : list of str
        Which columns.

    Returns
    -------
    DataFrame
        Of the same library.
    """
    return X[list(names)]


def take_rows(X: Any, rows: Any) -> Any:
    """Rows of a table, in the order asked for.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, ...)
        The table.
    rows : ndarray of int of shape (n,)
        Which rows.

    Returns
    -------
    DataFrame or ndarray of shape (n, ...)
        Of the same make, a copy; a pandas index is kept.
    """
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def copied(X: Any) -> Any:
    """A copy that may be written to.

    Parameters
    ----------
    X : DataFrame or ndarray
        The table.

    Returns
    -------
    DataFrame or ndarray
        Of the same make; of a polars frame, whose columns nobody can write into, a clone.
    """
    return X.copy() if isinstance(X, pd.DataFrame | np.ndarray) else X.clone()


def locked(X: Any) -> Any:
    """The table in a form whose receiver cannot write into it.

    Parameters
    ----------
    X : DataFrame or ndarray
        The table.

    Returns
    -------
    DataFrame or ndarray
        A view of an array that may only be read; of a frame a shallow copy.
    """
    if isinstance(X, pd.DataFrame):
        return X.copy(deep=False)
    if not isinstance(X, np.ndarray):
        return X.clone()
    view = X.view()
    view.flags.writeable = False
    return view


def same_table(one: Any, other: Any) -> bool:
    """Tell whether two tables of one make hold the same, missing values included.

    Parameters
    ----------
    one, other : DataFrame or ndarray
        The tables.

    Returns
    -------
    bool
    """
    if isinstance(one, np.ndarray):
        if one.shape != other.shape:
            return False
        one, other = (pd.DataFrame(part.reshape(len(part), -1)) for part in (one, other))
    return bool(one.equals(other))


def kind_of(series: Any) -> str:
    """What a column holds.

    Parameters
    ----------
    series : Series
        A column.

    Returns
    -------
    {"numeric", "categorical", "date"}
    """
    if _is_plain_numbers(series):
        return "numeric"
    dtype = nw.from_native(series, series_only=True).dtype
    if dtype.is_numeric() or _is_sparse_numbers(series):
        return "numeric"
    return "date" if dtype.is_temporal() else "categorical"


def is_float(series: Any) -> bool:
    """Tell a column of floating-point numbers from any other.

    Parameters
    ----------
    series : Series
        A column.

    Returns
    -------
    bool
    """
    if isinstance(series, pd.Series):
        return pd.api.types.is_float_dtype(series.dtype)
    return bool(series.dtype.is_float())


def to_array(X: Any) -> np.ndarray:
    """A frame as an array, for a model that was fitted on one.

    Parameters
    ----------
    X : DataFrame
        The table.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Of float64, missing values as NaN, where all columns are numbers.
    """
    series = columns(X)
    if all(kind_of(column) == "numeric" for column in series.values()):
        return np.column_stack([to_floats(column) for column in series.values()])
    return X.to_numpy()


def _is_plain_numbers(series: Any) -> bool:
    """Whether it is a pandas column of numpy numbers, which is read without further ado."""
    dtype = getattr(series, "dtype", None)
    return isinstance(series, pd.Series) and isinstance(dtype, np.dtype) and dtype.kind in "fiu"


def _is_sparse_numbers(series: Any) -> bool:
    return isinstance(getattr(series, "dtype", None), pd.SparseDtype) and pd.api.types.is_numeric_dtype(
        series
    )


def to_floats(series: Any) -> np.ndarray:
    """A numeric column as float64, missing values as NaN.

    Parameters
    ----------
    series : Series
        A column.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    if _is_plain_numbers(series):
        return series.to_numpy().astype(float)
    column = nw.from_native(series, series_only=True)
    if isinstance(series, pd.Series):
        return column.to_native().to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(column.cast(nw.Float64).to_numpy(), dtype=float)


def to_numbers(series: Any) -> np.ndarray:
    """A column of numbers or dates as float64, missing values as NaN.

    Parameters
    ----------
    series : Series
        A column.

    Returns
    -------
    ndarray of shape (n_rows,)
        Dates and durations in the ticks of their type, counted from an origin of its own.
    """
    if kind_of(series) == "numeric":
        return to_floats(series)
    if not isinstance(series, pd.Series):
        return to_floats(to_ticks(series))
    is_span = nw.from_native(series, series_only=True).dtype == nw.Duration
    ticks = pd.to_timedelta(series) if is_span else pd.to_datetime(series, utc=True).dt.tz_localize(None)
    numbers = ticks.to_numpy(dtype="timedelta64[ns]" if is_span else "datetime64[ns]")
    return np.where(np.isnat(numbers), np.nan, numbers.astype(np.int64).astype(float))


def to_ticks(series: Any) -> Any:
    """A polars column of dates, times or durations as whole numbers, which lose nothing; others as they are.

    Parameters
    ----------
    series : Series
        A column.

    Returns
    -------
    Series
    """
    is_polars_date = not isinstance(series, pd.Series) and kind_of(series) == "date"
    return series.to_physical() if is_polars_date else series


def to_codes(series: Any) -> tuple[np.ndarray, tuple[Any, ...]]:
    """A column of labels as codes, missing values as -1, and the labels that occur.

    Parameters
    ----------
    series : Series
        A column.

    Returns
    -------
    codes : ndarray of int of shape (n_rows,)
    levels : tuple
        In the order of an ordered categorical or an Enum, else sorted by their text.
    """
    column = nw.from_native(series, series_only=True)
    ordered = list(column.cat.get_categories().to_list()) if isinstance(column.dtype, nw.Enum) else None
    values = column.to_native().astype(object).to_numpy() if isinstance(series, pd.Series) else None
    if values is None:
        values = np.array(column.to_list(), dtype=object)
    codes, found = pd.factorize(values, use_na_sentinel=True)
    rank = {level: j for j, level in enumerate(ordered)} if ordered else {}
    order = sorted(range(len(found)), key=lambda j: (rank.get(found[j], 0), str(found[j])))
    place = np.empty(len(found) + 1, dtype=np.intp)
    place[order] = np.arange(len(found))
    place[-1] = -1
    return place[codes], tuple(found[j] for j in order)


def assembled(like: Any, columns: dict[int, Any]) -> Any:
    """A table made of columns.

    Parameters
    ----------
    like : DataFrame or ndarray of shape (n, n_columns)
        What it is to be like: its library, its names, its type.
    columns : dict of int to Series or array of shape (n_rows,)
        Each column by its place.

    Returns
    -------
    DataFrame or ndarray of shape (n_rows, n_columns)
        A table of its own; of an array column by column in memory.
    """
    in_order = [columns[place] for place in range(like.shape[1])]
    if isinstance(like, np.ndarray):
        table = np.empty((len(in_order[0]), len(in_order)), dtype=like.dtype, order="F")
        for place, column in enumerate(in_order):
            table[:, place] = column
        return table
    if not isinstance(like, pd.DataFrame):
        return type(like)(dict(zip(like.columns, in_order, strict=True)), schema=like.schema)
    kept = [column.copy() for column in in_order]
    texts = {j: pd.Series(one, dtype=object) for j, one in enumerate(kept) if one.dtype.name == "object"}
    frame = pd.DataFrame(dict(enumerate(kept)) | texts, copy=False)  # or texts would change their type
    frame.columns = like.columns
    return frame


def column_values(X: Any, position: int) -> Any:
    """The values of a column.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The table.
    position : int
        Of the column.

    Returns
    -------
    Series or array of shape (n_rows,)
        As `assembled` takes it.
    """
    if not is_frame(X):
        return X[:, position]
    column = column_at(X, position)
    return column.array if isinstance(column, pd.Series) else column


def taken(column: Any, places: Any) -> Any:
    """Values of a column, in the order asked for.

    Parameters
    ----------
    column : Series or ndarray of shape (n_rows,)
        The column.
    places : ndarray of int of shape (n,)
        Which values.

    Returns
    -------
    Series or array of shape (n,)
        As `assembled` takes it.
    """
    return column.array[places] if isinstance(column, pd.Series) else column[places]
