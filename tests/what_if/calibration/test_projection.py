import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agnostix.what_if.calibration import project
from tests.reference.what_if import (
    distance_from_tilt,
    divergence,
    hull_slack,
    is_member,
    project_by_cone,
    slope_by_difference,
    standardize,
    tilted,
)


def project_to(phi, target, base, start=None):
    return project(phi, target, target, base, start=start)


def cloud(k=3, n=150, seed=0, weighted=True):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k)) @ (np.eye(k) + 0.4)
    return standardize(x, rng.uniform(0.5, 1.5, n) if weighted else None)


def grid(values, k):
    return np.stack(np.meshgrid(*[np.arange(float(values))] * k), -1).reshape(-1, k)


def assert_reaches(result, phi, target, status="ok"):
    assert result.status == status
    assert result.weights.min() >= 0.0
    assert result.weights.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(result.weights @ phi, target, atol=1e-9, rtol=0)
    assert result.gap <= 1e-9


def assert_certified(result, phi, target):
    assert result.status == "infeasible"
    assert not result.weights.any()
    assert np.linalg.norm(result.xi) == pytest.approx(1.0)
    assert ((phi - target) @ result.xi).max() < 0.0


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [0.05, 0.2, 0.3])
def test_project_weights_match_cone_program(k, size):
    phi, base = cloud(k)
    target = size * np.cos(np.arange(k)) / np.sqrt(k)
    result = project_to(phi, target, base)
    assert_reaches(result, phi, target)
    expected = project_by_cone(phi, base, target)
    np.testing.assert_allclose(result.weights, expected, atol=1e-6 / len(phi), rtol=0)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [0.05, 0.5, 0.9])
def test_project_weights_meet_optimality_conditions(k, size):
    phi, base = cloud(k)
    target = size * np.cos(np.arange(k))
    result = project_to(phi, target, base)
    assert_reaches(result, phi, target)
    assert distance_from_tilt(result.weights, base, phi) <= 1e-9


def test_project_one_constraint_is_exponential_tilt():
    phi, base = cloud(1)
    result = project_to(phi, np.array([0.7]), base)
    np.testing.assert_allclose(result.weights, tilted(phi[:, 0], base, result.xi[0]), rtol=1e-9)


def test_project_multipliers_are_kl_derivatives():
    phi, base = cloud(3)
    target = np.array([0.4, -0.2, 0.5])
    xi = project_to(phi, target, base).xi
    for j, unit in enumerate(np.eye(3)):
        slope = slope_by_difference(
            lambda t, unit=unit: divergence(project_to(phi, target + t * unit, base).weights, base), 0.0
        )
        assert xi[j] == pytest.approx(slope, abs=1e-6)


def test_project_base_mean_keeps_base_weights():
    phi, base = cloud(3)
    result = project_to(phi, np.zeros(3), base)
    np.testing.assert_allclose(result.weights, base, rtol=1e-9)


def test_project_start_changes_iterations_only():
    phi, base = cloud(3)
    target = np.array([0.5, -0.3, 0.2])
    cold = project_to(phi, target, base)
    warm = project_to(phi, target, base, start=cold.xi)
    far = project_to(phi, target, base, start=np.array([9.0, -9.0, 9.0]))
    assert warm.n_iter <= 2 < cold.n_iter
    for result in (warm, far):
        np.testing.assert_allclose(result.weights, cold.weights, atol=1e-10)


def test_project_does_not_modify_start():
    phi, base = cloud(2)
    start = np.array([0.1, 0.2])
    project_to(phi, np.array([0.5, 0.5]), base, start=start)
    assert start.tolist() == [0.1, 0.2]


