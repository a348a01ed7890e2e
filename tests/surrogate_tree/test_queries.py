"""Synthetic query rows: types, distance from their parents, and folds."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from agnostix.core.evaluate import evaluate
from agnostix.core.frames import check_schema, columns, kind_of, to_codes, to_floats
from agnostix.core.models import as_predictor
from agnostix.exceptions import DataError
from agnostix.surrogate_tree.drawn_in_leaves import DrawnInLeaves
from agnostix.surrogate_tree.growth import Growth
from agnostix.surrogate_tree.queries import SmoothedBootstrap
from agnostix.surrogate_tree.query_column import QueryColumn
from agnostix.surrogate_tree.query_sampler import QuerySampler
from agnostix.testing import AdditiveModel
from agnostix.testing.tables import mixed, mixed_polars, numbers
from tests.messages import refuses
from tests.surrogate_tree.materials import material

MAKES = {"pandas": mixed, "polars": mixed_polars, "objects": lambda n: mixed(n).to_numpy()}


def drawn(X, n=2000, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    parents = rng.integers(len(X), size=n)
    groups = np.zeros(len(X), dtype=int) if groups is None else groups
    return SmoothedBootstrap(X).draw(parents, groups, rng), parents


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_bootstrap_queries_keep_types_levels_and_missing(make):
    X = make(60)
    found, _ = drawn(X)
    check_schema(found, X)
    for (name, given), new in zip(columns(X).items(), columns(found).values(), strict=True):
        if kind_of(given) == "categorical":
            assert set(to_codes(new)[1]) <= set(to_codes(given)[1])
        if kind_of(given) == "numeric":
            own, more = to_floats(given), to_floats(new)
            assert np.nanmin(own) <= np.nanmin(more) <= np.nanmax(more) <= np.nanmax(own)
            assert np.isnan(more).any() == np.isnan(own).any()
            if (own[~np.isnan(own)] % 1 == 0).all():
                assert set(more[~np.isnan(more)]) <= set(np.arange(np.nanmin(own), np.nanmax(own) + 1)), name


def test_bootstrap_queries_jitter_and_swap_numbers():
    X = pd.DataFrame({"x": np.random.default_rng(0).normal(50, 4, 3000)})
    found, parents = drawn(X, 40_000)
    step = found["x"].to_numpy() - X["x"].to_numpy()[parents]
    near = np.abs(step) < 4 * 0.15 * X["x"].std()
    assert np.mean(near) == pytest.approx(
        1 - 0.15 * 0.67, abs=0.01
    )  # another row is as near by chance in a third
    inner = np.sort(np.abs(step))[int(0.5 * 0.85 * step.size)]
    assert inner == pytest.approx(0.15 * X["x"].std() * 0.6745, rel=0.2)


def test_bootstrap_queries_keep_point_masses_and_levels():
    rng = np.random.default_rng(0)
    gain = np.where(rng.random(500) < 0.8, 0.0, rng.exponential(1000.0, 500))
    X = pd.DataFrame({"gain": gain, "flag": rng.integers(0, 2, 500).astype(float)})
    found, _parents = drawn(X)
    assert set(found["flag"]) == {0.0, 1.0}
    assert np.mean(found["gain"] == 0.0) == pytest.approx(0.8, abs=0.04)
    assert not QueryColumn.learn(X, 0).moves[gain == 0.0].any()
    assert QueryColumn.learn(X, 0).moves[gain > 0.0].all()


def test_bootstrap_queries_stay_within_fold():
    groups = np.arange(60) % 3
    X = pd.DataFrame({f"c{k}": pd.Series([f"{g}/{k}/{i}" for i, g in enumerate(groups)]) for k in range(4)})
    found, parents = drawn(X, groups=groups)
    for name in X.columns:
        assert [value[0] for value in found[name]] == [str(groups[parent]) for parent in parents]
    swapped = np.mean(found["c0"].to_numpy() != X["c0"].to_numpy()[parents])
    assert swapped == pytest.approx(0.15 * 19 / 20, abs=0.03)


def sampler(X):
    predict = partial(evaluate, as_predictor(AdditiveModel()), n_outputs=1)
    return QuerySampler(predict, SmoothedBootstrap(X), 0)


def test_leaf_queries_fill_smallest_leaves():
    X = numbers(60)
    one = material(pd.DataFrame(X), n_outputs=1)
    growth = Growth("soft", 4, 1, ("y",))
    more, rows = DrawnInLeaves(sampler(X), growth, 400).rows(one, {2})
    assert (more.fold[rows] != 2).all()
    assert (more.fold[more.n_real :] != 2).all()
    first = growth.grown(one, one.without({2}, drawn=False)).tree
    leaf = first.apply_read(more.numbers)
    np.testing.assert_array_equal(leaf[more.n_real :], leaf[more.parent[more.n_real :]])
    held, new = (
        np.bincount(part)[first.leaves] for part in (leaf[one.without({2}, drawn=False)], leaf[more.n_real :])
    )
    assert 300 < more.fold.size - 60 <= 400
    assert np.ptp(held + new) < np.ptp(held) + 40
    assert new[held.argmin()] >= new[held.argmax()]


def test_synthetic_sampler_function():
    X = numbers(30)
    one = material(pd.DataFrame(X), n_outputs=1)
    more = sampler(X).sample(one, 7, lambda n, rng: rng.normal(size=(n, 4)))
    assert (more.fold[30:] == -1).all()
    assert more.without({0}, drawn=True).size == 24 + 7
    np.testing.assert_array_equal(more.answers[30:, 0], AdditiveModel()(more.numbers[30:]))
    with refuses(DataError, "'synthetic' sampler of MimicTree", "7 rows", "gave 3"):
        sampler(X).sample(one, 7, lambda n, rng: X[:3])
    with refuses(DataError, "in the same form"):
        sampler(X).sample(one, 7, lambda n, rng: pd.DataFrame(X[:7]))
