from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core.masking import Features, MaskBlock, TabularMasker
from agnostix.exceptions import DataError
from tests.messages import refuses


def masker_of(background, weights=None, groups=None):
    n = background.shape[0]
    weights = np.full(n, 1.0 / n) if weights is None else np.asarray(weights)
    names = [
        str(name) for name in getattr(background, "columns", [f"x{j}" for j in range(background.shape[1])])
    ]
    return TabularMasker(background, weights, Features.from_names(names, groups))


def built(masker, X, rows, masks, capacity=10_000):
    block = MaskBlock(slice(0, len(masks)), masks, tuple(masker.draws(masks)))
    return masker.read(X).builder(np.asarray(rows), capacity).build(block, slice(None))


def one_hidden(n_features):
    """Nothing hidden, then each feature alone."""
    return np.vstack([np.ones(n_features, dtype=bool), ~np.eye(n_features, dtype=bool)])


def test_draws_merge_equal_hidden_values():
    background = np.array([[1.0, 5.0], [2.0, 5.0], [1.0, 6.0], [1.0, 5.0]])
    masker = masker_of(background, [0.1, 0.2, 0.3, 0.4])
    nothing, first, second = masker.draws(one_hidden(2))
    assert (list(nothing.rows), list(nothing.weights)) == ([0], [1.0])
    assert list(first.rows) == [0, 1]
    np.testing.assert_allclose(first.weights, [0.8, 0.2])
    assert list(second.rows) == [0, 2]
    np.testing.assert_allclose(second.weights, [0.7, 0.3])
    (both,) = masker.draws(np.zeros((1, 2), dtype=bool))
    assert list(both.rows) == [0, 1, 2]
    np.testing.assert_allclose(both.weights, [0.5, 0.2, 0.3])


def test_draws_merge_by_group():
    masker = masker_of(np.array([[1.0, 5.0], [2.0, 5.0], [1.0, 5.0]]), groups={"g": ["x0", "x1"]})
    assert list(masker.draws(one_hidden(1))[1].rows) == [0, 1]


@pytest.mark.parametrize(
    ("values", "distinct"),
    [
        (pd.Series([1.0, np.nan, np.nan, 1.0]), [0, 1]),
        (pd.Series(["a", None, "b", "a"]), [0, 1, 2]),
        (pd.Series(["a", "b", "a"], dtype="category"), [0, 1]),
        (pd.Series([True, False, True]), [0, 1]),
        (pd.Series(pd.to_datetime(["2020-01-01", None, None, "2020-01-01", "2021-01-01"])), [0, 1, 4]),
        (
            pd.Series(pd.to_datetime(["2020-01-01", None, "2020-01-01"])).dt.tz_localize("Europe/Berlin"),
            [0, 1],
        ),
        (pd.Series(pd.to_timedelta(["1 day", None, "1 day"])), [0, 1]),
        (pd.Series(pd.period_range("2020", periods=3, freq="M")), [0, 1, 2]),
        (pd.Series([1, None, 1, 3], dtype="Int64"), [0, 1, 3]),
        (pd.Series([True, None, True], dtype="boolean"), [0, 1]),
        (pd.Series([2**53, 2**53 + 1]), [0, 1]),
        (pd.Series([2**63, 2**63 + 1, 2**63], dtype="uint64"), [0, 1]),
        (pd.Series([2**60, 2**60 + 1, None], dtype="Int64"), [0, 1, 2]),
        (pd.Series([0.0, -0.0, 0.0]), [0, 1]),
        (pd.Series([0.0, -0.0, None, None], dtype="Float64"), [0, 1, 2]),
        (pd.Series([0.5, 0.0, 0.5], dtype=pd.SparseDtype(float)), [0, 1]),
        (pd.Series([0.0, -0.0, 0.0], dtype=object), [0, 1]),
        (pl.Series([1, None, 1, 3]), [0, 1, 3]),
        (pl.Series([2**60, 2**60 + 1, None]), [0, 1, 2]),
        (pl.Series([0, 1, None], dtype=pl.Datetime("ns")), [0, 1, 2]),
        (pl.Series([Decimal("1.00000000000000000001"), Decimal("1.00000000000000000002")]), [0, 1]),
        (pl.Series(["a", None, "a"], dtype=pl.Categorical), [0, 1]),
        (pl.Series([None, pd.Timestamp("2020-01-01").date(), None]), [0, 1]),
        (pl.Series([pd.Timestamp("2020-01-01 03:00").time(), None, None]), [0, 1]),
        (pl.Series([None, None], dtype=pl.String), [0]),
    ],
    ids=lambda value: str(value.dtype) if hasattr(value, "dtype") else "",
)
def test_draws_merge_equal_values_of_any_type(values, distinct):
    frame = pl.DataFrame if isinstance(values, pl.Series) else pd.DataFrame
    masker = masker_of(frame({"a": values}))
    assert list(masker.draws(one_hidden(1))[1].rows) == distinct


