"""Tables of pandas, polars and numpy.

What a column holds is read by narwhals. Rows and columns are taken and put together by each library itself:
this is done for every batch that a model sees, and narwhals adds 30 to 130 microseconds to each pandas call,
as much as the call takes or more; it keeps neither categories that are not text nor a mask as one of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy as shallow_copy
from numbers import Real
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_dataframe, is_polars_series

from agnostix.core.cells import are_changeable, are_hashable, content_of, copy_cells
from agnostix.core.inputs import (
    baselines_error,
    check_single_input,
    conversion_error,
    is_several_inputs,
    several_inputs_error,
    sparse_error,
)
from agnostix.core.names import check_are_text, did_you_mean
from agnostix.core.objects import infer_type
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError

_OTHER_LIBRARIES = ("pyarrow", "modin", "cudf", "dask", "ibis", "duckdb", "pyspark")
"""Their tables are refused: as arrays they would lose names and types."""

_OBJECTS = np.dtype(object)
_CONVERSIONS = ("compute", "to_pandas", "toPandas", "_to_pandas", "df")
"""Their methods that give a pandas frame, of which each library has one: dask's, then those of the others."""


def is_frame(X: Any) -> bool:
    """Tell a data frame of pandas or polars from anything else."""
    return isinstance(X, pd.DataFrame) or is_polars_dataframe(X)


def as_table(X: Any) -> Any:
    """The frame or array (n_rows, n_columns), checked; frames wrapped by narwhals are unwrapped."""
    X = nw.to_native(X, pass_through=True)
    if is_frame(X):
        table, names = X, column_names(X)
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(
                f"X names columns twice: {', '.join(repeated)}. Rename or drop the repeated ones."
            )
        check_are_text(names)
    else:
        check_single_input(X)
        table = _as_array(missing_as_nan(X))
    if min(table.shape) == 0:
        raise DataError(f"X must have at least one row and one column, got shape {tuple(table.shape)}.")
    return table


def _as_array(X: Any) -> np.ndarray:
    library = type(X).__module__.split(".")[0]
    if hasattr(X, "toarray"):
        raise sparse_error(X)
    if library in _OTHER_LIBRARIES:
        raise DataError(
            f"X is a {library} {type(X).__name__}; pandas and polars frames and arrays are read. "
            f"Pass {next((f'X.{name}()' for name in _CONVERSIONS if hasattr(X, name)), 'a DataFrame')}."
        )
    if hasattr(X, "collect"):
        raise DataError(f"X is a {type(X).__name__}, which holds no rows yet. Pass X.collect().")
    try:
        array = np.asarray(X)
    except ValueError:
        if is_several_inputs(X):
            raise several_inputs_error(X) from None
        raise DataError("X must have rows of equal length; some are shorter than others.") from None
    except (RuntimeError, TypeError) as error:
        raise conversion_error(X, error) from error
    if array.dtype.kind == "V":
        raise DataError(
            f"X is an array of type {array.dtype}, whose cells are records or raw bytes. Of a structured "
            "array, pass pandas.DataFrame(X)."
        )
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported: X holds complex numbers.")
    if array.ndim > 2:
        raise DataError(
            f"X must have two dimensions (rows, columns), got an array of shape {array.shape}. Images "
            "are explained by OcclusionExplainer and RiseExplainer, or with masker=SegmentMasker() of "
            "LimeExplainer and KernelShapExplainer."
        )
    if array.ndim != 2:
        given = "an array" if isinstance(X, np.ndarray) else f"a {type(X).__name__}"
        what = f"X must have two dimensions (rows, columns), got {given} of shape {array.shape}."
        raise DataError(f"{what} {_two_dimensions(X, array.ndim)}")
    return array


def _two_dimensions(X: Any, ndim: int) -> str:
    """How to pass a single row or column that came without its other dimension."""
    if hasattr(X, "to_frame"):
        row = "df.iloc[[i]]" if isinstance(X, pd.Series) else "df[[i]]"
        return f"Pass {row} for row i of a DataFrame df, X.to_frame() for one column."
    if ndim == 0:
        return "Pass a DataFrame, an array, or a list of rows."
    if hasattr(X, "reshape"):
        return "Pass X.reshape(-1, 1) for one column, X.reshape(1, -1) for one row."
    return "Pass [X] for one row, [[x] for x in X] for one column."