def test_project_heavy_tails_and_many_zeros():
    rng = np.random.default_rng(3)
    gain = np.where(rng.random(2_000) < 0.92, 0.0, rng.lognormal(8.0, 1.2, 2_000)).clip(0, 99_999)
    phi, base = standardize(np.c_[gain, rng.normal(size=2_000) + (gain > 0)])
    for target in ([0.5, -0.5], [3.0, 1.0], [-0.14, 0.4], [8.0, 0.5]):
        assert_reaches(project_to(phi, np.array(target), base), phi, target)


def test_project_reaches_targets_many_deviations_away():
    met = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n, k = rng.integers(6, 30), rng.integers(1, 5)
        phi, base = standardize(rng.lognormal(0.0, 2.0, (n, k)), rng.dirichlet(np.ones(n)) + 1e-6)
        target = rng.dirichlet(np.full(n, 0.02)) @ phi
        slack = hull_slack(phi, target)
        if slack is not None and slack > 1e-6:
            assert_reaches(project_to(phi, target, base), phi, target)
            met += 1
    assert met > 200


def test_project_one_outlying_row():
    x = np.array([0.0, 1.0, 2.0, 3.0, 100.0, 90.0])
    phi, base = standardize(np.c_[x, x[::-1] ** 2], [0.3, 0.3, 0.3, 0.0998, 0.0001, 0.0001])
    target = np.array([0.05, 0.05, 0.05, 0.05, 0.5, 0.3]) @ phi
    assert_reaches(project_to(phi, target, base), phi, target)


@pytest.mark.parametrize("room", [1e-1, 1e-3, 1e-5, 1e-7])
def test_project_target_just_inside_slanted_side(room):
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    phi, base = standardize(triangle, [0.5, 0.3, 0.2])
    weights = np.array([room, 0.6 - room, 0.4])
    result = project_to(phi, weights @ phi, base)
    assert_reaches(result, phi, weights @ phi)
    np.testing.assert_allclose(result.weights, weights, atol=1e-9)


def test_project_repeated_statistics_are_one_constraint():
    phi, base = cloud(2)
    once = project_to(phi, np.array([0.4, 0.1]), base)
    thrice = project_to(phi[:, [0, 0, 1, 0]], np.array([0.4, 0.4, 0.1, 0.4]), base)
    assert_reaches(thrice, phi[:, [0, 0, 1, 0]], [0.4, 0.4, 0.1, 0.4])
    np.testing.assert_allclose(thrice.weights, once.weights, atol=1e-10)


def test_project_linear_combination_adds_no_constraint():
    phi, base = cloud(3)
    mixture = phi @ [0.5, -1.0, 2.0]
    scale = mixture.std()
    joined, target = np.c_[phi, mixture / scale], np.array([0.2, 0.3, 0.1])
    full = np.r_[target, target @ [0.5, -1.0, 2.0] / scale]
    result = project_to(joined, full, base)
    assert_reaches(result, joined, full)
    np.testing.assert_allclose(result.weights, project_to(phi, target, base).weights, atol=1e-9)


def test_project_proportions_of_all_levels():
    codes = np.repeat([0, 1, 2], [50, 30, 20])
    phi, base = standardize(codes[:, None] == np.arange(3))
    shares = np.array([0.2, 0.5, 0.3])
    p0 = np.array([0.5, 0.3, 0.2])
    result = project_to(phi, (shares - p0) / np.sqrt(p0 * (1 - p0)), base)
    assert result.status == "ok"
    np.testing.assert_allclose(np.bincount(codes, result.weights), shares, atol=1e-9)


def test_project_multipliers_of_dependent_statistics_are_the_shortest():
    codes = np.repeat([0, 1, 2], [50, 30, 20])
    phi, base = standardize(codes[:, None] == np.arange(3))
    p = np.array([0.5, 0.3, 0.2])
    target = (np.array([0.2, 0.5, 0.3]) - p) / np.sqrt(p * (1 - p))
    result = project_to(phi, target, base)
    np.testing.assert_allclose(result.weights, tilted(phi @ result.xi, base, 1.0), rtol=1e-9)
    design = np.c_[np.ones(100), phi]
    log_ratio = np.log(result.weights / base)
    shortest = np.linalg.pinv(design[:, 1:] - phi.mean(0)) @ (log_ratio - log_ratio.mean())
    np.testing.assert_allclose(result.xi, shortest, atol=1e-9)
    turned = project_to(phi[:, [2, 0, 1]], target[[2, 0, 1]], base)
    np.testing.assert_allclose(turned.xi, result.xi[[2, 0, 1]], atol=1e-9)