@pytest.mark.parametrize("capacity", [0, 100], ids=["gathered", "in one buffer"])
def test_builder_order_is_mask_draw_row(capacity):
    background = np.array([[10.0, 20.0], [11.0, 21.0]])
    X = np.arange(8.0).reshape(4, 2)
    out = built(masker_of(background), X, [1, 3], one_hidden(2), capacity)
    np.testing.assert_array_equal(
        out,
        [[2, 3], [6, 7], [10, 3], [10, 7], [11, 3], [11, 7], [2, 20], [6, 20], [2, 21], [6, 21]],
    )
    np.testing.assert_array_equal(X, np.arange(8.0).reshape(4, 2))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("groups", [None, {"g": ["c", "a"]}])
def test_builder_frames_match_arrays(frame, groups):
    rng = np.random.default_rng(0)
    background, X = rng.integers(0, 3, (6, 3)).astype(float), rng.normal(size=(9, 3))
    names, rows = list("abc"), [2, 5, 3]
    arrays = masker_of(background, groups=groups and {"g": ["x2", "x0"]})
    frames = masker_of(frame(dict(zip(names, background.T, strict=True))), groups=groups)
    masks = rng.random((7, len(arrays.features.names))) < 0.5
    out = built(frames, frame(dict(zip(names, X.T, strict=True))), rows, masks)
    assert list(out.columns) == names
    np.testing.assert_array_equal(out.to_numpy(), built(arrays, X, rows, masks))


@pytest.mark.parametrize(
    ("own", "hidden", "dtype"),
    [
        (np.array([[1], [2]]), np.array([[0.5]]), np.float64),
        (np.array([[1.0], [2.0]]), np.array([[7]]), np.float64),
        (np.array([["a"]]), np.array([["longer"]]), np.dtype("<U6")),
        (np.array([["a"]], dtype=object), np.array([[3.5]], dtype=object), object),
        (np.array([[True]]), np.array([[3]]), np.int64),
    ],
)
def test_builder_promotes_array_dtypes(own, hidden, dtype):
    out = built(masker_of(hidden), own, [0], one_hidden(1))
    assert out.dtype == dtype
    assert out[:, 0].tolist() == [own[0, 0], hidden[0, 0]]


def test_builder_keeps_dtypes_and_categories():
    X = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], dtype="Int64"),
            "c": pd.Categorical(["x", None, "y"], ["z", "y", "x"]),
            "t": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
            "b": [True, False, True],
            "s": ["u", None, "v"],
            "o": pd.Series([(1,), None, 2.5], dtype=object),
        },
        index=[7, 7, 1],
    )
    out = built(masker_of(X), X, [2, 1], one_hidden(6))
    pd.testing.assert_series_equal(out.dtypes, X.dtypes)
    assert list(out["c"].cat.categories) == ["z", "y", "x"]
    pd.testing.assert_frame_equal(out[:2], X.iloc[[2, 1]].reset_index(drop=True))
    assert list(out.index) == list(range(len(out)))


def test_builder_keeps_column_names_of_any_type():
    X = pd.DataFrame({0: [1.0, 2.0], "b": [3.0, 4.0]})
    masker = masker_of(X)
    masker.read(X)
    out = built(masker, X, [0], one_hidden(2))
    assert list(out.columns) == [0, "b"]
    np.testing.assert_array_equal(out, [[1, 3], [1, 3], [2, 3], [1, 3], [1, 4]])


