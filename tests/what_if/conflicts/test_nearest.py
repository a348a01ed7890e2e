"""The nearest weights: least sum of gaps by a program with every row, least divergence by a cone program."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.exceptions import ConvergenceError
from agnostix.what_if.calibration import project
from agnostix.what_if.conflicts.nearest import ElasticConditions, nearest_weights
from tests.reference.conflicts import closest_with_gaps, least_sum_of_gaps, total_gap
from tests.reference.what_if import divergence
from tests.what_if.conflicts.conflict_cases import random_conditions


def nearest(phi, low, high, base, costs, groups=None, bounds=None):
    def calibrate(phi, low, high):
        try:
            projection = project(phi, low, high, base, weight_bounds=bounds)
        except ConvergenceError:
            return None
        return None if projection.status == "infeasible" else projection.weights

    groups = (None,) * low.size if groups is None else groups
    return nearest_weights(ElasticConditions(phi, low, high, costs, groups, base, bounds), calibrate)


@given(seed=st.integers(0, 10_000), n_conditions=st.integers(1, 5))
def test_sum_of_gaps_is_the_least_but_for_what_is_short_of_the_hull(seed, n_conditions):
    phi, low, high, base = random_conditions(seed, 60, n_conditions)
    costs = np.random.default_rng(seed).uniform(0.5, 3.0, n_conditions)
    least = least_sum_of_gaps(phi, low, high, base, costs)
    weights = nearest(phi, low, high, base, costs)
    assert weights.sum() == pytest.approx(1.0)
    assert weights.min() >= 0.0
    at_data = total_gap(phi, low, high, costs, base)
    assert total_gap(phi, low, high, costs, weights) <= least + 1e-8 + 1e-3 * at_data


@pytest.mark.parametrize("seed", range(1, 13))
def test_weights_are_the_closest_of_those_with_the_least_sum_of_gaps(seed):
    phi, low, high, base = random_conditions(seed, 60, 4)
    costs = np.random.default_rng(seed).uniform(0.5, 3.0, 4)
    weights = nearest(phi, low, high, base, costs)
    limit = total_gap(phi, low, high, costs, weights)
    assert limit > 1e-3
    least, _ = closest_with_gaps(phi, low, high, base, costs, limit + 1e-9)
    assert divergence(weights, base) <= least + 1e-4


@pytest.mark.parametrize("bounds", [(0.2, 3.0), (0.0, 2.0), (0.5, np.inf)])
def test_bounds_on_weights_are_kept(bounds):
    phi, low, high, base = random_conditions(4, 60, 3)
    costs = np.ones(3)
    weights = nearest(phi, low, high, base, costs, bounds=bounds)
    assert (weights / base).min() >= bounds[0] - 1e-9
    assert (weights / base).max() <= bounds[1] + 1e-9
    least = least_sum_of_gaps(phi, low, high, base, costs, bounds)
    assert total_gap(phi, low, high, costs, weights) == pytest.approx(least, rel=2e-2, abs=1e-6)


def test_costs_say_what_is_moved():
    x = np.linspace(-1.0, 1.0, 50)
    phi = np.c_[x, x] / x.std()
    base = np.full(50, 1 / 50)
    target = np.array([0.3, 0.5])
    for costs, expected in (([1.0, 5.0], [0.5, 0.5]), ([5.0, 1.0], [0.3, 0.3])):
        weights = nearest(phi, target, target, base, np.array(costs))
        np.testing.assert_allclose(weights @ phi, expected, atol=1e-9)


def test_what_must_hold_does():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    phi = (x - x.mean(0)) / x.std(0)
    low = np.array([9.0, 0.0])
    weights = nearest(phi, low, low, np.full(400, 1 / 400), np.array([1.0, np.inf]))
    assert weights @ phi[:, 1] == pytest.approx(0.0, abs=1e-9)


def test_a_group_keeps_its_weight_where_its_mean_cannot_be_reached():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    group = rng.random(300) < 0.4
    base = np.full(300, 1 / 300)
    share = (group - group.mean()) / group.std()
    inside = np.where(group, x - 5.0, 0.0)  # the mean in the group is to be 5
    phi = np.c_[share, inside / inside.std()]
    target = np.array([0.5, 0.0])
    weights = nearest(phi, target, target, base, np.ones(2), (None, group))
    assert weights @ share == pytest.approx(0.5, abs=1e-9)
    assert weights[group] @ x[group] / weights[group].sum() == pytest.approx(x[group].max(), abs=1e-2)
    alone = nearest(phi[:, 1:], target[1:], target[1:], base, np.ones(1), (group,))
    assert alone[group].sum() == pytest.approx(group.mean(), abs=1e-9)