def column_names(X: Any) -> list[str]:
    """Names of the columns; ``x0``, ``x1``, ... for arrays."""
    return [str(name) for name in X.columns] if is_frame(X) else [f"x{j}" for j in range(X.shape[1])]


def columns(X: Any) -> dict[str, Any]:
    """Columns as Series by name, in the types of their contents."""
    if not is_frame(X):
        X = pd.DataFrame(X, columns=column_names(X))
    return {str(name): infer_type(X[name]) for name in X.columns}


def column_at(X: Any, position: int) -> Any:
    """A column of a frame as a Series."""
    return X[X.columns[position]]


def column_values(X: Any, position: int) -> Any:
    """Values of a column (n_rows,) that are taken with []: an array of numpy or pandas, a polars Series."""
    if not is_frame(X):
        return X[:, position]
    return column_at(X, position).array if isinstance(X, pd.DataFrame) else column_at(X, position)


def select(X: Any, names: list[str]) -> Any:
    """Columns of a frame, in the order of `names`."""
    return X[list(names)]


def take_rows(X: Any, rows: Any) -> Any:
    """Rows of a table or of an array (n_rows, ...), in the order of `rows`; a pandas index is kept."""
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def without_index(X: Any) -> Any:
    """A table whose rows are numbered, in place of a pandas index of their own."""
    return nw.to_native(nw.maybe_reset_index(nw.from_native(X, eager_only=True))) if is_frame(X) else X


def build_table(like: Any, columns: dict[int, Any], copy: bool = True) -> Any:
    """A table of the library, names and type of `like`, from `column_values` by position.

    An array is stored column by column. Without `copy`, a pandas frame shares memory with the columns.
    """
    in_order = [columns[position] for position in range(like.shape[1])]
    if not is_frame(like):
        table = np.empty((len(in_order[0]), len(in_order)), dtype=like.dtype, order="F")
        for position, column in enumerate(in_order):
            table[:, position] = column
        return table
    if not isinstance(like, pd.DataFrame):
        own = [_as_polars(column, like, position) for position, column in enumerate(in_order)]
        return type(like)(dict(zip(like.columns, own, strict=True)), schema=like.schema)
    own = [_as_pandas(column, dtype) for column, dtype in zip(in_order, like.dtypes.array, strict=True)]
    own = [column.copy() for column in own] if copy else own
    # pandas would infer a type of text for objects that are not in a Series
    texts = {j: pd.Series(one, dtype=object) for j, one in enumerate(own) if one.dtype.name == "object"}
    frame = type(like)(dict(enumerate(own)) | texts, copy=False)
    frame.columns = like.columns
    return frame


def _as_pandas(column: Any, dtype: Any) -> Any:
    """Values of a column; plain numbers in the type of objects or nullable numbers that they stand for."""
    if column.dtype.kind not in "fiu" or (isinstance(dtype, np.dtype) and dtype.kind != "O"):
        return column
    return column if column.dtype == dtype else pd.Series(column).astype(dtype).array


def _as_polars(column: Any, like: Any, position: int) -> Any:
    """Values of a column; NaN is null where the table has nulls."""
    is_array = isinstance(column, np.ndarray)
    if not (column.dtype.kind == "f" if is_array else column.dtype.is_float()):
        return column
    own = like[:, position]
    if str(own.dtype) == "Object":
        cells = column.tolist() if is_array else column.to_list()
        return type(own)([None if cell != cell else cell for cell in cells], dtype=own.dtype)
    return type(own)(column).fill_nan(None) if is_array and own.null_count() else column


