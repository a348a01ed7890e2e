import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix.exceptions import DataError
from agnostix.report.inputs import SelectedRows
from tests.messages import refuses

X = pd.DataFrame({"age": [30.0, 40.0, 50.0, 60.0], "town": ["n", "s", "n", "w"]})
LABELLED = X.set_axis(["ann", "bob", "cy", "bob"], axis=0)


@pytest.mark.parametrize("rows", [2, np.int64(2), [2], (label for label in [2]), np.array([2])])
def test_selected_rows_read_position(rows):
    selected = SelectedRows.from_selection(rows, X)
    assert selected.positions == (2,)
    assert selected.labels == (None,)
    assert selected.table["age"].tolist() == [50.0]


def test_selected_rows_keep_requested_order():
    selected = SelectedRows.from_selection(["cy", 0], LABELLED)
    assert selected.positions == (2, 0)
    assert selected.labels == ("cy", "ann")
    assert SelectedRows.from_selection("cy", LABELLED).positions == (2,)


def test_selected_rows_read_integer_as_position():
    turned = X.set_axis([3, 2, 1, 0], axis=0)
    assert SelectedRows.from_selection([3], turned).positions == (3,)
    assert SelectedRows.from_selection([3], turned).labels == (0,)


def test_selected_rows_read_multiindex_label():
    table = X.set_index(pd.MultiIndex.from_product([["a", "b"], [1, 2]]))
    assert SelectedRows.from_selection(("b", 1), table).positions == (2,)


def test_selected_rows_read_several_multiindex_labels():
    table = X.set_index(pd.MultiIndex.from_product([["a", "b"], [1, 2]]))
    assert SelectedRows.from_selection([("b", 1), ("a", 2)], table).positions == (2, 1)
    assert SelectedRows.from_selection([("b", 1)], table).positions == (2,)


def test_selected_rows_new_rows_may_have_more_columns_and_decimals():
    table = X.assign(age=[1, 2, 3, 4])
    selected = SelectedRows.from_selection(X.head(1).assign(age=1.5, pay=1), table)
    assert list(selected.table.columns) == ["age", "town"]
    assert selected.table["age"].tolist() == [1.5]


def test_selected_rows_of_numpy_and_polars():
    numbers = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(SelectedRows.from_selection([1], numbers).table, [[2.0, 3.0]])
    frame = pl.DataFrame({"a": [1, 2, 3]})
    assert SelectedRows.from_selection([2, 0], frame).table["a"].to_list() == [3, 1]


@pytest.mark.parametrize(
    ("rows", "table", "facts"),
    [
        (4, X, ["no row 4", "positions run from 0 to 3."]),
        (-1, X, ["no row -1", "positions run from 0 to 3."]),
        (True, X, ["no row True", "positions run from 0 to 3."]),
        (1.0, X, ["no row 1.0", "positions run from 0 to 3."]),
        ("dee", X, ["no row 'dee'", "positions run from 0 to 3."]),
        (
            "dee",
            LABELLED,
            ["no row 'dee'", "positions run from 0 to 3", "labels are 'ann', 'bob', 'cy' and others"],
        ),
        ("bob", LABELLED, ["2 rows have the label 'bob'", "position: 1, 3"]),
        (
            20,
            X.set_axis([10, 20, 30, 40], axis=0),
            ["no row 20", "positions run from 0 to 3", "label 20", "position 1"],
        ),
        ([1, 2, 1], X, ["row 1", "twice"]),
        ([0, "ann"], LABELLED, ["row 'ann'", "twice"]),
        (X.iloc[1], X, ["rows is a Series", "X.iloc[[3]]", "list of positions or labels"]),
        (X[["age"]], X, ["rows", "(age, town)", "lacks town"]),
        (
            pl.DataFrame({"age": [1.0], "town": ["n"]}),
            X,
            ["rows is one of polars", "fit saw a DataFrame of pandas", "X.to_pandas()"],
        ),
        (
            X.head(1).assign(age="old"),
            X,
            ["'age'", "in rows", "'old' of row 0", "float64 in what fit saw"],
        ),
        (
            X.head(1),
            X.assign(age=[1, 2, 3, 4]).assign(town=pd.Categorical(["a", "b", "a", "b"])),
            ["'town'", "in rows", "'n' of row 0", "category in what fit saw"],
        ),
        (np.ones((1, 3)), np.ones((4, 2)), ["rows has 3 columns", "has 2"]),
    ],
)
def test_selected_rows_refuse_bad_rows(rows, table, facts):
    with refuses(DataError, *facts):
        SelectedRows.from_selection(rows, table)


def test_selected_rows_new_rows_take_column_order_and_dtypes():
    table = X.assign(town=X["town"].astype("category"))
    new = pd.DataFrame({"town": ["s", None], "age": [35, 36]}, index=["eve", "flo"])
    selected = SelectedRows.from_selection(new, table)
    assert selected.table.dtypes.tolist() == table.dtypes.tolist()
    assert list(selected.table.columns) == ["age", "town"]
    assert selected.positions == (None, None)
    assert selected.labels == ("eve", "flo")
    assert selected.table["town"].isna().tolist() == [False, True]
    assert new["age"].dtype == "int64"


def test_selected_rows_new_polars_rows_take_dtypes():
    table = pl.DataFrame({"age": [1.0, 2.0], "town": ["n", "s"]})
    selected = SelectedRows.from_selection(pl.DataFrame({"town": ["w"], "age": [3]}), table)
    assert selected.table.schema == table.schema
    with refuses(DataError, "'age'", "String in rows", "'x' of row 0", "Float64 in what fit saw"):
        SelectedRows.from_selection(pl.DataFrame({"town": ["w"], "age": ["x"]}), table)


def test_selected_rows_new_rows_may_be_equal():
    assert SelectedRows.from_selection(X.iloc[[0, 0]].reset_index(drop=True), X).positions == (None, None)
