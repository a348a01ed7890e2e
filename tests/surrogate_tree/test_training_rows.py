"""Synthetic rows: types, distance from their parents, folds, and weights."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from agnostix.core.evaluate import evaluate
from agnostix.core.features import read_like
from agnostix.core.frames import columns, kind_of, to_codes, to_floats
from agnostix.core.models import as_predictor
from agnostix.exceptions import DataError
from agnostix.surrogate_tree.growth import TreeGrowth
from agnostix.surrogate_tree.training_rows import (
    ColumnBootstrap,
    LeafQueries,
    QuerySampler,
    SmoothedBootstrap,
)
from agnostix.testing import AdditiveModel
from agnostix.testing.tables import mixed, mixed_polars, numbers
from tests.messages import refuses
from tests.surrogate_tree.training import training_rows

MAKES = {"pandas": mixed, "polars": mixed_polars, "objects": lambda n: mixed(n).to_numpy()}


def sample(X, n=2000, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    parents = rng.integers(len(X), size=n)
    groups = np.zeros(len(X), dtype=int) if groups is None else groups
    return SmoothedBootstrap(X).sample(parents, groups, rng), parents


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_bootstrap_queries_keep_types_levels_and_missing(make):
    X = make(60)
    queries, _ = sample(X)
    assert read_like(queries, X) is queries
    for (name, observed), synthetic in zip(columns(X).items(), columns(queries).values(), strict=True):
        if kind_of(observed) == "categorical":
            assert set(to_codes(synthetic)[1]) <= set(to_codes(observed)[1])
        if kind_of(observed) == "numeric":
            before, after = to_floats(observed), to_floats(synthetic)
            low, high = np.nanmin(before), np.nanmax(before)
            assert low <= np.nanmin(after) <= np.nanmax(after) <= high
            assert np.isnan(after).any() == np.isnan(before).any()
            if (before[~np.isnan(before)] % 1 == 0).all():
                assert set(after[~np.isnan(after)]) <= set(np.arange(low, high + 1)), name


def test_bootstrap_queries_jitter_and_swap_numbers():
    X = pd.DataFrame({"x": np.random.default_rng(0).normal(50, 4, 3000)})
    queries, parents = sample(X, 40_000)
    step = queries["x"].to_numpy() - X["x"].to_numpy()[parents]
    is_near = np.abs(step) < 4 * 0.15 * X["x"].std()
    # A swapped value is as near by chance in a third of the rows.
    assert np.mean(is_near) == pytest.approx(1 - 0.15 * 0.67, abs=0.01)
    median = np.sort(np.abs(step))[int(0.5 * 0.85 * step.size)]
    assert median == pytest.approx(0.15 * X["x"].std() * 0.6745, rel=0.2)


def test_bootstrap_queries_keep_point_masses_and_levels():
    rng = np.random.default_rng(0)
    gain = np.where(rng.random(500) < 0.8, 0.0, rng.exponential(1000.0, 500))
    X = pd.DataFrame({"gain": gain, "flag": rng.integers(0, 2, 500).astype(float)})
    queries, _ = sample(X)
    assert set(queries["flag"]) == {0.0, 1.0}
    assert np.mean(queries["gain"] == 0.0) == pytest.approx(0.8, abs=0.04)
    np.testing.assert_array_equal(ColumnBootstrap.from_table(X, 0).is_noisy, gain > 0.0)


def test_bootstrap_queries_stay_within_fold():
    groups = np.arange(60) % 3
    X = pd.DataFrame({f"c{k}": pd.Series([f"{g}/{k}/{i}" for i, g in enumerate(groups)]) for k in range(4)})
    queries, parents = sample(X, groups=groups)
    for name in X.columns:
        assert [value[0] for value in queries[name]] == [str(groups[parent]) for parent in parents]
    swapped = np.mean(queries["c0"].to_numpy() != X["c0"].to_numpy()[parents])
    assert swapped == pytest.approx(0.15 * 19 / 20, abs=0.03)


def sampler(X):
    predict = partial(evaluate, as_predictor(AdditiveModel()), n_outputs=1)
    return QuerySampler(predict, SmoothedBootstrap(X), 0)


def test_leaf_queries_fill_smallest_leaves():
    X = numbers(60)
    observed = training_rows(pd.DataFrame(X), n_outputs=1)
    growth = TreeGrowth("soft", 4, 1, ("y",))
    training, rows = LeafQueries(sampler(X), lambda *rows: growth.grow(*rows).tree, 400).training_rows(
        observed, {2}
    )
    n = training.n_observed
    assert (training.fold[rows] != 2).all()
    assert (training.fold[n:] != 2).all()
    grown_on = observed.outside({2}, with_synthetic=False)
    tree = growth.grow(observed, grown_on).tree
    leaf = tree.apply_encoded(training.encoded)
    np.testing.assert_array_equal(leaf[n:], leaf[training.parent[n:]])
    n_observed, n_queries = (np.bincount(part)[tree.leaves] for part in (leaf[grown_on], leaf[n:]))
    assert 300 < training.n_synthetic <= 400
    assert np.ptp(n_observed + n_queries) < np.ptp(n_observed) + 40
    assert n_queries[n_observed.argmin()] >= n_queries[n_observed.argmax()]


def test_synthetic_sampler_function():
    X = numbers(30)
    observed = training_rows(pd.DataFrame(X), n_outputs=1)
    training = sampler(X).call(observed, 7, lambda n, rng: rng.normal(size=(n, 4)))
    assert (training.fold[30:] == -1).all()
    assert training.outside({0}).size == 24 + 7
    np.testing.assert_array_equal(training.predictions[30:, 0], AdditiveModel()(training.encoded[30:]))
    with refuses(DataError, "'synthetic' sampler of MimicTree", "7 rows", "returned 3"):
        sampler(X).call(observed, 7, lambda n, rng: X[:3])
    with refuses(DataError, "in the same form"):
        sampler(X).call(observed, 7, lambda n, rng: pd.DataFrame(X[:7]))


def test_synthetic_rows_weigh_four_times_observed():
    training = training_rows(pd.DataFrame({"x": np.arange(50.0)}), n_observed=10)
    weights = training.weights(np.arange(50))
    assert (weights[:10] == 1.0).all()
    np.testing.assert_allclose(weights[10:].sum(), 40.0)
    np.testing.assert_array_equal(training.weights(np.arange(10)), np.ones(10))