def constant_row(fill: Any, like: Any, owner: str) -> Any:
    """One row of constants, by column name or in order, in the library and types of `like`."""
    names, fill = column_names(like), missing_as_nan(fill)
    if len(getattr(fill, "shape", ())) == 2 and fill.shape[0] > 1 and fill.shape[1] == len(names):
        raise baselines_error(fill, owner)
    if isinstance(fill, Mapping | pd.Series):
        given = {str(name): value for name, value in fill.items()}
    else:
        values = list(fill) if isinstance(fill, list | tuple) else list(np.ravel(fill))
        given = dict(zip(names, values, strict=True)) if len(values) == len(names) else {}
    if set(given) != set(names):
        raise DataError(
            f"The 'fill' parameter of {owner} must be 'auto' or have a value for each of the "
            f"{len(names)} columns ({', '.join(names)}), got {fill!r}."
            f"{''.join(did_you_mean(name, set(names) - set(given)) for name in given if name not in names)}"
        )
    if not is_frame(like):
        return _constant_array([given[name] for name in names], like.dtype, owner)
    make = _pandas_value if isinstance(like, pd.DataFrame) else _polars_value
    return type(like)({name: _one_value(given[str(name)], like[name], make, owner) for name in like.columns})


def _constant_array(values: list[Any], dtype: np.dtype, owner: str) -> Any:
    """One row of a type, or where that is of whole numbers and cannot hold it, of decimals."""
    if dtype.kind == "O":
        row = np.empty((1, len(values)), dtype=object)
        row[0] = values
        return row
    try:
        row = np.array([values], dtype=dtype if dtype.kind == "f" else None)
    except (TypeError, ValueError, OverflowError):
        row = np.array([values], dtype=object)
    if dtype.kind in "biuf" and row.dtype.kind not in "biuf":
        raise DataError(
            f"The 'fill' parameter of {owner} must have numbers for an array of type {dtype}, got {values!r}."
        )
    with np.errstate(invalid="ignore"):
        held = row.astype(dtype) if dtype.kind in "biu" else row
    return held if np.array_equal(held, row) else row


def _one_value(value: Any, column: Any, make: Callable[[Any, Any], Any], owner: str) -> Any:
    """A constant in a column's own type, which must be able to hold it."""
    try:
        return make(value, column)
    except Exception as error:
        raise DataError(
            f"The 'fill' parameter of {owner} has {value!r} for the column {str(column.name)!r}, "
            f"which its type {column.dtype} cannot hold."
        ) from error


def _pandas_value(value: Any, column: pd.Series) -> pd.Series:
    labels = getattr(column.dtype, "categories", None)
    if labels is not None and not (pd.isna(value) or value in labels):
        raise ValueError("not one of the labels")
    one = pd.Series([value]).astype(column.dtype)
    if one.isna()[0] != pd.isna(value):
        raise ValueError("missing")
    if not pd.api.types.is_float_dtype(one) and not one.isna()[0] and one[0] != value:
        raise ValueError("another value")
    return one


def _polars_value(value: Any, column: Any) -> Any:
    return type(column)([value], dtype=column.dtype)


def copy_table(X: Any) -> Any:
    """A copy that may be written to, and shares no numbers with X whatever is done to its memory."""
    # Arrow's columns are immutable and copied by reference, but as tensors they are written to in place.
    if is_polars_dataframe(X):
        return X[np.arange(X.shape[0])]
    copied = X.copy()
    for position, dtype in enumerate(X.dtypes if is_frame(X) else ()):
        if isinstance(dtype, pd.ArrowDtype) and dtype.kind in "biuf":
            array = X.iloc[:, position].array
            copied.isetitem(position, array.take(np.arange(len(array))))
        elif dtype == _OBJECTS and are_changeable(X.iloc[:, position]):
            copied.isetitem(position, pd.Series(copy_cells(X.iloc[:, position]), X.index, dtype=object))
    if not is_frame(X) and X.dtype == object and are_changeable(X.ravel()):
        copied[:] = copy_cells(X.ravel()).reshape(X.shape)
    return copied


def has_changeable_cells(X: Any) -> bool:
    """Whether cells of a table hold lists, arrays or other objects that a model can change in place."""
    if isinstance(X, pd.DataFrame):
        pairs = zip(X.dtypes.array, X.columns, strict=True)
        return any(dtype == _OBJECTS and are_changeable(X[name]) for dtype, name in pairs)
    return isinstance(X, np.ndarray) and X.dtype == object and are_changeable(X.ravel())


def as_read_only(X: Any) -> Any:
    """A view of an array that cannot be written to, or a shallow copy of a frame."""
    if is_frame(X):
        return shallow_copy(X)
    view = X.view()
    view.flags.writeable = False
    return view