@pytest.mark.parametrize("error", [1e-6, 1e-3, -0.2])
def test_project_contradicting_targets_are_infeasible(error):
    phi, base = cloud(2)
    joined, target = phi[:, [0, 1, 0]], np.array([0.4, 0.1, 0.4 + error])
    assert_certified(project_to(joined, target, base), joined, target)


def test_project_constant_statistic():
    phi, base = cloud(2)
    flat = np.c_[phi[:, 0], np.zeros(len(phi))]
    met = project_to(flat, np.array([0.4, 0.0]), base)
    assert_reaches(met, flat, [0.4, 0.0])
    np.testing.assert_allclose(met.weights, project_to(phi[:, :1], np.array([0.4]), base).weights, atol=1e-10)
    assert project_to(flat, np.array([0.4, 0.1]), base).status == "infeasible"


def test_project_infeasible_target_gives_direction():
    phi, base = cloud(3)
    for j in range(3):
        for sign in (-1.0, 1.0):
            target = np.zeros(3)
            target[j] = sign * (np.abs(phi[:, j]).max() + 0.1)
            result = project_to(phi, target, base)
            assert_certified(result, phi, target)
            np.testing.assert_array_equal(result.xi, sign * np.eye(3)[j])


@pytest.mark.parametrize("k", [2, 3])
def test_project_status_matches_linear_program(k):
    phi, base = cloud(k, n=60, seed=k)
    rng = np.random.default_rng(k)
    targets = rng.normal(size=(150, k)) * rng.uniform(0.3, 2.0, (150, 1))
    members = [is_member(phi, t) for t in targets]
    assert 20 < sum(members) < 130
    for target, member in zip(targets, members, strict=True):
        result = project_to(phi, target, base)
        if member:
            assert_reaches(result, phi, target)
        else:
            assert_certified(result, phi, target)


TABLES = {
    "square grid": grid(4, 2),
    "cube corners": grid(2, 3),
    "cube grid": grid(3, 3),
    "ties": np.random.default_rng(1).poisson(1.0, (90, 2)).astype(float),
    "many zeros": np.random.default_rng(2).lognormal(5.0, 1.5, (90, 2))
    * (np.random.default_rng(3).random((90, 2)) < 0.2),
}


@pytest.mark.parametrize("name", TABLES)
def test_project_target_on_face_is_boundary(name):
    phi, base = standardize(TABLES[name])
    rng = np.random.default_rng(0)
    for _ in range(25):
        height = phi @ rng.integers(-2, 3, phi.shape[1])
        face = height >= height.max() - 1e-9
        if face.all():
            continue
        target = rng.dirichlet(np.ones(face.sum())) @ phi[face]
        result = project_to(phi, target, base)
        assert_reaches(result, phi, target, status="boundary")
        assert result.weights[~face].sum() <= 1e-9


@pytest.mark.parametrize("name", TABLES)
def test_project_status_with_ties_matches_linear_program(name):
    phi, base = standardize(TABLES[name])
    rng = np.random.default_rng(1)
    seen = set()
    for j in range(60):
        picked = phi[rng.integers(0, len(phi), 3)]
        target = (rng.dirichlet(np.ones(3)) if j % 2 else np.array([0.7, 0.7, -0.4])) @ picked
        expected = "infeasible"
        if is_member(phi, target):
            expected = "ok" if hull_slack(phi, target) > 1e-7 else "boundary"
        result = project_to(phi, target, base)
        assert result.status == expected, (j, target)
        if expected != "infeasible":
            assert_reaches(result, phi, target, status=expected)
        seen.add(expected)
    assert len(seen) == 3


