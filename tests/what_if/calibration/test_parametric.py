import numpy as np
import pytest

from agnostix.what_if.calibration import CHI_SQUARE, DIVERGENCES
from tests.reference.what_if import is_member
from tests.what_if.calibration.parametric_problems import (
    correlation_problem,
    make,
    ratio_problem,
    two_groups,
    variance_problem,
)


def soft_problem(penalty=8.0):
    """A soft mean, a range that binds and one that does not, and a cost of the scalar itself."""
    group, decision, z, base = two_groups(seed=3)

    def conditions(theta):
        phi = [~group * (decision - theta[0]), group * (decision - theta[0]), z, z]
        return phi, [0.0, 0.0, 0.8, -2.0], [0.0, np.inf, 0.8, 0.3], [np.inf, np.inf, penalty, np.inf]

    return make(conditions, base, 0.01, 0.5, 0.99, cost=lambda theta: 3.0 * (theta[0] - 0.4) ** 2)


PROBLEMS = {
    "ratio": (ratio_problem(), [0.45]),
    "ratio and mean": (ratio_problem(1.3, 0.4), [0.35]),
    "chi-square": (ratio_problem(1.1, 0.2, divergence=CHI_SQUARE), [0.42]),
    "empirical likelihood": (ratio_problem(1.1, divergence=DIVERGENCES["empirical_likelihood"]), [0.42]),
    "bounds": (ratio_problem(1.2, bounds=(0.5, 2.0)), [0.42]),
    "variance": (variance_problem(1.4, 1.4)[0], [0.1]),
    "least variance": (variance_problem(1.4, np.inf)[0], [-0.2]),
    "correlation": (correlation_problem(0.1)[0], [0.1, -0.1, 1.1, 0.9]),
    "soft": (soft_problem(), [0.45]),
}


def differences(function, theta, step):
    """Central differences by each scalar, the first axis."""
    steps = step * np.eye(len(theta))
    return np.array([(function(theta + one) - function(theta - one)) / (2.0 * step) for one in steps])


@pytest.mark.parametrize("name", PROBLEMS)
def test_slope_is_derivative_of_value(name):
    problem, theta = PROBLEMS[name][0], np.array(PROBLEMS[name][1])
    expected = differences(lambda at: problem.at(at).value, theta, 1e-4)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(problem.at(theta).slope, expected, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", PROBLEMS)
def test_curvature_is_derivative_of_slope(name):
    problem, theta = PROBLEMS[name][0], np.array(PROBLEMS[name][1])
    expected = differences(lambda at: problem.at(at).slope, theta, 1e-4)
    np.testing.assert_allclose(problem.at(theta).curvature, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PROBLEMS)
def test_estimating_functions_of_conditions_sum_to_zero_and_of_scalars_to_slope(name):
    problem, theta = PROBLEMS[name][0], np.array(PROBLEMS[name][1])
    solution = problem.at(theta)
    sums = solution.projection.weights @ solution.estimating
    n_conditions = solution.xi.size
    np.testing.assert_allclose(sums[:n_conditions], 0.0, atol=1e-9)
    np.testing.assert_allclose(sums[n_conditions:], solution.slope, atol=1e-9)


@pytest.mark.parametrize("name", ["ratio and mean", "variance", "correlation", "soft"])
def test_jacobian_is_derivative_of_weighted_estimating_functions(name):
    problem, theta = PROBLEMS[name][0], np.array(PROBLEMS[name][1])
    solution = problem.at(theta)
    active, k = solution.active, solution.xi.size
    rate = 1.0 / problem.at(theta).linear.penalty[active]
    exponent = solution.linear.phi[:, active] @ solution.xi

    def sums(parameters):
        """Sums at other multipliers and scalars, weighted w_i exp(u_i - u_i at the solution)."""
        xi, at = parameters[:k], parameters[k:]
        linear = problem.conditions(at)
        phi, target = (
            linear.phi[:, active],
            np.where(solution.xi >= 0, linear.low[active], linear.high[active]),
        )

        def missed(there):
            moved = problem.conditions(there)
            ends = np.where(solution.xi >= 0, moved.low[active], moved.high[active])
            return (ends - moved.phi[:, active]) @ xi + (0.0 if problem.cost is None else problem.cost(there))

        weights = solution.projection.weights * np.exp(phi @ xi - exponent)
        estimating = np.column_stack([phi - target + xi * rate, *differences(missed, at, 1e-3)])
        return weights @ estimating

    expected = differences(sums, np.r_[solution.xi, theta], 1e-5).T
    np.testing.assert_allclose(solution.jacobian, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ratio", [True]), ("variance", [True]), ("correlation", [True, True, False, False])],
)
def test_conditions_that_are_not_quadratic_are_found_out(name, expected):
    assert PROBLEMS[name][0].is_quadratic.tolist() == expected


def test_narrow_steps_stay_within_range():
    problem = PROBLEMS["correlation"][0]
    near = problem.low + 1e-6
    assert (near - problem.steps(near) > problem.low)[2:].all()
    assert (problem.steps(problem.low) > 0.0).all()


@pytest.mark.parametrize(("ratio", "theta"), [(2.0, 0.3), (1.0, 0.2), (0.7, 0.9)])
def test_points_that_certificate_rules_out_are_infeasible(ratio, theta):
    problem = ratio_problem(ratio, mean=2.9)
    solution = problem.at(np.array([theta]))
    assert solution.projection.status == "infeasible"
    below, above = solution.ruled_out
    assert below > 0.0
    assert above > 0.0
    for share in (0.2, 0.99):
        for at in (theta - share * min(below, 5.0), theta + share * min(above, 5.0)):
            linear = problem.conditions(np.array([at]))
            assert not is_member(linear.phi, linear.low)


def test_ruled_out_interval_ends_where_plane_touches_a_row():
    problem, _, _ = variance_problem(30.0, 30.0)
    solution = problem.at(np.array([0.0]))
    above = solution.ruled_out[1]
    assert np.isfinite(above)
    linear = problem.conditions(np.array([above]))
    heights = (linear.phi - linear.low) @ solution.projection.xi
    assert heights.max() == pytest.approx(0.0, abs=1e-9)


def test_softened_problem_is_feasible_everywhere():
    problem = ratio_problem(2.0, mean=9.0)
    assert not problem.at(np.array([0.4])).is_feasible
    soft = problem.soften(10.0).at(np.array([0.4]))
    assert soft.is_feasible
    assert soft.value > 1.0


def test_value_counts_penalties_of_soft_conditions():
    problem = soft_problem()
    solution = problem.at(np.array([0.45]))
    linear, weights = solution.linear, solution.projection.weights
    base = two_groups(seed=3)[3]
    gap = weights @ linear.phi[:, 2] - 0.8
    expected = weights @ np.log(weights / base) + 4.0 * gap**2 + 3.0 * 0.05**2
    assert solution.value == pytest.approx(expected, abs=1e-12)
