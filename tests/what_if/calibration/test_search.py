from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agnostix.what_if.calibration.search import descend, graded_grid, search
from tests.reference.fairness import (
    closest_by_nlp,
    closest_with_variance,
    divergence_at_ratio,
    ratio_grid,
    variance_of_pairs,
)
from tests.reference.what_if import distance_from_tilt, divergence
from tests.what_if.calibration.parametric_problems import (
    cells_problem,
    correlation_problem,
    make,
    ratio_problem,
    two_groups,
    variance_problem,
)

SHARES = st.floats(0.02, 0.98)


def fine_minimum(problem, n=1_501):
    """Least value on an even grid of a single scalar."""
    grid = np.linspace(problem.low[0], problem.high[0], n)
    return min(problem.at(np.array([theta])).value for theta in grid)


@given(split=st.tuples(SHARES, SHARES), rates=st.tuples(SHARES, SHARES), ratio=st.floats(0.05, 20.0))
@example(split=(0.5, 0.98), rates=(0.02, 0.98), ratio=20.0)
@example(split=(0.37, 0.8), rates=(0.975, 0.32), ratio=4.23)
@example(split=(0.52, 0.05), rates=(0.008, 0.42), ratio=5.86)
def test_ratio_matches_closed_form_over_grid(split, rates, ratio):
    masses = (split[0] * split[1], split[0] * (1.0 - split[1]))
    found = search(cells_problem(ratio, masses, rates))
    expected = divergence_at_ratio(ratio_grid(ratio), ratio, masses, rates).min()
    assert found.best.projection.status == "ok"
    assert found.value <= expected + 1e-12
    theta = found.best.theta[0]
    assert found.value == pytest.approx(divergence_at_ratio(theta, ratio, masses, rates), abs=1e-9)


def test_lower_of_two_minima_is_taken():
    masses, rates, ratio = (0.33, 0.45), (0.997, 0.158), 1.36
    values = divergence_at_ratio(ratio_grid(ratio), ratio, masses, rates)
    assert ((values[1:-1] < values[:-2]) & (values[1:-1] < values[2:])).sum() == 2
    found = search(cells_problem(ratio, masses, rates))
    assert found.n_minima == 2
    assert found.value == pytest.approx(values.min(), abs=1e-6)
    assert found.value <= values.min()


@pytest.mark.parametrize(
    ("ratio", "mean"), [(0.5, None), (1.2, None), (0.9, 0.5), (1.3, -0.6), (2.0, 2.5), (0.5, 2.2)]
)
def test_no_point_of_fine_grid_is_better(ratio, mean):
    problem = ratio_problem(ratio, mean)
    found = search(problem)
    assert found.best.projection.status == "ok"
    assert found.value <= fine_minimum(problem) + 1e-12
    assert abs(found.best.slope[0]) <= 1e-9
    assert found.best.curvature[0, 0] > 0.0


def test_feasible_range_narrower_than_grid_is_found_by_certificates():
    problem = ratio_problem(2.0, 2.55)
    far = replace(problem, high=np.array([0.499]), start=np.array([0.1]))  # feasible from 0.475 on
    grid = graded_grid(float(far.low[0]), 0.49, far.start)
    assert not any(far.at(np.array([theta])).is_feasible for theta in grid[grid < 0.475])
    narrow = replace(far, high=np.array([5.0]))  # the grid of a wide range has no point there
    assert not any(narrow.at(np.array([t])).is_feasible for t in graded_grid(0.0, 5.0, far.start))
    found = search(narrow)
    assert found.best.projection.status == "ok"
    assert found.value == pytest.approx(search(problem).value, abs=1e-12)
    assert found.n_solves < 150


def test_infeasible_problem_is_told_with_its_nearest_certificate():
    found = search(ratio_problem(2.0, 2.6))
    best = found.best
    assert best.projection.status == "infeasible"
    assert np.isinf(found.value)
    assert found.n_solves < 150
    target, direction = best.linear.low, best.projection.xi
    assert ((best.linear.phi - target) @ direction).max() < 0.0


def test_minimum_at_end_of_range():
    problem, _, _ = variance_problem(1.5, 1.5, mean=(0.2, 0.4))
    found = search(problem)
    assert found.best.theta[0] == pytest.approx(0.2)
    assert found.at_end.tolist() == [True]
    assert found.value <= fine_minimum(problem, 301)


@pytest.mark.parametrize("ends", [(1.6, 1.6), (1.6, np.inf), (-np.inf, 0.6), (0.4, 0.6)])
def test_variance_with_free_mean_is_reached(ends):
    problem, z, base = variance_problem(*ends)
    found = search(problem)
    weights = found.best.projection.weights
    reached = variance_of_pairs(z, weights)
    assert min(max(reached, ends[0]), ends[1]) == pytest.approx(reached, abs=1e-9)
    assert found.value == pytest.approx(divergence(weights, base), abs=1e-12)
    assert found.value <= fine_minimum(problem, 601) + 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_least_variance_is_solution_of_convex_program(seed):
    problem, z, base = variance_problem(1.5, np.inf, seed=seed, n=120)
    weights = search(problem).best.projection.weights
    expected = closest_with_variance(z, base, 1.5)
    np.testing.assert_allclose(weights, expected, atol=2e-7)
    # Karush, Kuhn and Tucker: log(w / b) = a + l (x - m)^2 with m the mean under w and l >= 0
    mean = weights @ z
    assert distance_from_tilt(weights, base, (z - mean) ** 2) <= 1e-9
    slope = np.polyfit((z - mean) ** 2, np.log(weights / base), 1)[0]
    assert slope > 0.0


