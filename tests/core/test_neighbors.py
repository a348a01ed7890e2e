import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core import neighbors
from agnostix.core.neighbors import find_neighbors
from tests.reference import gower


def mixed(n=60, seed=0):
    """Numbers with ties and holes, a constant, labels with holes, truth values."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 30, n),
            "pay": np.where(rng.random(n) < 0.3, np.nan, rng.normal(1e6, 3.0, n)),
            "same": 7.0,
            "town": rng.choice(["north", "south", None], n),
            "member": rng.random(n) < 0.5,
        }
    )


def rows_of(X):
    return list(zip(*(X[name].to_list() for name in X), strict=True))


def columns_of(X):
    return [X[name].to_list() for name in X]


def nearest(X, rows, own, k=5, candidates=None):
    candidates = np.arange(len(X)) if candidates is None else candidates
    return find_neighbors(X, rows, candidates, own, k)


@pytest.mark.parametrize("seed", range(3))
def test_nearest_match_gower_reference(seed):
    X = mixed(seed=seed)
    positions = (0, 17, 41)
    for near, own in zip(nearest(X, X.iloc[list(positions)], positions), positions, strict=True):
        expected = gower.nearest(rows_of(X)[own], rows_of(X), columns_of(X), 5, own)
        assert near.positions.tolist() == [j for j, _ in expected]
        np.testing.assert_allclose(near.distances, [d for _, d in expected], atol=1e-12)
        for position, parts in zip(near.positions, near.parts, strict=True):
            pairs = zip(rows_of(X)[own], rows_of(X)[position], columns_of(X), strict=True)
            np.testing.assert_allclose(parts, [gower.part(*pair) for pair in pairs], atol=1e-12)
        far = [
            gower.distance(rows_of(X)[own], r, columns_of(X)) for j, r in enumerate(rows_of(X)) if j != own
        ]
        assert near.median == pytest.approx(np.median(far))
        assert near.n_compared == len(X) - 1


def test_nearest_of_new_row_with_unseen_values():
    X = mixed()
    new = pd.DataFrame(
        {"age": [90], "pay": [0.0], "same": [8.0], "town": ["elsewhere"], "member": [True]},
    )
    (near,) = nearest(X, new, (None,))
    expected = gower.nearest(rows_of(new)[0], rows_of(X), columns_of(X), 5)
    assert near.positions.tolist() == [j for j, _ in expected]
    np.testing.assert_allclose(near.distances, [d for _, d in expected])
    np.testing.assert_array_equal(near.parts[:, [0, 2, 3]], 1.0)
    assert near.n_equal == 0
    assert near.n_compared == len(X)


@given(st.integers(0, 59), st.integers(0, 59))
def test_distance_is_symmetric_and_in_0_1(i, j):
    X = mixed()
    there = nearest(X, X.iloc[[i]], (None,), 1, np.array([j]))[0].distances[0]
    back = nearest(X, X.iloc[[j]], (None,), 1, np.array([i]))[0].distances[0]
    assert there == back
    assert 0.0 <= there <= 1.0
    assert (there == 0.0) == (i == j)


def test_nearest_counts_equal_rows_without_row_itself():
    X = pd.concat([mixed(20)] * 3, ignore_index=True)
    (own,) = nearest(X, X.iloc[[4]], (4,))
    assert own.n_equal == 2
    assert own.positions[:2].tolist() == [24, 44]
    (new,) = nearest(X, X.iloc[[4]], (None,))
    assert new.n_equal == 3
    assert new.positions[:3].tolist() == [4, 24, 44]


def test_distance_missing_is_near_missing_only():
    X = pd.DataFrame({"x": [np.nan, 1.0, 2.0, np.nan], "s": ["a", None, "a", None]})
    (near,) = nearest(X, X.iloc[[0]], (0,), 3)
    by_position = dict(zip(near.positions.tolist(), near.parts.tolist(), strict=True))
    assert by_position == {1: [1.0, 1.0], 2: [1.0, 0.0], 3: [0.0, 1.0]}


def test_distance_of_dates():
    days = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-11", None])
    for X in (pd.DataFrame({"day": days}), pl.DataFrame({"day": [*days[:3].to_pydatetime(), None]})):
        (near,) = nearest(X, X[:1], (0,), 3)
        assert near.positions.tolist() == [1, 2, 3]
        np.testing.assert_allclose(near.distances, [0.1, 1.0, 1.0])


def test_nearest_among_candidates_only():
    X = mixed()
    candidates = np.array([40, 3, 9])
    (near,) = nearest(X, X.iloc[[3]], (3,), 5, candidates)
    assert sorted(near.positions.tolist()) == [9, 40]
    assert near.n_compared == 2


def test_nearest_in_blocks_matches_whole(monkeypatch):
    X = mixed()
    positions = tuple(range(7))
    whole = nearest(X, X.iloc[:7], positions)
    monkeypatch.setattr(neighbors, "_MAX_CELLS", 2 * len(X))
    for one, other in zip(whole, nearest(X, X.iloc[:7], positions), strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.distances, other.distances)
        np.testing.assert_array_equal(one.parts, other.parts)


def test_nearest_same_for_numpy_pandas_polars():
    numbers = np.random.default_rng(0).normal(size=(50, 3)).round(1)
    tables = [numbers, pd.DataFrame(numbers), pl.DataFrame(numbers, schema=["a", "b", "c"])]
    results = [nearest(X, X[2:4], (2, 3)) for X in tables]
    for near in results[1:]:
        for one, other in zip(results[0], near, strict=True):
            np.testing.assert_array_equal(one.positions, other.positions)
            np.testing.assert_array_equal(one.distances, other.distances)