def same_table(one: Any, other: Any) -> bool:
    """Whether two tables of one library are equal, missing values included."""
    if is_polars_dataframe(one) and "Object" in map(str, one.dtypes):  # which are never equal
        one, other = (pd.DataFrame(part.to_dict(as_series=False), dtype=object) for part in (one, other))
    if not is_frame(one):
        if one.shape != other.shape:
            return False
        if hasattr(one, "toarray"):
            return bool((one != other).nnz == 0)
        one, other = (pd.DataFrame(part.reshape(len(part), -1)) for part in (one, other))
    try:
        return bool(one.equals(other))
    except Exception:  # of cells that cannot be compared, whatever their own error is
        return True


def kind_of(series: Any) -> str:
    """What a column holds: "numeric", "categorical", "date", or "nested": lists, arrays, dicts."""
    dtype = series.dtype
    if _is_plain(dtype):
        return "numeric"
    if isinstance(dtype, pd.SparseDtype):  # which narwhals does not know
        return "numeric" if pd.api.types.is_numeric_dtype(dtype) else "categorical"
    known = nw.from_native(series, series_only=True).dtype
    if known.is_numeric():
        return "numeric"
    if known.is_nested() or (known == nw.Object and not are_hashable(series)):
        return "nested"
    is_time = known == nw.Time and isinstance(series, pd.Series)  # of pyarrow, of which pandas makes no date
    return "date" if known.is_temporal() and not is_time else "categorical"


def is_float(series: Any) -> bool:
    """Whether a column holds floating-point numbers."""
    dtype = series.dtype
    return dtype.kind == "f" if hasattr(dtype, "kind") else dtype.is_float()  # pandas has kinds as numpy has


def is_integer(series: Any) -> bool:
    """Whether a column holds whole numbers."""
    dtype = series.dtype
    return dtype.kind in "iu" if hasattr(dtype, "kind") else dtype.is_integer()


def _is_plain(dtype: Any) -> bool:
    """Whether values are numpy's numbers: most columns are, and are read at once."""
    return isinstance(dtype, np.dtype) and dtype.kind in "fiu"


def to_array(X: Any) -> np.ndarray:
    """A frame as an array (n_rows, n_columns): of float64, missing values NaN, if all columns are numeric."""
    series = list(columns(X).values())
    if all(kind_of(column) == "numeric" for column in series):
        return np.column_stack([to_floats(column) for column in series])
    return X.to_numpy()


def to_floats(series: Any) -> np.ndarray:
    """A numeric column as float64 (n_rows,), missing values NaN."""
    if _is_plain(series.dtype):
        return series.to_numpy().astype(float)
    if isinstance(series, pd.Series):
        try:
            return series.to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(
                f"Column {str(series.name)!r} held numbers in fit, and now something that is none: {error}."
            ) from error
    return np.asarray(nw.from_native(series, series_only=True).cast(nw.Float64).to_numpy(), dtype=float)


def to_numbers(series: Any) -> np.ndarray:
    """A column of numbers, dates or durations as float64 (n_rows,), missing values NaN.

    Dates count nanoseconds in pandas and the units of the type in polars, from an origin of its own.
    """
    if is_polars_series(series) or series.dtype == object or kind_of(series) == "numeric":
        return to_floats(to_ticks(series))
    # pandas converts with a check for dates that nanoseconds cannot hold
    is_span = nw.from_native(series, series_only=True).dtype == nw.Duration
    ticks = pd.to_timedelta(series) if is_span else pd.to_datetime(series, utc=True).dt.tz_localize(None)
    numbers = ticks.to_numpy(dtype="timedelta64[ns]" if is_span else "datetime64[ns]")
    return np.where(np.isnat(numbers), np.nan, numbers.astype(np.int64).astype(float))


def to_ticks(series: Any) -> Any:
    """A polars column of dates or durations as whole numbers, without loss; others as they are."""
    return series.to_physical() if is_polars_series(series) and kind_of(series) == "date" else series


