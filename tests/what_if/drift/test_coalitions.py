"""Which coalitions are solved, and the Shapley values of their values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.what_if.drift.coalitions import MOST_EXACT, CoalitionPlan
from tests.reference.drift import shapley_by_orders


def random_game(n_columns, seed):
    values = {}
    rng = np.random.default_rng(seed)

    def value(columns):
        return values.setdefault(tuple(sorted(columns)), rng.normal())

    return value


def quadratic_game(n_columns, seed):
    rng = np.random.default_rng(seed)
    linear, pairs = rng.normal(size=n_columns), rng.normal(size=(n_columns, n_columns))

    def value(columns):
        inside = np.isin(np.arange(n_columns), columns).astype(float)
        return float(inside @ linear + inside @ pairs @ inside)

    return value


def shapley(plan, value):
    return plan.weights.T @ np.array([value(one) for one in plan.coalitions])


@given(st.integers(1, 5), st.integers(0, 1000))
def test_exact_plan_averages_all_orders(n_columns, seed):
    value = random_game(n_columns, seed)
    plan = CoalitionPlan.exact(n_columns)
    assert len(plan.coalitions) == 2**n_columns
    np.testing.assert_allclose(shapley(plan, value), shapley_by_orders(value, n_columns), atol=1e-12)


@given(st.integers(1, 6), st.integers(0, 1000), st.booleans())
def test_values_sum_to_full_minus_empty(n_columns, seed, is_exact):
    value = random_game(n_columns, seed)
    plan = CoalitionPlan.exact(n_columns) if is_exact else CoalitionPlan.sampled(n_columns, 6, seed)
    assert plan.coalitions[0] == ()
    assert plan.coalitions[-1] == tuple(range(n_columns))
    total = value(plan.coalitions[-1]) - value(())
    assert shapley(plan, value).sum() == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_order_with_its_reverse_is_exact_for_pairs(seed):
    """A game of pairwise interactions: each pair is met in both orders."""
    value = quadratic_game(7, seed)
    plan = CoalitionPlan.sampled(7, 4, seed)
    np.testing.assert_allclose(shapley(plan, value), shapley(CoalitionPlan.exact(7), value), atol=1e-12)
    values = np.array([value(one) for one in plan.coalitions])
    np.testing.assert_allclose(plan.sampling_errors(values), 0.0, atol=1e-12)


def test_sampling_errors_are_those_of_the_sampled_values():
    """Over seeds, sampled values spread around the exact ones as their errors say."""
    value = random_game(6, 0)
    exact = shapley(CoalitionPlan.exact(6), value)
    deviations, errors = [], []
    for seed in range(300):
        plan = CoalitionPlan.sampled(6, 20, seed)
        values = np.array([value(one) for one in plan.coalitions])
        deviations.append(plan.weights.T @ values - exact)
        errors.append(plan.sampling_errors(values))
    spread = np.sqrt(np.mean(np.square(deviations), axis=0))
    np.testing.assert_allclose(spread, np.sqrt(np.mean(np.square(errors), axis=0)), rtol=0.2)


def test_exact_plan_has_no_sampling_error():
    plan = CoalitionPlan.from_columns(3, None, 0)
    assert plan.sampling_errors(np.arange(8.0)).tolist() == [0.0, 0.0, 0.0]


def test_all_orders_up_to_twelve_columns_unless_a_number_is_stated():
    assert CoalitionPlan.from_columns(4, None, 0).orders is None
    assert CoalitionPlan.from_columns(4, 10, 0).orders.shape == (10, 4)
    plan = CoalitionPlan.from_columns(MOST_EXACT + 1, None, 0)
    assert plan.orders.shape == (40, MOST_EXACT + 1)
    np.testing.assert_array_equal(plan.orders[0], plan.orders[1][::-1])


def test_plan_is_the_seed_s_alone():
    one, other = (CoalitionPlan.sampled(9, 12, 3) for _ in range(2))
    assert one.coalitions == other.coalitions
    assert CoalitionPlan.sampled(9, 12, 4).coalitions != one.coalitions
