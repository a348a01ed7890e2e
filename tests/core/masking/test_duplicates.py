import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core.features import distinct_rows, first_of_each, keys_of, value_codes


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