def test_builder_uses_column_names_of_fit():
    background, X = pd.DataFrame({0: [1.0], 1: [2.0]}), pd.DataFrame({"0": [3.0], "1": [4.0]})
    assert list(built(masker_of(background), X, [0], one_hidden(2)).columns) == [0, 1]


FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": pd.Categorical(["x", "y"])})


@pytest.mark.parametrize(
    ("background", "X", "facts"),
    [
        (FRAME, FRAME.to_numpy(), ["fit saw a DataFrame", "X is an array", "same form"]),
        (FRAME.to_numpy(), FRAME, ["fit saw an array", "X is a DataFrame", "same form"]),
        (FRAME, FRAME[["b"]], ["columns that fit saw (a, b)", "lacks a"]),
        (FRAME, FRAME[["b"]].assign(A=1), ["lacks a", "Did you mean 'A'?"]),
        (np.ones((2, 2)), np.ones((2, 3)), ["X has 3 columns", "fit saw has 2"]),
        (
            FRAME[["a"]],
            pl.DataFrame({"a": [1.0, 2.0]}),
            ["fit saw a DataFrame of pandas", "X is one of polars", "X.to_pandas()"],
        ),
        (FRAME, FRAME[:0], ["at least one row", "got shape (0, 2)"]),
        (FRAME, FRAME.set_axis(["a", "a"], axis=1), ["columns twice: a", "Rename or drop"]),
        (
            FRAME,
            FRAME.assign(b=pd.Categorical(["x", "z"])),
            ["'b'", "category in X", "category in what fit saw", "'z' of row 1", "Leave such rows out"],
        ),
        (
            np.ones((2, 1)),
            np.array([["a"]]),
            ["X holds values of type <U1", "fit saw is of type float64", "Convert one of them"],
        ),
        (
            np.array([["a"]]),
            np.ones((2, 1)),
            ["X holds values of type float64", "fit saw is of type <U1", "Convert one of them"],
        ),
    ],
)
def test_read_refuses_other_schema(background, X, facts):
    with refuses(DataError, *facts):
        masker_of(background).read(X)


@pytest.mark.parametrize(
    ("background", "X"),
    [
        (FRAME, FRAME[:1]),
        (np.ones((2, 1)), np.array([[1]])),
        (np.array([["a"]]), np.array([["abc"]])),
        (np.array([["a", 1]], dtype=object), np.array([["a", "b"]])),
        (FRAME, FRAME.assign(b=FRAME["b"].cat.reorder_categories(["y", "x"]))),
        (pd.DataFrame({0: [1.0]}), pd.DataFrame({"0": [2.0]})),
    ],
)
def test_read_keeps_values_of_table(background, X):
    masker = masker_of(background)
    out = built(masker, X, [0], one_hidden(X.shape[1]))
    own, replaced = pd.DataFrame(out).iloc[0], pd.DataFrame(out).iloc[1]
    assert list(own) == list(pd.DataFrame(X).iloc[0])
    assert replaced.iloc[0] == pd.DataFrame(background).iloc[0, 0]


def test_read_takes_category_order_of_background():
    X = FRAME.assign(b=FRAME["b"].cat.reorder_categories(["y", "x"]))
    out = built(masker_of(FRAME), X, [0, 1], one_hidden(2))
    assert list(out["b"].cat.categories) == ["x", "y"]
    assert list(out["b"].astype(str)) == list("xyxyxyxxyy")


@given(st.integers(0, 10_000))
def test_builder_reused_buffer_matches_new(seed):
    rng = np.random.default_rng(seed)
    n_columns = int(rng.integers(1, 6))
    background = rng.normal(size=(5, n_columns)).round(int(rng.integers(0, 3)))
    masker = masker_of(background, groups={"g": ["x0"]})
    X = rng.normal(size=(4, n_columns))
    builder = masker.read(X).builder(np.array([2, 0]), 1000)
    for _ in range(4):
        masks = rng.random((3, n_columns)) < rng.random()
        block = MaskBlock(slice(0, 3), masks, tuple(masker.draws(masks)))
        again = builder.build(block, slice(None))
        np.testing.assert_array_equal(again, built(masker, X, [2, 0], masks, capacity=0))


