"""Frames in files: pandas column by column, polars as Arrow."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import is_frame

_MASKED = {
    "Int": pd.arrays.IntegerArray,
    "UInt": pd.arrays.IntegerArray,
    "Float": pd.arrays.FloatingArray,
    "boolean": pd.arrays.BooleanArray,
}

TO_THE_USER = 7
"""Calls from the reading of Arrow up to that of `Explanation.load`, where warnings point."""


def is_storable(value: Any) -> bool:
    """Whether `encode` takes a value: a frame of pandas or polars, a pandas Series or Index."""
    return isinstance(value, pd.Index | pd.Series) or is_frame(value)


def encode(writer: Any, where: str, value: Any) -> dict[str, Any]:
    """A frame, an index or a Series as a node of the JSON, its arrays as members of the archive."""
    if isinstance(value, pd.Series):
        return {"$": "series", **_column(writer, where, value)}
    if isinstance(value, pd.Index):
        return _index(writer, where, value)
    if not isinstance(value, pd.DataFrame):
        return _polars(writer, where, value)
    series = [encode(writer, f"{where}.{j}", value.iloc[:, j]) for j in range(value.shape[1])]
    index, names = (encode(writer, f"{where}.{axis}", getattr(value, axis)) for axis in ("index", "columns"))
    return {"$": "pandas", "columns": names, "index": index, "series": series}


def decode(reader: Any, node: dict[str, Any]) -> Any:
    """What `encode` was given."""
    if node["$"] == "series":
        return pd.Series(_array(reader, node))
    if node["$"] == "index":
        return pd.Index(decode(reader, node["of"]), name=reader.value(node["name"]), tupleize_cols=False)
    if node["$"] == "range":
        start, stop, step = node["of"]
        reader.check_length(len(range(start, stop, step)))
        return pd.RangeIndex(start, stop, step, name=reader.value(node["name"]))
    if node["$"] == "multi":
        return pd.MultiIndex.from_arrays(
            [decode(reader, level) for level in node["of"]], names=reader.value(node["names"])
        )
    if node["$"] == "polars":
        return _read_arrow(reader.arrow(node["of"]))
    if node["$"] != "pandas":
        raise ValueError(f"{node['$']!r} is not known here")
    index = decode(reader, node["index"])
    columns = {j: decode(reader, part) for j, part in enumerate(node["series"])}
    frame = pd.DataFrame(columns, index=pd.RangeIndex(len(index)))
    return frame.set_axis(decode(reader, node["columns"]), axis=1).set_axis(index, axis=0)


def zone_name(zone: Any) -> str:
    """A time zone as text that pandas understands; TypeError if it has no such name."""
    try:
        pd.Timestamp(0, tz=str(zone))
    except Exception as error:
        raise TypeError(f"The time zone {zone!r} has no name to write; use one of zoneinfo's.") from error
    return str(zone)


def _index(writer: Any, where: str, index: pd.Index) -> dict[str, Any]:
    if isinstance(index, pd.MultiIndex):
        levels = [index.get_level_values(j) for j in range(index.nlevels)]
        parts = [encode(writer, f"{where}.{j}", level) for j, level in enumerate(levels)]
        return {"$": "multi", "of": parts, "names": writer.node(where, list(index.names))}
    name = writer.node(where, index.name)
    if isinstance(index, pd.RangeIndex):
        return {"$": "range", "of": [index.start, index.stop, index.step], "name": name}
    return {"$": "index", "of": encode(writer, where, pd.Series(index.array)), "name": name}


def _column(writer: Any, where: str, series: pd.Series) -> dict[str, Any]:
    """A column as arrays that numpy can write."""
    dtype: Any = series.dtype
    if isinstance(dtype, np.dtype):
        return {"as": "numpy", "of": writer.array(where, series.to_numpy())}
    array: Any = series.array
    if isinstance(dtype, pd.CategoricalDtype):
        categories = encode(writer, f"{where}.categories", dtype.categories)
        codes = writer.array(where, np.asarray(array.codes))
        return {"as": "category", "of": codes, "categories": categories, "ordered": bool(dtype.ordered)}
    if isinstance(dtype, pd.StringDtype):
        cells = [None if pd.isna(text) else str(text) for text in array]
        return {"as": "string", "of": cells, "storage": dtype.storage, "nan": _is_nan(dtype)}
    if isinstance(dtype, pd.DatetimeTZDtype):
        moments = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return {"as": "zoned", "of": writer.array(where, moments), "zone": zone_name(dtype.tz)}
    if str(dtype).rstrip("0123456789") in _MASKED:
        empty = dtype.numpy_dtype.type(0)
        numbers = writer.array(where, array.to_numpy(dtype=dtype.numpy_dtype, na_value=empty))
        missing = writer.array(f"{where}.missing", np.asarray(array.isna()))
        return {"as": "masked", "of": numbers, "missing": missing, "dtype": str(dtype)}
    return _rarer_column(writer, where, array)


def _rarer_column(writer: Any, where: str, array: Any) -> dict[str, Any]:
    dtype = array.dtype
    if isinstance(dtype, pd.PeriodDtype):
        return {"as": "period", "of": writer.array(where, array.asi8), "dtype": str(dtype)}
    if isinstance(dtype, pd.IntervalDtype):
        ends = [encode(writer, f"{where}.{end}", getattr(array, end)) for end in ("left", "right")]
        return {"as": "interval", "of": ends, "closed": dtype.closed}
    if isinstance(dtype, pd.SparseDtype):
        dense = writer.array(where, np.asarray(array.to_dense()))
        return {"as": "sparse", "of": dense, "fill": writer.node(where, dtype.fill_value)}
    if isinstance(dtype, pd.ArrowDtype):
        pa: Any = import_module("pyarrow")
        name, file = writer.name(where, ".arrow"), io.BytesIO()
        table = pa.table({"column": pa.chunked_array(pa.array(array))})
        with pa.ipc.new_file(file, table.schema) as sink:
            sink.write_table(table)
        writer.member(name, file.getvalue())
        return {"as": "arrow", "of": name}
    raise TypeError(f"{where} has the dtype {dtype}, which is not written; convert the column with astype.")


def _array(reader: Any, node: dict[str, Any]) -> Any:
    """The column of a node, as an array of the dtype that it had."""
    kind = node["as"]
    if kind == "string":
        return _strings(node)
    if kind == "arrow":
        pa: Any = import_module("pyarrow")
        table = pa.ipc.open_file(reader.arrow(node["of"])).read_all()
        table.validate(full=True)  # the places of texts and lists, which reading does not check
        return pd.arrays.ArrowExtensionArray(table["column"])
    if kind == "interval":
        left, right = (decode(reader, end) for end in node["of"])
        return pd.arrays.IntervalArray.from_arrays(left, right, closed=node["closed"])
    array = reader.value(node["of"])
    if kind == "category":
        categories = decode(reader, node["categories"])
        return pd.Categorical.from_codes(array, dtype=pd.CategoricalDtype(categories, node["ordered"]))
    if kind == "zoned":
        return pd.Series(array).dt.tz_localize("UTC").dt.tz_convert(node["zone"]).array
    if kind == "masked":
        return _MASKED[node["dtype"].rstrip("0123456789")](array, reader.value(node["missing"]))
    if kind == "period":
        dtype = pd.PeriodDtype(node["dtype"].removeprefix("period[").removesuffix("]"))
        return pd.arrays.PeriodArray(array, dtype=dtype)
    if kind == "sparse":
        return pd.arrays.SparseArray(array, fill_value=reader.value(node["fill"]))
    return pd.Series(array, dtype=array.dtype)


def _is_nan(dtype: Any) -> bool:
    return isinstance(dtype.na_value, float)


def _strings(node: dict[str, Any]) -> Any:
    missing = np.nan if node["nan"] else pd.NA
    cells = np.array([missing if text is None else text for text in node["of"]], dtype=object)
    for storage in (node["storage"], "python"):  # text that was kept by pyarrow, where that is not installed
        with suppress(ImportError, TypeError):
            return pd.array(
                cells, dtype=pd.StringDtype(storage, **({"na_value": np.nan} if node["nan"] else {}))
            )
    return cells  # a pandas before 2.3, which does not know such text


def _polars(writer: Any, where: str, frame: Any) -> dict[str, Any]:
    name, file = writer.name(where, ".arrow"), io.BytesIO()
    try:
        frame.write_ipc(file)
    except BaseException as error:  # polars raises what is no Exception where Rust code panics
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise TypeError(
            f"{where} cannot be written as Arrow by polars: {error}. Convert its columns."
        ) from error
    writer.member(name, file.getvalue())
    return {"$": "polars", "of": name}


def _with_signed_codes(table: Any, pa: Any) -> Any:
    """An Arrow table with signed codes of categories: older pyarrow takes no unsigned ones to pandas."""
    for j, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type) and pa.types.is_unsigned_integer(column.type.index_type):
            signed = pa.dictionary(pa.int64(), column.type.value_type, column.type.ordered)
            table = table.set_column(j, table.column_names[j], column.cast(signed))
    return table


def _read_arrow(content: bytes) -> Any:
    try:
        import polars as pl
    except ImportError:
        pass
    else:
        return pl.read_ipc(io.BytesIO(content))
    try:
        pa: Any = import_module("pyarrow")
    except ImportError:
        message = "data was a polars frame, and neither polars nor pyarrow is installed: it is left out."
        warnings.warn(message, UserWarning, stacklevel=TO_THE_USER)
        return None
    try:
        table = pa.ipc.open_file(content).read_all()
        table.validate(full=True)
        frame = _with_signed_codes(table, pa).to_pandas()
    except pa.ArrowException as error:
        message = (
            f"data was a polars frame, of which pyarrow makes no pandas frame ({error}): it is left out."
        )
        warnings.warn(message, UserWarning, stacklevel=TO_THE_USER)
        return None
    message = "data was a polars frame; without polars it is read into pandas."
    warnings.warn(message, UserWarning, stacklevel=TO_THE_USER)
    return frame
