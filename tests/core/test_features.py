"""Codes of bins and levels in numpy, pandas and polars against loops."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agnostix.core.features import (
    JointCoding,
    LevelCoding,
    NumberCoding,
    column_of,
    distinct_rows,
    first_of_each,
    keys_of,
    value_codes,
)
from agnostix.core.masking import Features
from agnostix.exceptions import DataError
from tests.core.tables import forms
from tests.messages import refuses
from tests.reference.lime import bin_of

NAMES = ["a", "b", "c", "d"]


def test_features_of_columns():
    features = Features.from_names(NAMES)
    assert features.names == ("a", "b", "c", "d")
    assert features.columns == ((0,), (1,), (2,), (3,))
    assert Features.from_names(NAMES, {}) == features


def test_players_group_takes_place_of_first_column():
    features = Features.from_names(NAMES, {"late": ["d", "b"], "c alone": ["c"]})
    assert features.names == ("a", "late", "c alone")
    assert features.columns == ((0,), (3, 1), (2,))


def test_players_group_may_be_named_as_own_column():
    features = Features.from_names(NAMES, {"b": ["b", "c"]})
    assert features.names == ("a", "b", "d")
    assert features.columns == ((0,), (1, 2), (3,))


def test_players_numeric_names_are_text():
    features = Features.from_names(["0", "1", "2"], {7: [2, 1]})
    assert features.names == ("0", "7")
    assert features.columns == ((0,), (2, 1))


@pytest.mark.parametrize(
    ("groups", "facts"),
    [
        ({"g": []}, ["group 'g'", "list of columns", "got []"]),
        ({"g": "ab"}, ["group 'g'", "list of columns", "got 'ab'"]),
        ({"g": 3}, ["group 'g'", "list of columns", "got 3"]),
        ({"g": ["a", "z"]}, ["group 'g'", "column 'z'", "not there", "a, b, c, d"]),
        ({"g": ["a", "b"], "h": ["c", "b"]}, ["column 'b'", "two groups", "'g' and 'h'"]),
        ({"g": ["a", "b", "a"]}, ["group 'g'", "column 'a' twice"]),
        ({"a": ["b", "c"]}, ["group 'a'", "name of a column that is not in it"]),
    ],
)
def test_players_refuse_bad_groups(groups, facts):
    with refuses(DataError, "feature_groups", *facts):
        Features.from_names(NAMES, groups)


def test_value_codes_keep_equal_objects_of_other_types_apart():
    values = [1, 1.0, True, "1", None, float("nan"), 1, float("nan"), None, [1], pd.NaT, pd.NaT]
    codes = value_codes(pd.Series(values, dtype=object))
    same = codes[:, None] == codes
    pairs = {(i, j) for i, j in np.argwhere(np.triu(same, 1))}
    assert pairs == {(0, 6), (5, 7), (4, 8), (10, 11)}


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, -0.0, 1.5, -2.0, float("nan")]), min_size=3, max_size=3), min_size=1
    )
)
def test_distinct_rows_same_in_any_table_type(rows):
    X = np.array(rows)
    told = [tuple(map(repr, row)) for row in X.tolist()]
    expected = [told.index(row) for row in told]
    for table in (X, pd.DataFrame(X), pl.DataFrame(X), X.astype(object), np.asfortranarray(X)):
        first, which = distinct_rows(table)
        assert list(first) == sorted(set(expected))
        assert [first[place] for place in which] == expected


def test_distinct_rows_of_labels():
    frame = pd.DataFrame({"a": ["x", "y", "x", None, None], "b": pd.Categorical(["u", "u", "u", "v", "v"])})
    first, which = distinct_rows(frame)
    assert (list(first), list(which)) == ([0, 1, 3], [0, 1, 0, 2, 2])


@pytest.mark.parametrize("keys", [[3, 1, 3, 2, 1], [5], [2**63, 2**63 + 1, 2**63]])
def test_first_of_each(keys):
    first, which = first_of_each(np.array(keys, dtype=np.uint64))
    assert [keys[first[place]] for place in which] == keys
    assert [keys.index(keys[place]) for place in first] == list(first)
    assert list(first) == sorted(first)


def test_keys_of_differ_by_column_and_code():
    codes = np.tile(np.arange(-1, 3000)[:, None], (1, 5))
    keys = keys_of(codes)
    assert np.unique(keys).size == keys.size
    assert not np.isin(keys_of(codes[:, :1], first_column=0), keys).any()
    sums = {int(a) for a in (keys[:500, None, 0] + keys[None, :500, 1]).ravel()}
    assert len(sums) == 250_000


EDGES = np.array([-1.0, 0.5, 2.0])


WORDS = ("-1", "0.5", "2")


NUMBERS = NumberCoding(1, "x", EDGES, WORDS)


@forms
@given(values=arrays(float, st.integers(1, 30), elements=st.floats(-4, 4, width=16) | st.sampled_from(EDGES)))
def test_number_coding_matches_bin_of(make, values):
    X = np.column_stack([np.zeros(values.size), values])
    assert NUMBERS.codes(make(X)).tolist() == [bin_of(x, EDGES) for x in values]


@forms
def test_number_coding_missing_is_last_bin(make):
    X = np.array([[0.0, np.nan], [0.0, np.inf], [0.0, -np.inf]])
    assert NUMBERS.codes(make(X)).tolist() == [4, 3, 0]
    assert NUMBERS.n_codes == 5


def test_number_coding_reads_null_as_missing():
    codes = NUMBERS.codes(pd.DataFrame({"a": [0, 0], "x": pd.array([None, 1], dtype="Int64")}))
    assert codes.tolist() == [4, 2]
    assert NUMBERS.codes(pl.DataFrame({"a": [0, 0], "x": [None, 1]})).tolist() == [4, 2]


def test_number_coding_describes_intervals():
    assert [NUMBERS.describe(code) for code in range(5)] == [
        "x <= -1",
        "-1 < x <= 0.5",
        "0.5 < x <= 2",
        "x > 2",
        "x missing",
    ]
    none = NumberCoding(0, "y", np.empty(0), ())
    assert (none.n_codes, none.describe(0), none.describe(1)) == (2, "y any", "y missing")


MIXED = {
    "texts": ["u", "v", None, "w"],
    "flags": [True, False, None, True],
    "objects": [1, 1.0, "1", True],
    "days": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2), None, dt.datetime(2025, 1, 1)],
}


@pytest.mark.parametrize("form", ["numpy", "pandas", "polars"])
@pytest.mark.parametrize("kind", MIXED)
def test_level_coding_same_in_numpy_pandas_polars(form, kind):
    if (form, kind) == ("polars", "objects"):
        return
    values = MIXED[kind]

    def table(places):
        column = [values[j] for j in places]
        if form == "numpy":
            return np.array(column, dtype=object)[:, None]
        return pd.DataFrame({"x": column}) if form == "pandas" else pl.DataFrame({"x": column})

    whole = table([0, 1, 2, 3])
    distinct = 3 if kind == "flags" else 4
    coding = LevelCoding(0, "x", whole[[0, 2, 1]] if form != "pandas" else whole.iloc[[0, 2, 1]])
    known = {0: 0, 2: 1, 1: 2, 3: 0 if distinct == 3 else -1}
    places = [3, 2, 1, 0, 0, 2]
    assert coding.codes(whole[places] if form != "pandas" else whole.iloc[places]).tolist() == [
        known[j] for j in places
    ]
    assert coding.n_codes == 3


def test_level_coding_ignores_category_order():
    levels = pd.DataFrame({"x": pd.Categorical(["b", "a"], categories=["a", "b", "c"])})
    given_ = pd.DataFrame({"x": pd.Categorical(["a", "b", "c", None], categories=["c", "b", "a"])})
    assert LevelCoding(0, "x", levels).codes(given_).tolist() == [1, 0, -1, -1]


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, pd.NaT])
def test_level_coding_describes_levels(gap):
    coding = LevelCoding(0, "x", np.array([["blue"], [gap], [(1, 2)], [7]], dtype=object)[:, :1])
    told = [coding.describe(code) for code in (0, 1, 3, -1)]
    assert told == ["x = blue", "x missing", "x = 7", "x not seen in fit"]


def test_level_coding_describes_list():
    levels = np.empty((1, 1), dtype=object)
    levels[0, 0] = [1, 2]
    assert LevelCoding(0, "x", levels).describe(0) == "x = [1, 2]"


def test_joint_coding_of_levels():
    X = np.array([["u", "p"], ["u", "q"], ["v", "p"]], dtype=object)
    members = LevelCoding(0, "a", X[[0, 2]]), LevelCoding(1, "b", X[[0, 1]])
    coding = JointCoding(members, np.array([[0, 0], [0, 1], [1, 0]]))
    given_ = np.array([["v", "p"], ["v", "q"], ["u", "q"], ["u", "other"], ["u", "p"]], dtype=object)
    assert coding.codes(given_).tolist() == [2, -1, 1, -1, 0]
    assert coding.n_codes == 3
    assert coding.describe(1) == "a = u and b = q"
    assert coding.describe(-1) == "a combination not seen in fit"


def test_joint_coding_of_bins_and_levels():
    X = np.array([[0.0, 1.0], [3.0, 0.0], [3.0, 1.0]])
    coding = JointCoding(
        (NumberCoding(0, "a", EDGES, WORDS), LevelCoding(1, "b", X[:2])), np.array([[1, 0], [3, 1]])
    )
    assert coding.codes(X).tolist() == [0, 1, -1]
    assert coding.describe(1) == "a > 2 and b = 0.0"


@forms
def test_column_of_returns_series(make):
    column = column_of(make(np.arange(6.0).reshape(3, 2)), 1)
    assert isinstance(column, pd.Series | pl.Series)
    assert column.to_list() == [1.0, 3.0, 5.0]
