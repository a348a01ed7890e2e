import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.what_if.calibration import (
    CHI_SQUARE,
    DIVERGENCES,
    EMPIRICAL_LIKELIHOOD,
    KULLBACK_LEIBLER,
    project,
)
from tests.reference import calibration as reference
from tests.reference.what_if import slope_by_difference, standardize
from tests.what_if.calibration.random_problems import FORMS, random_problem

NO_BOUNDS = (0.0, np.inf)


def stated(problem):
    return [problem[name] for name in ("phi", "low", "high", "penalty", "base", "weight_bounds")]


def assert_optimal(name, problem, result):
    residual, duality_gap = reference.optimality(name, result.weights, *stated(problem))
    assert residual <= 1e-9
    assert abs(duality_gap) <= 1e-9
    assert result.gap <= 1e-9
    assert result.residual <= 1e-9
    assert result.weights.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DIVERGENCES)
def test_project_weights_are_optimal(name, form):
    for seed in range(50):
        problem = random_problem(seed, form)
        assert_optimal(name, problem, project(**problem, divergence=DIVERGENCES[name]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DIVERGENCES)
def test_project_weights_match_conic_solver(name, form):
    for seed in (1, 3, 5):
        problem = random_problem(seed, form, n_most=80)
        expected = reference.by_cone(name, *stated(problem))
        ours = project(**problem, divergence=DIVERGENCES[name])
        if expected is None:
            continue
        costs = [reference.objective(name, w, *stated(problem)[:-1]) for w in (ours.weights, expected)]
        assert costs[0] <= costs[1] + 1e-9
        np.testing.assert_allclose(ours.weights, expected, atol=1e-4 / len(expected), rtol=0)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_project_value_is_largest_lower_bound_by_quasi_newton(name):
    for seed, form in enumerate(FORMS):
        problem = random_problem(seed, form, n_most=60)
        ours = project(**problem, divergence=DIVERGENCES[name])
        cost = reference.objective(name, ours.weights, *stated(problem)[:-1])
        assert cost == pytest.approx(reference.by_quasi_newton(name, *stated(problem)), abs=1e-6)


@pytest.mark.parametrize("form", ["targets", "capped"])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_projection_states_its_divergence_and_multipliers(name, form):
    problem = random_problem(4, form)
    result = project(**problem, divergence=DIVERGENCES[name])
    assert result.divergence_value == pytest.approx(
        reference.cost(name, result.weights, problem["base"]), abs=1e-12
    )
    for j in range(problem["low"].size):

        def value(move, j=j):
            moved = dict(problem, low=problem["low"].copy(), high=problem["high"].copy())
            moved["low"][j] += move
            moved["high"][j] += move
            return project(**moved, divergence=DIVERGENCES[name]).divergence_value

        assert result.xi[j] == pytest.approx(slope_by_difference(value, 0.0, 1e-5), abs=1e-5)


@pytest.mark.parametrize("form", ["targets", "mixed"])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_projection_tangent_is_derivative_of_weights(name, form):
    # Moving a target by t moves u by alpha' + phi @ xi', and each weight by its tangent times that.
    problem = random_problem(2, form)
    result = project(**problem, divergence=DIVERGENCES[name])
    j = int(np.flatnonzero(np.isfinite(result.held))[0])
    step = 1e-6
    weights = []
    for move in (-step, step):
        moved = dict(problem, low=problem["low"].copy(), high=problem["high"].copy())
        moved["low"][j] += move
        moved["high"][j] += move
        weights.append(project(**moved, divergence=DIVERGENCES[name]))
    slope = (weights[1].weights - weights[0].weights) / (2.0 * step)
    xi = (weights[1].xi - weights[0].xi) / (2.0 * step)
    u = problem["phi"] @ xi
    u = u - result.tangent @ u / result.tangent.sum()
    np.testing.assert_allclose(slope, result.tangent * u, atol=1e-4 * np.abs(slope).max())


@pytest.mark.parametrize("name", DIVERGENCES)
def test_projection_holds_the_ends_that_bind(name):
    for seed in range(10):
        problem = random_problem(seed, "mixed")
        result = project(**problem, divergence=DIVERGENCES[name])
        low, high, hard = problem["low"], problem["high"], np.isinf(problem["penalty"])
        means = result.weights @ problem["phi"]
        fixed, ranged = (low == high) & hard, low < high
        np.testing.assert_array_equal(result.held[fixed], low[fixed])
        up, down, at_none = (ranged & part for part in (result.xi > 0.0, result.xi < 0.0, result.xi == 0.0))
        np.testing.assert_array_equal(result.held[up], low[up])
        np.testing.assert_array_equal(result.held[down], high[down])
        assert np.isnan(result.held[at_none]).all()
        soft = ~hard & np.isfinite(result.held)
        gap = (result.held - means)[soft]
        np.testing.assert_allclose(result.xi[soft], problem["penalty"][soft] * gap, rtol=1e-6, atol=1e-9)


# Closed forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIVERGENCES)
@given(st.floats(0.02, 0.98), st.floats(0.02, 0.98))
def test_one_binary_statistic_scales_both_groups(name, before, after):
    # Rows of one group have one ratio, whatever the divergence: the share that is stated over what it was.
    inside = np.arange(40) < 17
    base = np.where(inside, before / 17, (1.0 - before) / 23)
    phi = ((inside - before) / np.sqrt(before * (1.0 - before)))[:, None]
    target = np.array([(after - before) / np.sqrt(before * (1.0 - before))])
    weights = project(phi, target, target, base, divergence=DIVERGENCES[name]).weights
    expected = base * np.where(inside, after / before, (1.0 - after) / (1.0 - before))
    np.testing.assert_allclose(weights, expected, rtol=1e-9)


def test_two_rows_have_the_weights_that_the_target_says():
    phi, base = np.array([[1.0], [-1.0]]), np.array([0.5, 0.5])
    for divergence in DIVERGENCES.values():
        result = project(phi, np.array([0.4]), np.array([0.4]), base, divergence=divergence)
        np.testing.assert_allclose(result.weights, [0.7, 0.3], rtol=1e-12)
    assert project(phi, np.array([0.4]), np.array([0.4]), base).xi[0] == pytest.approx(np.arctanh(0.4))


def test_chi_square_is_linear_calibration_where_no_weight_is_zero():
    # The generalized regression estimator: w = b (1 + (t - mean) S^-1 (phi - mean)), with S the covariance.
    rng = np.random.default_rng(0)
    phi, base = standardize(rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3)), rng.uniform(0.5, 2.0, 200))
    target = np.array([0.1, -0.15, 0.05])
    mean = base @ phi
    covariance = (phi - mean).T @ ((phi - mean) * base[:, None])
    expected = base * (1.0 + (phi - mean) @ np.linalg.solve(covariance, target - mean))
    assert expected.min() > 0.0
    result = project(phi, target, target, base, divergence=CHI_SQUARE)
    np.testing.assert_allclose(result.weights, expected, rtol=1e-10)
    assert result.n_iter <= 3
    y = rng.normal(size=200)
    slope = np.linalg.solve(covariance, (phi - mean).T @ (base * y))
    assert result.weights @ y == pytest.approx(base @ y + (target - mean) @ slope)


