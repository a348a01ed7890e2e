import datetime

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from agnostix.core.frames import (
    as_read_only,
    as_table,
    build_table,
    column_names,
    column_values,
    columns,
    copy_table,
    is_frame,
    kind_of,
    select,
    take_rows,
    to_codes,
    to_floats,
    to_numbers,
)
from agnostix.exceptions import DataError
from tests.messages import refuses

DATES = [datetime.date(2024, 1, 2), datetime.date(2024, 1, 1)]


def test_is_frame():
    assert is_frame(pd.DataFrame({"a": [1]}))
    assert is_frame(pl.DataFrame({"a": [1]}))
    for other in (np.zeros((2, 2)), [[1, 2]], pd.Series([1]), {"a": [1]}, None):
        assert not is_frame(other)


def test_as_table_returns_same_table():
    for table in (pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]}), np.zeros((2, 2))):
        assert as_table(table) is table
    np.testing.assert_array_equal(as_table([[1, 2], [3, 4]]), [[1, 2], [3, 4]])


def test_as_table_unwraps_narwhals():
    for table in (pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]})):
        assert as_table(nw.from_native(table)) is table
    with refuses(DataError, "X is a pyarrow Table", "X.to_pandas()"):
        as_table(nw.from_native(pa.table({"a": [1]})))
    with refuses(DataError, "X.collect()"):
        as_table(nw.from_native(pl.LazyFrame({"a": [1]})))


@pytest.mark.parametrize(
    "names", [["a", "b", "a"], [1, "b", "1"], ["a", "a", "a"]], ids=["text", "number and text", "thrice"]
)
def test_as_table_refuses_repeated_columns(names):
    twice = "a" if "a" in names else "1"
    with refuses(DataError, f"columns twice: {twice}", "Rename or drop"):
        as_table(pd.DataFrame(np.zeros((2, 3)), columns=names))


def test_as_table_refuses_images():
    facts = (
        "X must have two dimensions",
        "array of shape (2, 4, 4)",
        "OcclusionExplainer and RiseExplainer",
        "masker=SegmentMasker() of LimeExplainer and KernelShapExplainer",
    )
    with refuses(DataError, *facts):
        as_table(np.zeros((2, 4, 4)))