def test_several_scalars_match_nonlinear_program():
    problem, z, base = correlation_problem(-0.2, n=40)
    found = search(problem)

    def correlation(weights):
        centered = z - weights @ z
        return weights @ np.prod(centered, 1) / np.sqrt(np.prod(weights @ centered**2))

    expected, _ = closest_by_nlp(base, [("eq", lambda w: correlation(w) + 0.2)])
    assert correlation(found.best.projection.weights) == pytest.approx(-0.2, abs=1e-9)
    assert found.value == pytest.approx(expected, abs=1e-7)
    assert found.value <= expected + 1e-9


def test_several_scalars_no_point_near_is_better():
    problem, _, _ = correlation_problem(0.9)
    found = search(problem)
    rng = np.random.default_rng(0)
    width = problem.high - problem.low
    others = np.clip(found.best.theta + 0.05 * width * rng.normal(size=(200, 4)), problem.low, problem.high)
    assert min(problem.at(theta).value for theta in others) > found.value


def test_feasible_point_of_several_scalars_is_approached_by_soft_conditions():
    # both groups' rates and the mean leave a thin set of two rates, off every point of the sample
    group, decision, z, base = two_groups(seed=5)
    reached = (base * np.exp(1.7 * z)) / (base @ np.exp(1.7 * z))
    rates = [reached[part] @ decision[part] / reached[part].sum() for part in (group, ~group)]

    def conditions(theta):
        phi = [group * (decision - theta[0]), ~group * (decision - theta[1]), z, group * z]
        targets = [0.0, 0.0, reached @ z, reached @ (group * z)]
        return phi, targets, targets, [np.inf] * 4

    low = np.array(rates)
    problem = make(conditions, base, low - 0.6, low - 0.55, low + 0.004)
    found = search(problem)
    assert found.best.is_feasible
    np.testing.assert_allclose(found.best.projection.weights @ z, reached @ z, atol=1e-9)


def test_boundary_counts_only_where_nothing_else_is_feasible():
    base, x = np.full(4, 0.25), np.array([0.0, 1.0, 2.0, 3.0])
    member = np.array([False, False, True, True])

    def inside(theta):  # a rate that is 1 in every row: only theta = 1 keeps the rows
        return [member * (1.0 - theta[0]), x - 1.4], [0.0, 0.0], [0.0, 0.0], [np.inf] * 2

    assert search(make(inside, base, 0.0, 0.5, 2.0)).best.projection.status == "ok"

    def outside(theta):
        return [member * (3.0 - theta[0]), x - 0.4], [0.0, 0.0], [0.0, 0.0], [np.inf] * 2

    found = search(make(outside, base, 0.0, 0.5, 2.0))
    assert found.best.projection.status == "boundary"
    np.testing.assert_allclose(found.best.projection.weights, [0.6, 0.4, 0.0, 0.0], atol=1e-9)


def test_same_problem_has_same_result_to_the_bit():
    one, two = (search(ratio_problem(1.2, 0.3)) for _ in range(2))
    assert one.n_solves == two.n_solves
    np.testing.assert_array_equal(one.best.projection.weights, two.best.projection.weights)


def test_hints_are_points_of_the_grid():
    grid = graded_grid(0.0, 1.0, np.array([0.3, 0.123, 2.0]))
    assert {0.0, 0.123, 0.3, 1.0} <= set(grid.tolist())
    assert grid.min() == 0.0
    assert grid.max() == 1.0


def test_descent_from_nearby_is_the_search():
    problem = ratio_problem(1.2, 0.3)
    found = search(problem).best
    near = descend(problem, found.theta + 0.03, found.projection.xi)
    np.testing.assert_allclose(near.theta, found.theta, atol=1e-10)
    np.testing.assert_allclose(near.projection.weights, found.projection.weights, atol=1e-12)


def test_first_feasible_point_ends_the_search_where_any_will_do():
    for problem in (ratio_problem(1.3, -0.6), ratio_problem(2.0, 2.55), correlation_problem(0.5)[0]):
        best, some = search(problem), search(problem, any_will_do=True)
        assert some.best.is_feasible
        assert some.value >= best.value - 1e-12
        assert some.n_solves < best.n_solves
        assert some.n_minima == 0


def test_nothing_will_do_where_nothing_is_feasible():
    problem = ratio_problem(2.0, 20.0)
    assert not search(problem).best.is_feasible
    assert not search(problem, any_will_do=True).best.is_feasible