def test_empirical_likelihood_is_owens_equation():
    # w = b / (1 + lambda' (phi - t)), with lambda the root of sum b (phi - t) / (1 + lambda' (phi - t)).
    rng = np.random.default_rng(1)
    phi, base = standardize(rng.exponential(size=(100, 1)))
    target = 0.4
    least, most = -1.0 / (phi.max() - target) + 1e-12, 1.0 / (target - phi.min()) - 1e-12
    for _ in range(200):
        middle = 0.5 * (least + most)
        excess = np.sum(base * (phi[:, 0] - target) / (1.0 + middle * (phi[:, 0] - target)))
        least, most = (middle, most) if excess > 0.0 else (least, middle)
    expected = base / (1.0 + middle * (phi[:, 0] - target))
    result = project(phi, np.array([target]), np.array([target]), base, divergence=EMPIRICAL_LIKELIHOOD)
    np.testing.assert_allclose(result.weights, expected, rtol=1e-9)


def test_soft_target_alone_solves_a_scalar_equation():
    phi, base = standardize(np.random.default_rng(2).normal(size=(50, 1)))
    result = project(phi, np.array([1.0]), np.array([1.0]), base, penalty=np.array([3.0]))
    reached = float(result.weights @ phi[:, 0])
    assert result.xi[0] == pytest.approx(3.0 * (1.0 - reached), rel=1e-9)
    np.testing.assert_allclose(
        result.weights, reference.tilt(phi[:, 0], base, 3.0 * (1.0 - reached)), rtol=1e-9
    )


def test_soft_target_tends_to_a_hard_one():
    phi, base = standardize(np.random.default_rng(3).normal(size=(80, 2)))
    target = np.array([0.4, -0.3])
    hard = project(phi, target, target, base)
    gaps = []
    for penalty in (1.0, 1e2, 1e4, 1e8):
        soft = project(phi, target, target, base, penalty=np.full(2, penalty))
        gaps.append(np.abs(soft.weights @ phi - target).max())
    assert gaps == sorted(gaps, reverse=True)
    np.testing.assert_allclose(soft.weights, hard.weights, rtol=1e-6)


