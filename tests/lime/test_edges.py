"""Bin edges against percentiles, repeated rows and decision trees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.tree import DecisionTreeClassifier

from agnostix.lime.edges import N_BINS, entropy_edges, quantile_edges, snapped
from tests.reference.lime import bin_of, quartile_edges

numbers = arrays(float, st.integers(1, 60), elements=st.floats(-1e6, 1e6, width=32))
few = arrays(float, st.integers(1, 60), elements=st.integers(-3, 3).map(float))


@given(st.one_of(numbers, few), st.sampled_from([2, 4, 10]))
def test_quantile_edges_equal_weights_are_percentiles(values, n_bins):
    expected = np.percentile(values, 100.0 * np.arange(1, n_bins) / n_bins)
    for weight in (1.0, 0.3):
        edges = quantile_edges(values, np.full(values.size, weight), n_bins)
        np.testing.assert_allclose(edges, np.unique(edges))
        scale = 1e-12 * np.abs(values).max(initial=1.0)
        assert np.abs(expected[:, None] - edges).min(axis=1).max() <= scale
        assert np.abs(expected[:, None] - edges).min(axis=0).max() <= scale


@given(few)
def test_quantile_edges_merge_ties(values):
    edges = quantile_edges(values, np.ones(values.size), N_BINS["quartile"])
    np.testing.assert_array_equal(edges, quartile_edges(values))


@given(st.one_of(numbers, few), st.data())
def test_quantile_edges_weights_are_repeated_rows(values, data):
    weights = data.draw(arrays(np.int64, values.size, elements=st.integers(1, 4)))
    weights[data.draw(st.integers(0, values.size - 1))] = 1
    expected = quantile_edges(np.repeat(values, weights), np.ones(weights.sum()), 4)
    np.testing.assert_allclose(quantile_edges(values, weights.astype(float), 4), expected)


@given(st.one_of(numbers, few), st.integers(0, 2**31))
def test_quantile_edges_ignore_row_order(values, seed):
    rng = np.random.default_rng(seed)
    weights, order = rng.integers(1, 5, values.size).astype(float), rng.permutation(values.size)
    np.testing.assert_array_equal(
        quantile_edges(values, weights, 4), quantile_edges(values[order], weights[order], 4)
    )


def test_quantile_edges_of_constant_and_single_row():
    for n in (1, 7):
        assert quantile_edges(np.full(n, 5.0), np.ones(n), 4).tolist() == [5.0]


@pytest.mark.parametrize("seed", range(4))
def test_entropy_edges_are_tree_thresholds(seed):
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(size=200), rng.integers(1, 4, 200).astype(float)
    labels = (np.sin(3.0 * values) + 0.3 * rng.normal(size=200) > 0).astype(int)
    edges = entropy_edges(values, weights, labels)
    repeated = np.repeat(np.arange(200), weights.astype(int))
    tree = DecisionTreeClassifier(criterion="entropy", max_depth=3, random_state=0)
    tree.fit(values[repeated, None], labels[repeated])
    assert 1 < edges.size <= 7
    bins = np.searchsorted(edges, values)
    chances = tree.predict_proba(values[:, None])
    for one in np.unique(bins):  # the tree says the same throughout a bin
        assert np.ptp(chances[bins == one], axis=0).max() < 1e-12


def test_entropy_edges_separate_classes():
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert entropy_edges(values, np.ones(6), np.array(list("aabbbb"))).tolist() == [1.5]


def test_entropy_edges_of_single_class_is_median():
    values = np.array([3.0, 1.0, 2.0])
    assert entropy_edges(values, np.ones(3), np.zeros(3)).tolist() == [2.0]


@given(st.one_of(numbers, few), arrays(float, st.integers(0, 6), elements=st.floats(-2e6, 2e6, width=32)))
def test_snapped_edges_occur_and_keep_bins(values, edges):
    edges = np.unique(edges)
    found = snapped(edges, values)
    assert set(found) <= set(values)
    assert (np.diff(found) > 0).all()
    before = [bin_of(x, edges) for x in values]
    after = [bin_of(x, found) for x in values]
    same = {(a, b) for a in range(len(values)) for b in range(a) if before[a] == before[b]}
    assert {(a, b) for a in range(len(values)) for b in range(a) if after[a] == after[b]} == same
