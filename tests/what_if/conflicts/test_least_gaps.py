"""Least sums of gaps by column generation, against programs with every row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.what_if.conflicts.least_gaps import least_gaps, reachable_fraction
from agnostix.what_if.conflicts.reachable_means import ReachableMeans
from tests.reference.conflicts import least_sum_of_gaps, reachable_part
from tests.what_if.conflicts.conflict_cases import random_conditions


@given(seed=st.integers(0, 10_000), n_conditions=st.integers(1, 6), is_bounded=st.booleans())
def test_least_sum_of_gaps_is_that_of_the_program_with_all_rows(seed, n_conditions, is_bounded):
    phi, low, high, base = random_conditions(seed, 40, n_conditions)
    costs = np.random.default_rng(seed).uniform(0.5, 3.0, n_conditions)
    bounds = (0.2, 4.0) if is_bounded else None
    reach = ReachableMeans(phi, base, bounds)
    gaps = least_gaps(reach, low, high, costs, np.arange(n_conditions))
    expected = least_sum_of_gaps(phi, low, high, base, costs, bounds or (0.0, np.inf))
    assert gaps.cost == pytest.approx(expected, abs=2e-6)
    assert gaps.bound == pytest.approx(gaps.cost, abs=1e-6)
    means = reach.mixture(gaps.factors) @ phi
    missed = np.maximum(np.maximum(low - means, means - high), 0.0)
    assert missed @ costs == pytest.approx(gaps.cost, abs=1e-8)


@given(seed=st.integers(0, 10_000))
def test_multipliers_prove_the_bound(seed):
    phi, low, high, base = random_conditions(seed, 50, 5)
    gaps = least_gaps(ReachableMeans(phi, base), low, high, np.ones(5), np.arange(5), together=True)
    asked = sum(y * (a if y > 0 else z) for y, a, z in zip(gaps.multipliers, low, high, strict=True) if y)
    assert asked - max(row @ gaps.multipliers for row in phi) == pytest.approx(gaps.bound, abs=1e-12)
    assert np.abs(gaps.multipliers).sum() <= 1.0 + 1e-9  # so no weights come closer together


def test_gaps_together_are_the_largest_gap():
    phi = np.array([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
    reach = ReachableMeans(phi, np.full(4, 0.25))
    target = np.array([4.0, 2.0])
    gaps = least_gaps(reach, target, target, np.ones(2), np.arange(2), together=True)
    assert gaps.cost == pytest.approx(3.0)
    np.testing.assert_array_equal(gaps.support, [0])


def test_conditions_that_must_hold_do():
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(200, 3))
    phi -= phi.mean(0)
    target = np.array([0.0, 9.0, 9.0])
    reach = ReachableMeans(phi, np.full(200, 1 / 200))
    gaps = least_gaps(reach, target, target, np.array([np.inf, 1.0, 1.0]), np.arange(3))
    assert gaps.means[0] == pytest.approx(0.0, abs=1e-9)
    free = least_gaps(reach, target, target, np.ones(3), np.arange(1, 3))
    assert free.cost < gaps.cost


def test_only_the_places_asked_for_count():
    phi = np.array([[-1.0, 0.0], [1.0, 0.0]])
    reach = ReachableMeans(phi, np.full(2, 0.5))
    target = np.array([5.0, 0.0])
    assert least_gaps(reach, target, target, np.ones(2), np.array([1])).cost == pytest.approx(0.0)
    assert least_gaps(reach, target, target, np.ones(2), np.array([0])).cost == pytest.approx(4.0)


def test_decision_does_not_need_the_optimum():
    rng = np.random.default_rng(3)
    phi = rng.normal(size=(5000, 20))
    target = np.full(20, 0.8)
    base = np.full(5000, 1 / 5000)
    decided, settled = (ReachableMeans(phi, base) for _ in range(2))
    one = least_gaps(decided, target, target, np.ones(20), np.arange(20), decide=1e-8)
    other = least_gaps(settled, target, target, np.ones(20), np.arange(20))
    assert 1e-8 < one.bound <= other.cost + 1e-9
    assert len(decided.points) < len(settled.points)


@given(seed=st.integers(0, 10_000), size=st.sampled_from([0.3, 1.0, 5.0]))
def test_reachable_fraction_is_that_of_the_program_with_all_rows(seed, size):
    rng = np.random.default_rng(seed)
    phi = rng.normal(size=(50, 3))
    phi -= phi.mean(0)
    target = rng.normal(size=3) * size
    reach = ReachableMeans(phi, np.full(50, 1 / 50))
    assert reachable_fraction(reach, target, target) == pytest.approx(reachable_part(phi, target), abs=1e-8)


def test_reachable_fraction_leaves_ends_that_are_met_where_they_are():
    phi = np.array([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    reach = ReachableMeans(phi, np.full(4, 0.25))
    low, high = np.array([2.0, -0.5]), np.array([3.0, 0.5])
    assert reachable_fraction(reach, low, high) == pytest.approx(0.5)


def test_reachable_fraction_within_bounds():
    phi = np.array([[-1.0], [1.0]])
    reach = ReachableMeans(phi, np.full(2, 0.5), (0.5, 1.5))
    assert reachable_fraction(reach, np.ones(1), np.ones(1)) == pytest.approx(0.5, abs=1e-3)