def test_soft_targets_beyond_the_rows_have_a_solution():
    phi, base = standardize(np.random.default_rng(4).normal(size=(60, 2)))
    target = np.array([9.0, -9.0])
    for divergence in DIVERGENCES.values():
        problem = {"phi": phi, "low": target, "high": target, "base": base, "penalty": np.full(2, 0.3)}
        result = project(**problem, divergence=divergence)
        assert result.status == "ok"
        assert_optimal(divergence.name, problem | {"weight_bounds": NO_BOUNDS}, result)


# What the answer does not depend on --------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DIVERGENCES)
def test_project_ignores_order_of_rows_and_conditions(name, form):
    for seed in range(6):
        problem = random_problem(seed, form, n_most=60)
        rng = np.random.default_rng(seed)
        rows, columns = rng.permutation(problem["base"].size), rng.permutation(problem["low"].size)
        turned = {part: problem[part][columns] for part in ("low", "high", "penalty")}
        turned |= {"phi": problem["phi"][rows][:, columns], "base": problem["base"][rows]}
        one = project(**problem, divergence=DIVERGENCES[name])
        other = project(**turned, weight_bounds=problem["weight_bounds"], divergence=DIVERGENCES[name])
        np.testing.assert_allclose(other.weights, one.weights[rows], atol=1e-11)


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize(("unit", "offset"), [(1.0, 1e6), (1e-5, 0.0), (1e5, 3.0)])
def test_project_ignores_unit_and_offset_of_statistics(name, unit, offset):
    for seed in range(4):
        problem = random_problem(seed, "ranges", n_most=60)
        x = problem["phi"] * unit + offset
        origin = x.min(0)
        mean, scale = origin + problem["base"] @ (x - origin), problem["phi"].std(0) * unit
        moved = {"phi": (x - mean) / scale, "base": problem["base"]}
        for end in ("low", "high"):
            moved[end] = (problem[end] * unit + offset - mean) / scale
        one = project(**problem, divergence=DIVERGENCES[name])
        other = project(**moved, divergence=DIVERGENCES[name])
        np.testing.assert_allclose(other.weights, one.weights, rtol=1e-7)
        assert other.gap <= 1e-9


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DIVERGENCES)
def test_project_start_changes_steps_only(name, form):
    for seed in range(5):
        problem = random_problem(seed, form, n_most=100)
        cold = project(**problem, divergence=DIVERGENCES[name])
        far = np.random.default_rng(seed).normal(size=cold.xi.size)
        warm = project(**problem, divergence=DIVERGENCES[name], start=cold.xi)
        other = project(**problem, divergence=DIVERGENCES[name], start=far)
        assert warm.n_iter <= 2
        np.testing.assert_allclose(warm.weights, cold.weights, atol=1e-11)
        np.testing.assert_allclose(other.weights, cold.weights, atol=1e-11)


def test_project_start_of_a_sign_that_a_range_forbids_is_left_out():
    phi, base = standardize(np.random.default_rng(5).normal(size=(60, 1)))
    low, high = np.array([0.3]), np.array([np.inf])
    cold = project(phi, low, high, base)
    np.testing.assert_allclose(project(phi, low, high, base, start=np.array([-2.0])).weights, cold.weights)


# Ranges, bounds on weights, and what cannot be reached -------------------------------------------


def test_range_that_holds_already_changes_nothing():
    phi, base = standardize(np.random.default_rng(6).normal(size=(60, 2)))
    result = project(phi, np.array([-0.1, -np.inf]), np.array([0.2, np.inf]), base)
    np.testing.assert_array_equal(result.weights, base)
    assert result.xi.tolist() == [0.0, 0.0]
    assert np.isnan(result.held).all()


def test_range_that_binds_is_a_target_at_its_nearer_end():
    phi, base = standardize(np.random.default_rng(7).normal(size=(90, 2)))
    ranged = project(phi, np.array([0.3, -0.1]), np.array([0.6, 0.2]), base)
    stated_ = project(phi[:, :1], np.array([0.3]), np.array([0.3]), base)
    assert abs(stated_.weights @ phi[:, 1]) < 0.1
    np.testing.assert_allclose(ranged.weights, stated_.weights, rtol=1e-10)
    assert ranged.held.tolist()[0] == 0.3


