import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix.core.background.medoids import medoids
from agnostix.exceptions import DataError
from tests.messages import refuses

RNG = np.random.default_rng(0)
CENTERS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
SIZES = [30, 10, 20]
CLOUDS = np.concatenate([m + 0.3 * RNG.normal(size=(n, 2)) for m, n in zip(CENTERS, SIZES, strict=True)])


def mixed(n, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40.0, 9.0, n),
            "job": pd.Series(rng.choice(["clerk", "farmer"], n), dtype=object),
            "level": pd.Categorical(rng.choice(["low", "high"], n), ["low", "high", "none"]),
            "member": rng.random(n) < 0.5,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "constant": np.ones(n),
            "gone": np.full(n, np.nan),
        }
    )
    for j, name in enumerate(["age", "job", "level", "since"]):
        frame.loc[j::7, name] = None
    return frame


def is_row_of(one, rows):
    return any(one.equals(other) for other in rows)


def test_medoids_are_central_rows_of_clusters():
    background = medoids(CLOUDS, 3, 0, None)
    clouds = np.split(CLOUDS, np.cumsum(SIZES)[:-1])
    scale = CLOUDS.std(axis=0)
    expected = [
        cloud[np.square((cloud - cloud.mean(axis=0)) / scale).sum(axis=1).argmin()] for cloud in clouds
    ]
    assert sorted(background.rows.tolist()) == sorted(row.tolist() for row in expected)
    weight = {tuple(row): w for row, w in zip(background.rows.tolist(), background.weights, strict=True)}
    np.testing.assert_allclose([weight[tuple(row)] for row in expected], [1 / 2, 1 / 6, 1 / 3], rtol=1e-13)
    assert background.errors.n_components == 2


def test_medoids_ignore_column_units():
    one = medoids(CLOUDS, 5, 0, None)
    other = medoids(CLOUDS * [1024.0, 1 / 1024.0], 5, 0, None)
    np.testing.assert_array_equal(other.rows, one.rows * [1024.0, 1 / 1024.0])
    np.testing.assert_allclose(other.weights, one.weights, rtol=1e-13)


def test_medoids_weights_sum_rows_of_cluster():
    weight = np.repeat([1.0, 12.0, 0.5], SIZES)
    background = medoids(CLOUDS, 3, 0, weight)
    order = np.argsort(background.rows @ [1.0, 2.0])
    np.testing.assert_allclose(background.weights[order], np.array([30, 120, 10]) / 160, rtol=1e-13)


def test_medoids_follow_heavy_row():
    weight = np.ones(60)
    weight[4] = 1e6
    assert CLOUDS[4].tolist() in medoids(CLOUDS, 3, 0, weight).rows.tolist()


def test_medoids_ignore_zero_weight_rows():
    weight = np.repeat([1.0, 0.0, 1.0], SIZES)
    background = medoids(CLOUDS, 40, 0, weight)
    assert (background.rows[:, 0] < 5.0).all()
    np.testing.assert_allclose(background.weights.sum(), 1.0, rtol=1e-14)


def test_medoids_few_rows_with_weight_among_many():
    X = np.arange(12_000.0).reshape(-1, 1)
    weight = np.zeros(12_000)
    weight[[17, 11_000]] = 1.0, 3.0
    background = medoids(X, 10, 0, weight)
    assert background.rows[:, 0].tolist() == [17.0, 11_000.0]
    np.testing.assert_allclose(background.weights, [0.25, 0.75], rtol=1e-14)


@pytest.mark.parametrize("form", ["pandas", "polars", "objects"])
@pytest.mark.parametrize("size", [1, 6, 40])
def test_medoids_are_rows_of_table(form, size):
    frame = mixed(50)
    made = {"pandas": frame, "polars": pl.from_pandas(frame), "objects": frame.to_numpy(dtype=object)}
    table = made[form]
    background = medoids(table, size, 0, None)
    assert type(background.rows) is type(table)
    assert background.weights.size == background.rows.shape[0] <= size
    assert background.rows.shape[0] >= min(size, 6) - 1
    np.testing.assert_allclose(background.weights.sum(), 1.0, rtol=1e-14)
    if form == "pandas":
        pd.testing.assert_series_equal(background.rows.dtypes, frame.dtypes)
    as_rows = [pd.DataFrame(part).reset_index(drop=True) for part in (
        np.asarray(background.rows, dtype=object), np.asarray(table, dtype=object))]  # fmt: skip
    observed = [as_rows[1].iloc[i] for i in range(50)]
    for i in range(background.rows.shape[0]):
        assert is_row_of(as_rows[0].iloc[i], observed)


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_medoids_missing_values_are_own_cluster(missing):
    X = np.array([[1.0], [1.0], [missing], [missing], [1.0]])
    background = medoids(X, 2, 0, None)
    order = np.argsort(~np.isfinite(background.rows[:, 0]))
    np.testing.assert_array_equal(background.rows[order, 0], [1.0, missing])
    np.testing.assert_allclose(background.weights[order], [0.6, 0.4], rtol=1e-14)


@pytest.mark.parametrize("size", [3, 4, 100])
def test_medoids_keep_all_distinct_rows_if_few(size):
    X = np.repeat([[1.0, 5.0], [2.0, 5.0], [2.0, 7.0]], [4, 1, 5], axis=0)
    background = medoids(X, size, 0, None)
    assert background.rows.tolist() == [[1.0, 5.0], [2.0, 5.0], [2.0, 7.0]]
    np.testing.assert_allclose(background.weights, [0.4, 0.1, 0.5], rtol=1e-14)


@pytest.mark.parametrize("X", [np.ones((6, 2)), np.full((6, 2), np.nan)])
def test_medoids_of_equal_rows_is_one(X):
    background = medoids(X, 4, 0, None)
    np.testing.assert_array_equal(background.rows, X[:1])
    assert background.weights.tolist() == [1.0]


def test_medoids_depend_on_seed():
    X = RNG.normal(size=(200, 3))
    one, again, other = (medoids(X, 20, seed, None) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.rows, again.rows)
    np.testing.assert_array_equal(one.weights, again.weights)
    assert not np.array_equal(one.rows, other.rows)


def test_medoids_accept_large_seed():
    X = RNG.normal(size=(30, 2))
    rows = medoids(X, 5, 2**63 + 1, None).rows
    np.testing.assert_array_equal(rows, medoids(X, 5, 2**63 + 1, None).rows)


def test_medoids_of_many_rows_cluster_subsample():
    X = np.arange(20_000.0).reshape(-1, 1)
    background = medoids(X, 4, 0, None)
    assert background.rows.shape == (4, 1)
    np.testing.assert_allclose(np.sort(background.rows[:, 0]), [2500, 7500, 12500, 17500], atol=700)
    np.testing.assert_allclose(background.weights, 0.25, atol=0.03)


def test_medoids_refuse_bad_sample_weight():
    with refuses(DataError, "sample_weight", "finite", "0 or more", "60 rows"):
        medoids(CLOUDS, 3, 0, np.ones(59))
    with refuses(DataError, "sample_weight", "zero for all of the 60 rows"):
        medoids(CLOUDS, 3, 0, np.zeros(60))