def to_codes(series: Any) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Codes (n_rows,) of a column's labels, -1 if missing, and the labels that occur.

    Labels are in the order of an ordered categorical or an Enum, else sorted by their text.
    """
    column = nw.from_native(series, series_only=True)
    ordered = column.cat.get_categories().to_list() if isinstance(column.dtype, nw.Enum) else []
    cells = series.to_list() if is_polars_series(series) else series.astype(object).tolist()
    is_nested = kind_of(series) == "nested"
    keys = (None if cell is None else content_of(cell) for cell in cells) if is_nested else cells
    codes, found = pd.factorize(np.fromiter(keys, dtype=object, count=len(cells)), use_na_sentinel=True)
    if is_nested:
        first = dict(zip(codes[::-1].tolist(), cells[::-1], strict=True))
        ordered = []
    levels = [first[code] for code in range(len(found))] if is_nested else list(found)
    rank = {level: j for j, level in enumerate(ordered)}
    texts = [(str(level), type(level).__name__) for level in levels]  # 1 and "1" have the same text
    order = sorted(range(len(levels)), key=lambda j: (rank[levels[j]] if rank else 0, texts[j]))
    place = np.empty(len(levels) + 1, dtype=np.intp)
    place[order] = np.arange(len(levels))
    place[-1] = -1
    return place[codes], tuple(levels[j] for j in order)


def checked_weights(sample_weight: Any, n_rows: int, least_share: float = 0.0) -> Floats:
    """Weights (n_rows,) of rows, 1 each for None; DataError if negative, not finite or all 0.

    Weights above 0 must not be less than `least_share` of the largest one.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weights = _weight_numbers(sample_weight)
    if weights.shape != (n_rows,):
        raise DataError(
            f"sample_weight must have one finite value, 0 or more, for each of the {n_rows} rows, got "
            f"{weights.size}."
        )
    lacking = int(np.isnan(weights).sum())
    if lacking:
        raise DataError(
            f"sample_weight must have one finite value, 0 or more, for each of the {n_rows} rows, but it has "
            f"no value in {lacking} of {n_rows} rows."
        )
    if np.isinf(weights).any() or (weights < 0).any():
        raise DataError(
            f"sample_weight must have one finite value, 0 or more, for each of the {n_rows} rows, got values "
            f"from {weights.min():g} to {weights.max():g}."
        )
    largest = weights.max()
    if largest == 0.0:
        raise DataError(f"sample_weight is zero for all of the {n_rows} rows; at least one must be above it.")
    n_lost = int(((weights > 0.0) & (weights < least_share * largest)).sum())
    if n_lost:
        raise DataError(
            f"sample_weight spans too much: {n_lost} rows have less than {least_share:g} of the largest "
            "weight, and no sum holds anything of them. Set these weights to 0, which leaves the rows out."
        )
    if not 1e-75 < largest < 1e75:  # sums, and sums of squares, would overflow; a power of 2 rounds nothing
        weights = np.ldexp(weights, -int(np.frexp(largest)[1]))
    return weights


def _weight_numbers(sample_weight: Any) -> Floats:
    """Weights as float64 (n_rows,), NaN where they are missing."""
    values = np.asarray(missing_as_nan(sample_weight)).ravel()
    if values.dtype == object:
        values = np.where(pd.isna(values), np.nan, values)
    try:
        if values.dtype.kind in "cmM":
            raise TypeError
        return values.astype(float)
    except (TypeError, ValueError, OverflowError):
        wrong = next((one for one in values.tolist() if not isinstance(one, Real)), values[0])
        raise DataError(
            "sample_weight must have one finite value, 0 or more, for each row, got values such as "
            f"{wrong!r}. Convert them to numbers."
        ) from None


def missing_as_nan(X: Any) -> Any:
    """What is masked in an array, or in a list of arrays, as NaN; anything else as it is."""
    if isinstance(X, list | tuple) and any(isinstance(one, np.ma.MaskedArray) for one in X):
        is_row = not any(one is np.ma.masked for one in X)
        X = np.ma.stack(X) if is_row else [np.nan if one is np.ma.masked else one for one in X]
    if not isinstance(X, np.ma.MaskedArray):
        return X
    if not np.ma.is_masked(X):
        return X.data
    if X.dtype.kind in "mM":
        return X.filled(np.datetime64("NaT") if X.dtype.kind == "M" else np.timedelta64("NaT"))
    # whole numbers cannot be missing, and text has no value for it
    types = {"b": float, "i": float, "u": float, "S": object, "U": object}
    return np.ma.asarray(X, dtype=types.get(X.dtype.kind, X.dtype)).filled(np.nan)