def test_ranges_of_all_levels_need_not_be_independent():
    codes = np.repeat([0, 1, 2], [50, 30, 20])
    phi, base = standardize(codes[:, None] == np.arange(3))
    shares, p = np.array([0.2, 0.5, 0.3]), np.array([0.5, 0.3, 0.2])
    room = np.array([0.05, 0.05, 0.0])
    low, high = ((shares + side * room - p) / np.sqrt(p * (1.0 - p)) for side in (-1.0, 1.0))
    for divergence in DIVERGENCES.values():
        weights = project(phi, low, high, base, divergence=divergence).weights
        np.testing.assert_allclose(np.bincount(codes, weights), [0.25, 0.45, 0.3], atol=1e-9)


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("bounds", [NO_BOUNDS, (0.4, 1.8), (0.0, 2.0), (0.3, np.inf)])
def test_project_status_matches_linear_program(name, bounds):
    rng = np.random.default_rng(8)
    verdicts = []
    for _ in range(60):
        n, k = int(rng.integers(10, 50)), int(rng.integers(1, 4))
        phi, base = standardize(rng.normal(size=(n, k)), rng.uniform(0.5, 1.5, n))
        low = rng.normal(size=k) * rng.uniform(0.1, 1.2)
        high = low + np.where(rng.random(k) < 0.5, 0.0, rng.uniform(0.0, 0.5, k))
        high[rng.random(k) < 0.1] = np.inf
        result = project(phi, low, high, base, divergence=DIVERGENCES[name], weight_bounds=bounds)
        verdicts.append(result.status != "infeasible")
        assert verdicts[-1] == reference.reaches(phi, low, high, base, bounds)
        if verdicts[-1]:
            problem = {"phi": phi, "low": low, "high": high, "base": base, "penalty": np.full(k, np.inf)}
            assert_optimal(name, problem | {"weight_bounds": bounds}, result)
        else:
            ends = np.where(result.xi > 0.0, low, np.where(result.xi < 0.0, high, 0.0))
            assert reference.farthest(phi @ result.xi, base, bounds) < ends @ result.xi
    assert 10 < sum(verdicts) < 55


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("bounds", [(0.4, 1.8), (0.0, 2.0), (0.3, np.inf)])
def test_project_reaches_the_edge_of_what_bounded_weights_can(name, bounds):
    # Rows on a grid, so that many tie: a face of what weights reach, on which they are still to be found.
    met = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        phi, base = standardize(np.r_[rng.integers(0, 4, (30, 2)), [[0, 0], [3, 3]]])
        height = phi @ rng.integers(-2, 3, 2)
        if np.ptp(height) < 1e-9:
            continue
        ties = height.round(9)
        orders = [np.lexsort((rng.random(32), -ties)) for _ in range(6)]
        weights = np.mean([reference.filled(order, base, bounds) for order in orders], axis=0)
        target = weights @ phi
        result = project(phi, target, target, base, divergence=DIVERGENCES[name], weight_bounds=bounds)
        assert result.status in ("ok", "boundary")
        assert result.gap <= 1e-9
        assert result.weights @ height == pytest.approx(weights @ height, abs=1e-9)
        ratio = result.weights / base
        assert ratio.min() >= bounds[0] - 1e-9
        assert ratio.max() <= bounds[1] + 1e-9
        met += result.status == "boundary"
    assert met >= 3


@pytest.mark.parametrize("name", DIVERGENCES)
def test_project_with_few_rows_off_floor_and_cap_settles(name):
    # Nearly all that capped weights can reach: steps that see the few rows in between alone do not settle.
    rng = np.random.default_rng(9)
    for seed in range(20):
        phi, base = standardize(np.exp(rng.normal(size=(int(rng.integers(60, 200)), 4))))
        bounds = (float(rng.uniform(0.5, 0.9)), float(rng.uniform(1.1, 2.0)))
        order = np.argsort(-(phi @ rng.normal(size=4)))
        target = 0.98 * reference.filled(order, base, bounds) @ phi
        problem = {"phi": phi, "low": target, "high": target, "base": base, "penalty": np.full(4, np.inf)}
        problem["weight_bounds"] = bounds
        assert_optimal(name, problem, project(**problem, divergence=DIVERGENCES[name])), seed


def test_weight_bounds_hold_and_bind():
    phi, base = standardize(np.random.default_rng(10).normal(size=(100, 1)), np.linspace(1.0, 3.0, 100))
    free = project(phi, np.array([0.6]), np.array([0.6]), base)
    bounded = project(phi, np.array([0.6]), np.array([0.6]), base, weight_bounds=(0.2, 2.2))
    assert (free.weights / base).max() > 2.2
    ratio = bounded.weights / base
    assert ratio.max() == pytest.approx(2.2)
    assert ratio.min() == pytest.approx(0.2)
    assert (bounded.tangent[(ratio > 2.2 - 1e-12) | (ratio < 0.2 + 1e-12)] == 0.0).all()
    assert bounded.gap <= 1e-9


def test_tangent_of_kullback_leibler_is_the_weights():
    problem = random_problem(0, "ranges")
    result = project(**problem, divergence=KULLBACK_LEIBLER)
    np.testing.assert_array_equal(result.tangent, result.weights)
    assert result.solver == "dual Newton"