def test_project_target_at_vertex_weights_only_its_rows():
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    phi, base = standardize(corners, [0.1, 0.2, 0.3, 0.4])
    result = project_to(phi, phi[0], base)
    assert_reaches(result, phi, phi[0], status="boundary")
    np.testing.assert_allclose(result.weights, [0.2, 0.0, 0.0, 0.8], atol=1e-9)


def test_project_target_on_face_keeps_base_proportions():
    square = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    phi, base = standardize(square, [0.1, 0.2, 0.3, 0.2, 0.2])
    target = 0.4 * phi[0] + 0.6 * phi[2]
    result = project_to(phi, target, base)
    assert_reaches(result, phi, target, status="boundary")
    np.testing.assert_allclose(result.weights, [0.4 / 3, 0.8 / 3, 0.6, 0.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("beyond", [1e-6, 0.1, 2.0])
def test_project_target_beyond_end_of_face_is_infeasible(beyond):
    turned = grid(3, 2) @ np.array([[1.0, 0.4], [-0.7, 1.0]])
    for x in (grid(3, 2), turned):
        phi, base = standardize(x)
        target = phi[2] + beyond * (phi[2] - phi[0])
        assert_certified(project_to(phi, target, base), phi, target)


@pytest.mark.parametrize("n", [100, 10_000, 100_000])
def test_project_boundary_with_one_row_off_slanted_face(n):
    u = np.random.default_rng(0).normal(size=n)
    x = np.r_[np.c_[u, -u], [[-3.0, -3.0]]]
    phi, base = standardize(x[-300:]) if n < 300 else _standardized(x)
    face = phi[-2] * 0.5 + phi[-3] * 0.5
    result = project_to(phi, face, base)
    assert_reaches(result, phi, face, status="boundary")
    assert result.weights[-1] == 0.0


def _standardized(x):
    return (x - x.mean(0)) / x.std(0), np.full(len(x), 1.0 / len(x))


@given(st.integers(0, 5_000), st.floats(0.05, 0.95))
def test_project_ignores_order_of_rows_and_constraints(seed, depth):
    phi, base = cloud(3, n=40, seed=seed)
    rng = np.random.default_rng(seed)
    target = depth * rng.dirichlet(np.full(40, 0.3)) @ phi
    rows, order = rng.permutation(40), rng.permutation(3)
    one = project_to(phi, target, base)
    other = project_to(phi[rows][:, order], target[order], base[rows])
    assert_reaches(one, phi, target)
    np.testing.assert_allclose(other.weights, one.weights[rows], atol=1e-9)


@given(st.integers(0, 5_000), st.floats(0.05, 0.95))
def test_project_invariant_under_linear_transform(seed, depth):
    phi, base = cloud(2, n=40, seed=seed)
    rng = np.random.default_rng(seed)
    target = depth * rng.dirichlet(np.full(40, 0.3)) @ phi
    turn = np.array([[np.cos(seed), -np.sin(seed)], [np.sin(seed), np.cos(seed)]]) @ np.diag([3.0, 0.2])
    one, other = project_to(phi, target, base), project_to(phi @ turn, target @ turn, base)
    np.testing.assert_allclose(other.weights, one.weights, atol=1e-8)


@given(st.integers(0, 5_000))
@example(6)  # out of reach, as few are
@example(36)
def test_project_integer_table_never_misses_target(seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 4, (12, 2)).astype(float)
    x[:2] = [[0, 0], [3, 1]]
    phi, base = standardize(x)
    target = (rng.dirichlet(np.ones(12)) * 1.6 - 0.05) @ phi
    result = project_to(phi, target, base)
    if result.status == "infeasible":
        assert not is_member(phi, target)
    else:
        assert_reaches(result, phi, target, status=result.status)
