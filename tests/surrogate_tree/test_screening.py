"""Screening of columns, and growth on wide tables, against searches of all columns."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix import MimicTree, as_predictor
from agnostix.surrogate_tree import cross_fitting, growth
from agnostix.surrogate_tree.growth import TreeGrowth
from agnostix.surrogate_tree.screening import N_BINS, N_SCREENED, BinnedColumns, bin_values
from tests.surrogate_tree.training import training_rows

N_WIDE = growth.MOST_SEARCHED + 8


def wide_table(n_rows, seed, mostly_zero=False, missing=False):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, N_WIDE)).round(2)
    if mostly_zero:
        X[rng.random(X.shape) < 0.93] = 0.0
    if missing:
        X[rng.random(X.shape) < 0.05] = np.nan
    return X


def reductions(X, targets, weights, is_observed, min_samples_leaf):
    """Largest reduction of the loss by a threshold of each column, from the definition."""
    best = np.zeros(X.shape[1])

    def loss(rows):
        mean = np.average(targets[rows], axis=0, weights=weights[rows])
        return float((weights[rows, None] * (targets[rows] - mean) ** 2).sum())

    for j, column in enumerate(X.T):
        missing = np.isnan(column)
        for threshold in np.unique(column[~missing]):
            for left in (column <= threshold, (column <= threshold) | missing):
                sides = [np.flatnonzero(left), np.flatnonzero(~left)]
                if all(is_observed[one].any() and one.size >= min_samples_leaf for one in sides):
                    gain = loss(np.arange(len(X))) - sum(loss(one) for one in sides)
                    best[j] = max(best[j], gain)
    return best


@given(
    seed=st.integers(0, 10**6),
    min_samples_leaf=st.integers(1, 4),
    equal_weights=st.booleans(),
    n_targets=st.integers(1, 3),
)
def test_screened_columns_of_few_values_are_the_best(seed, min_samples_leaf, equal_weights, n_targets):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 4, (25, N_SCREENED + 6)).astype(float)
    X[:, ::2] *= rng.random((25, X[:, ::2].shape[1])) < 0.15  # mostly 0
    X[rng.random(X.shape) < 0.03] = np.nan
    rows = rng.integers(0, 25, 20)
    targets, is_observed = rng.normal(size=(20, n_targets)), rng.random(20) < 0.7
    is_observed[0] = True
    weights = np.where(is_observed, 1.0, 0.3) if equal_weights else rng.random(20) + 0.1
    columns = BinnedColumns.from_encoded(X)
    screened = columns.screen(rows, targets, weights, is_observed, min_samples_leaf)
    expected = reductions(X[rows], targets, weights, is_observed, min_samples_leaf)
    assert screened.size <= N_SCREENED
    assert np.all(np.diff(screened) > 0)
    left = np.setdiff1d(np.arange(X.shape[1]), screened)
    least = expected[screened].min() if screened.size == N_SCREENED else 0.0
    assert expected[left].max() <= least + 1e-9


@given(st.lists(st.one_of(st.floats(-1e300, 1e300), st.just(0.0), st.just(np.nan)), max_size=80))
def test_bins_are_in_the_order_of_values(values):
    values = np.array(values, dtype=float)
    bins, present = bin_values(values), ~np.isnan(values)
    assert (bins[~present] == N_BINS).all()
    assert (bins[present] < N_BINS).all()
    ordered = bins[present][np.argsort(values[present], kind="stable")].astype(int)
    assert (np.diff(ordered) >= 0).all()
    if np.unique(values[present]).size <= N_BINS:
        assert np.unique(ordered).size == np.unique(values[present]).size


def test_bins_tell_the_few_numbers_of_a_column_of_zeros_apart():
    values = np.zeros(10_000)
    values[:200] = np.arange(1, 201)
    assert np.unique(bin_values(values)).size > N_BINS / 3


def test_columns_left_out_are_not_screened():
    X = np.random.default_rng(0).normal(size=(30, 3))
    columns = BinnedColumns.from_encoded(X)
    columns = BinnedColumns(
        columns.bins, columns.full, columns.others, columns.usual, columns.mostly, frozenset({1})
    )
    screened = columns.screen(np.arange(30), X[:, [1]], np.ones(30), np.ones(30, bool), 1)
    assert screened.tolist() == [0, 2]


@pytest.mark.parametrize("mostly_zero", [False, True])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n_observed", [120, 40])
def test_wide_growth_is_as_the_search_of_all_columns(monkeypatch, mostly_zero, missing, n_observed):
    X = wide_table(120, 0, mostly_zero, missing)
    X[:, :2] = np.random.default_rng(1).normal(size=(120, 2))
    training = training_rows(X, n_observed)
    steps = (X[:, [0]] > 0.1) + 0.5 * (X[:, [1]] > -0.2) * np.array([1.0, -1.0])
    training.predictions[:] = steps
    grow = TreeGrowth("soft", 4, 1, ("a", "b")).grow
    wide = grow(training, np.arange(120))
    monkeypatch.setattr(growth, "MOST_SEARCHED", N_WIDE)
    full = grow(training, np.arange(120))
    assert wide.tree.feature.tolist() == full.tree.feature.tolist()
    np.testing.assert_array_equal(wide.tree.threshold, full.tree.threshold)
    np.testing.assert_allclose(wide.tree.values, full.tree.values, rtol=1e-12)
    np.testing.assert_array_equal(wide.tree.n_observed, full.tree.n_observed)
    assert (wide.tree.n_observed > 0).all()
    assert wide.estimator.n_features_in_ == N_WIDE


def test_wide_growth_splits_levels(monkeypatch):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(90, N_WIDE)), columns=[f"c{j}" for j in range(N_WIDE)])
    frame["c3"] = rng.choice(["u", "v", "w", "x"], 90)
    training = training_rows(frame, probabilities=True)
    right = frame["c3"].isin(["u", "w"]).to_numpy(dtype=float)
    training.predictions[:] = np.column_stack([1 - 0.8 * right, 0.8 * right])
    grown = TreeGrowth("hard", 2, 1, ("no", "yes")).grow(training, np.arange(90))
    assert grown.tree.feature.tolist() == [3, -1, -1]
    assert grown.tree.levels[0] in ({0, 2}, {1, 3})
    assert grown.tree.loss[1:].max() < 1e-20
    without = TreeGrowth("hard", 2, 1, ("no", "yes"), left_out=frozenset({3})).grow(training, np.arange(90))
    assert 3 not in without.tree.feature


def test_wide_growth_max_leaf_nodes_and_constant_predictions():
    training = training_rows(wide_table(40, 0))
    assert TreeGrowth("soft", 1, 1, ("a", "b")).grow(training, np.arange(40)).tree.n_nodes == 1
    grown = TreeGrowth("soft", 30, 7, ("a", "b")).grow(training, np.arange(40))
    assert grown.tree.n_observed[grown.tree.leaves].min() >= 7
    training.predictions[:] = 0.25
    assert TreeGrowth("soft", 8, 1, ("a", "b")).grow(training, np.arange(40)).tree.n_nodes == 1


def test_wide_fit_explains_whatever_the_order_of_rows():
    X = wide_table(60, 0)
    model = as_predictor(lambda Z: 1.0 * (np.asarray(Z)[:, 0] > 0), task="regression")
    one, other = (
        MimicTree(model, max_leaf_nodes=4, max_queries=200, random_state=0, verbose=0).fit(rows)
        for rows in (X, pd.DataFrame(X[::-1]).set_axis([f"x{j}" for j in range(N_WIDE)], axis=1))
    )
    assert one.rule_tree_.feature[0] == 0
    assert one.to_text() == other.to_text()
    assert one.fidelity_.r2 == other.fidelity_.r2
    values = one.explain(X[:3]).values
    np.testing.assert_allclose(values.sum(axis=1) + one.rule_tree_.values[0], one.predict(X[:3])[:, None])
    assert one.feature_importances_.shape == (N_WIDE,)


@pytest.mark.parametrize(("n_columns", "n_rows"), [(10, 8000), (750, 8000), (5000, 1200), (7_000_000, 100)])
def test_default_synthetic_rows_of_wide_tables(n_columns, n_rows):
    search = cross_fitting.TreeSearch(None, "auto", "auto", "r2", 16, 1, None, (), False, 0)
    assert search._count_queries(100, 100, n_columns) == n_rows
    assert search._count_queries(9000, 9000, n_columns) == 9000
