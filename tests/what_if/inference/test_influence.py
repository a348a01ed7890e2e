from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import root

from agnostix.what_if.inference import Design, Influence
from tests.reference.what_if_inference import (
    calibrate,
    influence_by_solving,
    left_out_by_newton,
    linearized_variance,
)

N = 60
FAMILIES = ("kullback_leibler", "chi_square", "empirical_likelihood")


def draw(seed=0, n=N):
    """Standardized statistics (n, 2), an outcome and base weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    base = rng.uniform(0.5, 1.5, n)
    base /= base.sum()
    phi = (x - base @ x) / np.sqrt(base @ (x - base @ x) ** 2)
    return phi, x[:, 0] ** 2 + x[:, 1] + rng.normal(size=n), base


def of_conditions(phi, target, xi, weights, tangent, base, *, penalty=None, own=None, design=None):
    """Influence of conditions that bind; a soft one misses its target by xi over its penalty."""
    soft = np.zeros(target.size) if penalty is None else 1.0 / penalty
    estimating = phi - target + xi * soft
    jacobian = (estimating * tangent[:, None]).T @ phi + np.diag(soft)
    spread = base[:, None] * (phi - base @ phi) ** 2  # in whose root the gap is measured, it varies too
    terms = (spread / spread.sum(0) - base[:, None]) * (xi * soft)
    terms = terms if own is None else terms + own
    return Influence.from_estimating(
        phi, estimating, jacobian, weights, tangent, base, base_terms=terms, design=design
    )


def plain(influence):
    """Influence without the correction for leverage."""
    return replace(influence, inflated=influence.weights)


@pytest.mark.parametrize("divergence", FAMILIES)
@pytest.mark.parametrize("bounds", [None, (0.5, 1.6)], ids=["free", "bounds"])
@pytest.mark.parametrize("penalty", [None, (np.inf, 3.0)], ids=["hard", "soft"])
def test_influence_is_derivative_of_solving_again(divergence, bounds, penalty):
    phi, y, base = draw()
    target = np.array([0.3, 0.2])
    penalty = None if penalty is None else np.array(penalty)

    def answer(moved):
        spread = np.sqrt(moved @ (phi - moved @ phi) ** 2)
        price = None if penalty is None else penalty / spread**2
        return calibrate(phi, target, moved, divergence, bounds, price)[0] @ y

    weights, xi, tangent = calibrate(phi, target, base, divergence, bounds, penalty)
    influence = of_conditions(phi, target, xi, weights, tangent, base, penalty=penalty)
    expected = influence_by_solving(answer, base)
    np.testing.assert_allclose(plain(influence).of_rows(y[:, None])[:, 0], expected, rtol=1e-4, atol=2e-8)
    assert expected.std() > 1e-3
    if bounds is not None:
        assert (tangent == 0.0).any()  # rows at a bound, which the derivative must know of


def test_influence_of_tilting_is_that_of_conditions():
    phi, y, base = draw(1)
    target = np.array([0.4, 0.1])
    weights, xi, tangent = calibrate(phi, target, base, "kullback_leibler")
    one = Influence.from_weights(phi - target, weights, base)
    two = of_conditions(phi, target, xi, weights, tangent, base)
    np.testing.assert_allclose(one.errors(y[:, None]), two.errors(y[:, None]), rtol=1e-9)
    np.testing.assert_allclose(one.slopes(y[:, None]), two.slopes(y[:, None]), rtol=1e-9)


@pytest.mark.parametrize("divergence", FAMILIES)
def test_target_that_is_the_datas_own_moves_with_rows(divergence):
    phi, y, base = draw(2)
    at = np.array([0.35, base @ phi[:, 1]])

    def answer(moved):
        return calibrate(phi, np.array([0.35, moved @ phi[:, 1]]), moved, divergence)[0] @ y

    weights, xi, tangent = calibrate(phi, at, base, divergence)
    own = np.column_stack([np.zeros(N), -base * (phi[:, 1] - at[1])])
    influence = of_conditions(phi, at, xi, weights, tangent, base, own=own)
    expected = influence_by_solving(answer, base)
    np.testing.assert_allclose(plain(influence).of_rows(y[:, None])[:, 0], expected, rtol=1e-5, atol=1e-9)
    fixed = of_conditions(phi, at, xi, weights, tangent, base)
    assert np.abs(plain(fixed).of_rows(y[:, None])[:, 0] - expected).max() > 1e-3


def test_influence_with_searched_scalar():
    # variance 0.7 about a free mean m: one condition (x - m)^2, stationary in m
    phi, y, base = draw(3)
    x, v = phi[:, 0], 0.7

    def solved(moved):
        def gaps(p):
            alpha, xi, m = p
            weights = moved * np.exp(alpha + xi * (x - m) ** 2)
            return [weights.sum() - 1.0, weights @ (x - m) ** 2 - v, weights @ (x - m)]

        found = root(gaps, [0.0, -0.2, 0.0], tol=1e-14).x
        return moved * np.exp(found[0] + found[1] * (x - found[2]) ** 2), found[1], found[2]

    weights, xi, m = solved(base)
    inner = -2.0 * xi * (x - m)
    directions = np.column_stack([(x - m) ** 2, inner])
    estimating = np.column_stack([(x - m) ** 2 - v, inner])
    jacobian = (estimating * weights[:, None]).T @ directions
    jacobian += np.array([[0.0, -2.0 * weights @ (x - m)], [-2.0 * weights @ (x - m), 2.0 * xi]])
    influence = Influence.from_estimating(directions, estimating, jacobian, weights, weights, base)
    expected = influence_by_solving(lambda moved: solved(moved)[0] @ y, base)
    np.testing.assert_allclose(plain(influence).of_rows(y[:, None])[:, 0], expected, rtol=1e-5, atol=1e-9)


def test_influence_of_change_is_derivative_of_difference():
    phi, y, base = draw(4)
    target = np.array([0.3, 0.2])
    weights, xi, tangent = calibrate(phi, target, base, "chi_square")
    influence = plain(of_conditions(phi, target, xi, weights, tangent, base))
    expected = influence_by_solving(
        lambda moved: calibrate(phi, target, moved, "chi_square")[0] @ y - moved @ y, base
    )
    np.testing.assert_allclose(influence.parts(y[:, None])[1][:, 0], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("divergence", FAMILIES)
def test_rows_and_clusters_are_left_out_by_newton_step(divergence):
    phi, y, base = draw(5)
    target = np.array([0.3, -0.2])
    weights, xi, tangent = calibrate(phi, target, base, divergence)
    jacobian = ((phi - target) * tangent[:, None]).T @ phi
    cluster = np.random.default_rng(0).permutation(np.arange(N) % 17)
    for own, design in ((np.arange(N), None), (cluster, Design(cluster, np.zeros(17, int)))):
        influence = of_conditions(phi, target, xi, weights, tangent, base, design=design)
        moves = left_out_by_newton(y, phi, phi - target, jacobian, weights, tangent, own)
        level = tangent @ (y - weights @ y) / tangent.sum()
        level -= (tangent @ (phi - target) / tangent.sum()) @ influence.slopes(y[:, None])[:, 0]
        moves += level * np.bincount(own, base)  # the rest's base weights, which sum to 1 again
        assert influence.errors(y[:, None])[0][0] ** 2 == pytest.approx(moves @ moves, rel=1e-9)


def test_strata_center_influences():
    phi, y, base = draw(6)
    target = np.array([0.3, -0.2])
    weights, _, _ = calibrate(phi, target, base, "kullback_leibler")
    rng = np.random.default_rng(1)
    cluster, stratum = rng.permutation(np.arange(N) % 20), np.arange(20) % 3
    design = Design(cluster, stratum)
    influence = Influence.from_weights(phi - target, weights, base, design)
    moves = np.array([influence.of_rows(y[:, None])[cluster == c].sum() for c in range(20)])
    assert influence.errors(y[:, None])[0][0] ** 2 == pytest.approx(linearized_variance(moves, stratum))
    alone = Influence.from_weights(phi - target, weights, base, Design(cluster, np.zeros(20, int)))
    assert alone.errors(y[:, None])[0][0] ** 2 == pytest.approx(linearized_variance(moves, np.zeros(20)))


def test_cluster_that_decides_leaves_error_unknown():
    _, y, base = draw(7)
    cluster = np.r_[np.zeros(5, int), 1 + np.arange(N - 5) % 9]
    member = np.where(cluster == 0, 1.0, 0.0)[:, None]  # only one cluster has the property that is stated
    weights, _, _ = calibrate(member, np.array([0.3]), base, "kullback_leibler")
    decided = Influence.from_weights(member - 0.3, weights, base, Design(cluster, np.zeros(10, int)))
    assert np.isinf(decided.errors(y[:, None])[0]).all()
    by_rows = Influence.from_weights(member - 0.3, weights, base)
    assert np.isfinite(by_rows.errors(y[:, None])[0]).all()


def test_no_row_free_to_move():
    phi, y, base = draw(8)
    still = of_conditions(phi, np.zeros(2), np.zeros(2), base, np.zeros(N), base)
    expected = np.sqrt(np.sum((base * (y - base @ y)) ** 2))
    assert still.errors(y[:, None])[0][0] == pytest.approx(expected)