def test_builder_buffer_is_read_only():
    X = np.random.default_rng(0).normal(size=(9, 2))
    table = built(masker_of(X), X, [1, 3], one_hidden(2))
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0] = 0.0


def test_builder_detects_overwritten_buffer():
    X = np.random.default_rng(0).normal(size=(9, 2))
    masker, masks = masker_of(X), one_hidden(2)
    builder = masker.read(X).builder(np.array([1, 3]), 1000)
    block = MaskBlock(slice(0, 3), masks, tuple(masker.draws(masks)))
    table = builder.build(block, slice(None))
    assert builder.is_whole(table)
    before = table.copy()
    builder._memory[:] = 0.5  # as compiled code does that looks at no flags
    assert not builder.is_whole(table)
    np.testing.assert_array_equal(builder.build(block, slice(None)), before)


def in_loops(X, background, rows, masks, draws):
    """Cells as tuples, by mask, draw and row."""
    cells = []
    for mask, part in zip(masks, draws, strict=True):
        for draw in part.rows:
            for row in rows:
                cells.append((row, tuple(np.where(mask, X[row], background[draw]))))
    return cells


@given(st.integers(0, 10_000))
def test_builder_distinct_merges_equal_rows_only(seed):
    rng = np.random.default_rng(seed)
    n_columns = int(rng.integers(1, 5))
    background = rng.integers(0, 3, (6, n_columns)).astype(float)
    X = rng.integers(0, 3, (5, n_columns)).astype(float)
    X[rng.random(X.shape) < 0.1] = 7.5
    masker, masks = masker_of(background), rng.random((5, n_columns)) < 0.5
    draws = tuple(masker.draws(masks))
    block = MaskBlock(slice(0, 5), masks, draws)
    first, which = masker.read(X).builder(np.arange(5), 0).distinct(block)
    cells = in_loops(X, background, range(5), masks, draws)
    expected = {cell: place for place, cell in reversed(list(enumerate(cells)))}
    assert [first[place] for place in which] == [expected[cell] for cell in cells]


def test_merges_is_false_without_repeated_values():
    rng = np.random.default_rng(0)
    assert not masker_of(rng.normal(size=(50, 4))).merges
    assert not masker_of(np.zeros((1, 4))).merges
    assert masker_of(np.column_stack([rng.normal(size=(50, 3)), rng.integers(0, 2, 50)])).merges


def test_compose_labels_columns_by_feature():
    X = np.arange(6.0).reshape(2, 3)
    piece = masker_of(X, groups={"g": ["x0", "x2"]}).read(X).compose(np.array([1, 0]))
    np.testing.assert_array_equal(piece.x, X[[1, 0]])
    np.testing.assert_array_equal(piece.fill, X[None])
    np.testing.assert_array_equal(piece.labels, [[0, 1, 0]])
    frame = pd.DataFrame(X)
    assert masker_of(frame).read(frame).compose(np.array([1])) is None


@pytest.mark.parametrize(
    ("weights", "got"),
    [
        ([1.0], "shape (1,) and a sum of 1"),
        ([1.0, 3.0], "shape (2,) and a sum of 4"),
        ([-1.0, 2.0], "shape (2,) and a sum of 1"),
        ([np.nan, 1.0], "shape (2,) and a sum of nan"),
    ],
)
def test_weights_refused_if_not_distribution(weights, got):
    with refuses(DataError, "'weights' of TabularMasker", "2 background rows", "add up to 1", f"got {got}"):
        masker_of(np.eye(2), weights)


@pytest.mark.parametrize("columns", [((0,), (1,)), ((0,), (1, 2, 2)), ((0,), (1,), (3,))])
def test_features_refused_unless_each_column_once(columns):
    players = Features(tuple("abc"[: len(columns)]), columns)
    places = f"places {sorted(sum(columns, ()))}"
    with refuses(DataError, "'features' of TabularMasker", "3 columns once", places, "Features.from_names"):
        TabularMasker(np.eye(3), np.full(3, 1 / 3), players)
