"""Stages of a row, what a look costs, and errors in units of the tolerance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from agnostix.shapley.budgets import auto_budget
from agnostix.shapley.coalitions import count_pairs, first_pairs
from agnostix.shapley.stopping import (
    forecast_evaluations,
    level_of_look,
    relative_errors,
    stage_pairs,
)


@pytest.mark.parametrize(
    ("n_players", "n_pairs", "expected"),
    [
        (8, 127, [14, 21, 32, 48, 127]),  # 72 are more than half of all
        (7, 63, [13, 20, 30, 63]),
        (20, 255, [26, 39, 59, 89, 134, 201, 255]),
        (20, 26, [26]),
        (20, 21, [21]),  # fewer than a first look
    ],
)
def test_stages_grow_by_half_up_to_all_pairs_of_the_budget(n_players, n_pairs, expected):
    assert stage_pairs(n_players, n_pairs) == expected


@given(st.integers(2, 40), st.data())
def test_stages_of_a_larger_budget_begin_with_those_of_a_smaller_one(n_players, data):
    most = min(count_pairs(n_players), 2000)
    small, large = sorted(data.draw(st.integers(n_players - 1, max(most, n_players - 1))) for _ in range(2))
    *early, last = stage_pairs(n_players, small)
    later = stage_pairs(n_players, large)
    shared = min(len(early), len(later) - 1)  # of an exact design the last stages may be left out
    assert early[:shared] == later[:shared]
    assert later == sorted(set(later))
    assert last == small
    assert later[0] >= min(first_pairs(n_players), large)


def test_chances_of_all_looks_sum_to_five_percent():
    chances = [1.0 - level_of_look(look) for look in range(1, 40)]
    assert chances[0] == pytest.approx(0.025)
    assert sum(chances) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("n_players", "tol", "budget"),
    [(3, 0.1, 8), (9, 0.1, 512), (12, 0.1, 512), (12, None, 4096), (13, None, 512), (80, 0.1, 640)],
)
def test_auto_budget_by_players_and_tolerance(n_players, tol, budget):
    assert auto_budget(n_players, tol) == budget


@pytest.mark.parametrize(("dof", "level"), [(np.inf, 0.95), (3.0, 0.95), (4.5, 0.99)])
def test_relative_errors_are_half_widths_of_worst_player_and_output(dof, level):
    values = np.array([[[1.0, 0.0], [3.0, 10.0]]])  # ranges of 3, as 0 is included, and of 10
    factor = student.ppf(0.5 + level / 2, dof) / student.ppf(0.975, np.inf)
    for variances, expected in (([[[0.09, 4.0], [0.36, 1.0]]], 0.2), ([[[0.81, 4.0], [0.04, 1.0]]], 0.3)):
        actual = relative_errors(values, np.array(variances), np.full(values.shape, dof), level)
        np.testing.assert_allclose(actual, [expected * factor])


def test_relative_errors_take_the_median_of_the_degrees_of_freedom():
    values, variances = np.array([[[0.0], [1.0], [0.5]]]), np.array([[[0.04], [0.01], [0.01]]])
    expected = 0.2 * student.ppf(0.975, 3.0) / student.ppf(0.975, np.inf)
    actual = relative_errors(values, variances, np.array([[[1.0], [3.0], [50.0]]]), 0.95)
    np.testing.assert_allclose(actual, [expected])


def test_relative_errors_of_equal_values_are_relative_to_them():
    values, variances = np.full((1, 3, 1), 2.0), np.full((1, 3, 1), 0.04)
    np.testing.assert_allclose(relative_errors(values, variances, np.full((1, 3, 1), np.inf), 0.95), [0.1])


def test_relative_errors_of_zeros_are_0_if_exact_else_infinite():
    variances = np.zeros((2, 3, 1))
    variances[1, 2] = 1e-9
    actual = relative_errors(np.zeros((2, 3, 1)), variances, np.full((2, 3, 1), 2.0), 0.95)
    np.testing.assert_array_equal(actual, [0.0, np.inf])


def test_relative_errors_of_no_players_are_0():
    empty = np.empty((2, 0, 3))
    np.testing.assert_array_equal(relative_errors(empty, empty, empty, 0.95), [0, 0])


def test_forecast_is_what_was_taken_where_the_tolerance_is_met():
    actual = forecast_evaluations(np.array([30, 30, 30]), np.array([0.2, 2.0, 100.0]), 8)
    assert actual.tolist() == [30, 120, 256]