class Elsewhere:
    """Cannot be converted to an array."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("it is on another device.")


def test_as_table_refuses_unreadable_array():
    facts = ("X is a Elsewhere", "it is on another device", "X.detach().cpu().float().numpy()")
    with refuses(DataError, *facts):
        as_table(Elsewhere())


@pytest.mark.parametrize(
    ("X", "facts"),
    [
        (np.zeros(3), ("an array of shape (3,)", "X.reshape(-1, 1)", "X.reshape(1, -1)")),
        ([0.0, 1.0], ("a list of shape (2,)", "[X]", "[[x] for x in X]")),
        (np.zeros(()), ("an array of shape ()", "a DataFrame, an array, or a list of rows")),
        ("table.csv", ("a str of shape ()", "a DataFrame, an array, or a list of rows")),
    ],
    ids=["array", "list", "number", "path"],
)
def test_as_table_refuses_other_dimensions(X, facts):
    with refuses(DataError, "X must have two dimensions", *facts):
        as_table(X)


def test_as_table_refuses_series():
    for series, row in ((pd.Series([1, 2, 3]), "df.iloc[[i]]"), (pl.Series([1, 2, 3]), "df[[i]]")):
        with refuses(DataError, "a Series of shape (3,)", row, "X.to_frame()"):
            as_table(series)


@pytest.mark.parametrize("make", [scipy.sparse.csr_array, scipy.sparse.csc_matrix, scipy.sparse.coo_array])
def test_as_table_refuses_sparse(make):
    with refuses(DataError, "X is sparse", "X.toarray()", "DataFrame"):
        as_table(make(np.eye(2)))


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        (np.zeros((0, 3)), (0, 3)),
        (np.zeros((3, 0)), (3, 0)),
        (pd.DataFrame({"a": []}), (0, 1)),
        (pd.DataFrame(index=range(2)), (2, 0)),
        (pl.DataFrame({"a": []}), (0, 1)),
        (pl.DataFrame(), (0, 0)),
    ],
)
def test_as_table_refuses_empty(table, shape):
    with refuses(DataError, "at least one row and one column", f"got shape {shape}"):
        as_table(table)


@pytest.mark.parametrize(
    ("table", "remedy"),
    [
        (pl.LazyFrame({"a": [1]}), "X.collect()"),
        (pa.table({"a": [1, 2], "b": [3, 4]}), "X.to_pandas()"),
        ([[1, 2], [3]], "rows of equal length"),
    ],
    ids=["lazy", "arrow", "ragged"],
)
def test_as_table_refuses_lazy_arrow_and_ragged(table, remedy):
    with refuses(DataError, remedy):
        as_table(table)


def test_column_names_of_frames_and_arrays():
    assert column_names(pd.DataFrame([[1, 2]], columns=["b", 3])) == ["b", "3"]
    assert column_names(pl.DataFrame({"b": [1], "a": [2]})) == ["b", "a"]
    assert column_names(np.zeros((2, 3))) == ["x0", "x1", "x2"]


def test_columns_of_frame_are_series():
    for make in (pd.DataFrame, pl.DataFrame):
        frame = make({"b": [1, 2], "a": ["x", "y"]})
        found = columns(frame)
        assert list(found) == ["b", "a"]
        assert type(found["a"]) is type(frame["a"])
        assert found["b"].to_list() == [1, 2]


def test_columns_of_object_array_infer_dtypes():
    table = np.array([[1, "a", 2.5, True, None], [2, "b", None, False, None]], dtype=object)
    assert [kind_of(column) for column in columns(table).values()] == [
        "numeric",
        "categorical",
        "numeric",
        "categorical",
        "categorical",
    ]


def test_columns_of_float_array_keep_values():
    table = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_array_equal(np.stack([to_floats(c) for c in columns(table).values()], 1), table)


def test_select_keeps_requested_order():
    for make in (pd.DataFrame, pl.DataFrame):
        found = select(make({"a": [1], "b": [2], "c": [3]}), ["c", "a"])
        assert isinstance(found, make)
        assert list(found.columns) == ["c", "a"]


class Branded(pd.DataFrame):
    """A frame of a library that extends pandas."""

    @property
    def _constructor(self):
        return Branded


MIXED = {
    "text": pd.Series(["a", None, "c"]),
    "objects": pd.Series(["a", 1, None], dtype=object),
    "texts as objects": pd.Series(["a", "b", "c"], dtype=object),
    "level": pd.Categorical(["x", "y", None], categories=["z", "y", "x"], ordered=True),
    "whole": pd.array([1, None, 3], dtype="Int64"),
    "day": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
    4: [1.5, np.nan, 2.5],
}


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("make", [pd.DataFrame, Branded], ids=["pandas", "subclass"])
def test_build_table_pandas_keeps_types_and_names(make, copy):
    frame = make(MIXED, index=[7, 8, 9]).rename_axis(columns="what")
    rows = np.array([2, 0, 1, 1])
    columns = {j: column_values(frame, j)[rows] for j in (3, 0, 1, 2, 6, 5, 4)}
    built = build_table(frame, columns, copy=copy)
    assert type(built) is make
    pd.testing.assert_frame_equal(built, take_rows(frame, rows).reset_index(drop=True))


def test_build_table_polars_keeps_types():
    schema = {"a": pl.Enum(["z", "y", "x"]), "b": pl.Int8, "c": pl.Date}
    frame = pl.DataFrame({"a": ["x", None, "y"], "b": [1, None, 3], "c": [None, *DATES]}, schema=schema)
    rows = np.array([2, 0, 1, 1])
    built = build_table(frame, {j: column_values(frame, j)[rows] for j in (2, 0, 1)})
    assert built.schema == frame.schema
    assert built.equals(frame[rows])


def test_build_table_array_is_stored_by_column():
    table = np.arange(6.0).reshape(3, 2)
    built = build_table(table, {j: column_values(table, j) for j in (1, 0)})
    np.testing.assert_array_equal(built, table)
    assert built.flags.f_contiguous
    assert not np.shares_memory(built, table)


@pytest.mark.parametrize("copy", [True, False])
def test_build_table_copies_columns_if_asked_to(copy):
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    column = np.array([3.0, 4.0])
    built = build_table(frame, {0: pd.array(column, copy=False)}, copy=copy)
    assert np.shares_memory(built["a"].to_numpy(), column) is not copy


@pytest.mark.parametrize("take", [copy_table, as_read_only])
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, np.array], ids=["pandas", "polars", "numpy"])
def test_copy_table_and_as_read_only_keep_table_unchanged(make, take):
    table = make([[1.0, 2.0], [3.0, 4.0]])
    other = take(table)
    if make is pl.DataFrame:
        other.drop_in_place("column_0")
    elif make is pd.DataFrame:
        other.pop(1)
        if take is copy_table:
            other.iloc[0, 0] = 9.0
    elif take is copy_table:
        other[0, 0] = 9.0
    else:
        with refuses(ValueError, "read-only"):
            other[0, 0] = 9.0
    assert np.array_equal(np.asarray(table), np.asarray(make([[1.0, 2.0], [3.0, 4.0]])))


KINDS = {
    "int": (pd.Series([1, 2]), "numeric"),
    "float": (pd.Series([1.0, np.nan]), "numeric"),
    "small int": (pd.Series([1, 2], dtype="uint8"), "numeric"),
    "Int64": (pd.Series([1, None], dtype="Int64"), "numeric"),
    "Float32": (pd.Series([1, None], dtype="Float32"), "numeric"),
    "arrow float": (pd.Series([1, None], dtype="double[pyarrow]"), "numeric"),
    "sparse float": (pd.Series(pd.arrays.SparseArray([0.0, 1.0])), "numeric"),
    "bool": (pd.Series([True, False]), "categorical"),
    "boolean": (pd.Series([True, None], dtype="boolean"), "categorical"),
    "str": (pd.Series(["a", None]), "categorical"),
    "object": (pd.Series(["a", 1], dtype=object), "categorical"),
    "category": (pd.Series([1, 2], dtype="category"), "categorical"),
    "datetime": (pd.Series(pd.to_datetime(DATES)), "date"),
    "zoned": (pd.Series(pd.to_datetime(DATES).tz_localize("UTC")), "date"),
    "duration": (pd.Series(pd.to_timedelta([1, 2], unit="D")), "date"),
    "polars int": (pl.Series([1, None]), "numeric"),
    "polars float": (pl.Series([1.5, None]), "numeric"),
    "polars decimal": (pl.Series(["1.5"]).cast(pl.Decimal(10, 2)), "numeric"),
    "polars bool": (pl.Series([True, None]), "categorical"),
    "polars str": (pl.Series(["a", None]), "categorical"),
    "polars categorical": (pl.Series(["a"], dtype=pl.Categorical), "categorical"),
    "polars enum": (pl.Series(["a"], dtype=pl.Enum(["a", "b"])), "categorical"),
    "polars date": (pl.Series(DATES), "date"),
    "polars nothing": (pl.Series([None, None]), "categorical"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_of_series(name):
    series, kind = KINDS[name]
    assert kind_of(series) == kind


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1.0, None, 3.0]),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1, None, 3], dtype="Float32"),
        pd.Series([1, None, 3], dtype="int64[pyarrow]"),
        pd.Series(pd.arrays.SparseArray([1.0, np.nan, 3.0])),
        pl.Series([1, None, 3]),
        pl.Series([1.0, None, 3.0], dtype=pl.Float32),
        pl.Series([1.0, float("nan"), 3.0]),
        pl.Series(["1", None, "3"]).cast(pl.Decimal(10, 2)),
    ],
)
def test_to_floats_missing_is_nan(series):
    found = to_floats(series)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [1.0, np.nan, 3.0])


@pytest.mark.parametrize("make", [pd.Series, pl.Series])
def test_to_floats_keeps_bits(make):
    values = np.array([0.1, -0.0, 1e-310, 1e308, np.inf])
    assert to_floats(make(values)).tobytes() == values.tobytes()


@pytest.mark.parametrize("make", [pd.Series, pl.Series])
def test_to_floats_booleans(make):
    np.testing.assert_array_equal(to_floats(make([True, False])), [1.0, 0.0])


LABELS = ["b", "a", None, "b", "c"]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(LABELS),
        pd.Series(LABELS, dtype=object),
        pd.Series(LABELS, dtype="string"),
        pd.Series(LABELS, dtype="string[pyarrow]"),
        pd.Series(LABELS, dtype="category"),
        pd.Series(pd.Categorical(LABELS, categories=["unused", "c", "b", "a"])),
        pl.Series(LABELS),
        pl.Series(LABELS, dtype=pl.Categorical),
    ],
    ids=["str", "object", "string", "arrow", "category", "category in no order", "polars", "polars category"],
)
def test_to_codes_sorts_unordered_labels(series):
    codes, levels = to_codes(series)
    assert levels == ("a", "b", "c")
    assert codes.tolist() == [1, 0, -1, 1, 2]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(pd.Categorical(LABELS, categories=["c", "unused", "b", "a"], ordered=True)),
        pl.Series(LABELS, dtype=pl.Enum(["c", "unused", "b", "a"])),
    ],
    ids=["ordered category", "enum"],
)
def test_to_codes_keeps_order_of_ordered_labels(series):
    codes, levels = to_codes(series)
    assert levels == ("c", "b", "a")
    assert codes.tolist() == [1, 2, -1, 1, 0]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([True, None, False], dtype="boolean"),
        pd.Series([True, None, False]),
        pl.Series([True, None, False]),
    ],
    ids=["boolean", "object", "polars"],
)
def test_to_codes_booleans(series):
    codes, levels = to_codes(series)
    assert levels == (False, True)
    assert codes.tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    "series", [pd.Series([None, None]), pd.Series([np.nan, np.nan]), pl.Series([None, None])]
)
def test_to_codes_all_missing_has_no_levels(series):
    codes, levels = to_codes(series)
    assert levels == ()
    assert codes.tolist() == [-1, -1]


def test_to_codes_missing_labels():
    codes, levels = to_codes(pd.Series(["a", None, np.nan, pd.NA, pd.NaT], dtype=object))
    assert levels == ("a",)
    assert codes.tolist() == [0, -1, -1, -1, -1]


def test_to_codes_labels_of_different_types():
    codes, levels = to_codes(pd.Series([1, "1", "a", 1], dtype=object))
    assert codes[0] != codes[1]
    assert len(levels) == 3
    assert [levels[c] for c in codes] == [1, "1", "a", 1]


def test_to_codes_index_levels():
    values = np.random.default_rng(0).choice(list("qwertzuiop"), 200)
    for series in (pd.Series(values), pl.Series(values)):
        codes, levels = to_codes(series)
        assert [levels[c] for c in codes] == values.tolist()
        assert sorted(set(values)) == list(levels)


DAY = 24 * 3600 * 10**9
MOMENTS = ["2020-01-01", None, "2020-01-03"]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(pd.to_datetime(MOMENTS)),
        pd.Series(pd.to_datetime(MOMENTS)).dt.tz_localize("Europe/Berlin"),
        pd.Series(pd.to_datetime(MOMENTS)).astype("date32[pyarrow]"),
        pd.Series(pd.to_datetime(MOMENTS)).astype("timestamp[ns][pyarrow]"),
        pd.Series(pd.to_timedelta(["1D", None, "3D"])),
        pd.Series(pd.to_timedelta(["1D", None, "3D"])).astype("duration[ns][pyarrow]"),
    ],
    ids=lambda series: str(series.dtype),
)
def test_to_numbers_dates_and_durations(series):
    numbers = to_numbers(series)
    assert numbers.dtype == float
    assert np.isnan(numbers).tolist() == [False, True, False]
    assert numbers[2] - numbers[0] == 2 * DAY


def test_to_numbers_polars_dates():
    series = pl.Series("day", [datetime.date(2020, 1, 1), None, datetime.date(2020, 1, 3)])
    for made, step in ((series, 2), (series.cast(pl.Datetime("us")), 2 * DAY // 1000)):
        numbers = to_numbers(made)
        assert np.isnan(numbers).tolist() == [False, True, False]
        assert numbers[2] - numbers[0] == step


def test_to_numbers_keeps_numbers():
    np.testing.assert_array_equal(to_numbers(pd.Series([1, 2])), [1.0, 2.0])
