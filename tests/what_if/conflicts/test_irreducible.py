"""Irreducible conflicts, against programs over every subset of the conditions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.what_if.conflicts.irreducible import ConflictFinder
from agnostix.what_if.conflicts.reachable_means import ReachableMeans
from tests.reference.conflicts import irreducible_sets, is_feasible, is_irreducible
from tests.what_if.conflicts.conflict_cases import random_conditions


def find(phi, low, high, base, bounds=None, implied=(), always=()):
    masks = [np.isin(np.arange(low.size), places) for places in (implied, always)]
    bounded = None if bounds is None else ReachableMeans(phi, base, bounds)
    ends = tuple(low[list(always)])
    return ConflictFinder(ReachableMeans(phi, base), bounded, low, high, *masks, ends).find()


@given(seed=st.integers(0, 10_000), n_conditions=st.integers(1, 5))
def test_conflict_is_one_of_the_irreducible_sets(seed, n_conditions):
    phi, low, high, base = random_conditions(seed, 40, n_conditions)
    every = irreducible_sets(phi, low, high, base)
    conflict = find(phi, low, high, base)
    if not every:
        assert conflict is None
        return
    assert tuple(conflict.places) in every
    assert conflict.has_others == (len(every) > 1)
    assert not conflict.with_bounds


@given(seed=st.integers(0, 10_000))
def test_conflict_with_bounds_needs_them(seed):
    phi, low, high, base = random_conditions(seed, 40, 4, reach=0.7)
    bounds = (0.3, 2.0)
    conflict = find(phi, low, high, base, bounds)
    if conflict is None:
        assert is_feasible(phi, low, high, base, bounds, tolerance=1e-6)
        return
    places = conflict.places
    assert is_irreducible(phi, low, high, base, places, bounds if conflict.with_bounds else (0.0, np.inf))
    part = phi[:, places], low[places], high[places], base
    assert is_feasible(*part) == conflict.with_bounds  # the weights without bounds meet the others


@given(seed=st.integers(0, 10_000))
def test_conflict_of_stated_conditions_comes_before_one_with_implied(seed):
    phi, low, high, base = random_conditions(seed, 40, 5)
    implied = [0, 3]
    own = [1, 2, 4]
    conflict = find(phi, low, high, base, implied=implied)
    if not is_feasible(phi[:, own], low[own], high[own], base):
        assert not np.isin(conflict.places, implied).any()
    elif conflict is not None:
        assert np.isin(conflict.places, implied).any()
        assert is_irreducible(phi, low, high, base, conflict.places)


def test_what_must_always_hold_is_not_named():
    phi = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, 0.0]])
    low, high = np.array([1.0, 0.2]), np.array([1.0, np.inf])
    conflict = find(phi, low, high, np.full(3, 1 / 3), always=[1])
    np.testing.assert_array_equal(conflict.places, [0])
    assert find(phi, low, high, np.full(3, 1 / 3), always=[1]).has_others is False
    assert find(phi, low, np.array([1.0, 5.0]), np.full(3, 1 / 3)).places.size == 2


@pytest.mark.parametrize("gap", [1e-6, 1e-4, 1.0])
def test_relation_that_targets_miss_by_little(gap):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    x[:, 5] = x[:, 1] + x[:, 3]
    phi = (x - x.mean(0)) / x.std(0)
    target = 0.1 * np.ones(6)
    target[5] = (x.std(0)[1] + x.std(0)[3]) / x.std(0)[5] * 0.1 + gap
    conflict = find(phi, target, target, np.full(300, 1 / 300))
    np.testing.assert_array_equal(conflict.places, [1, 3, 5])
    assert not conflict.has_others
