from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.what_if.calibration.elastic_net import solve_quadratic


def value(x, hessian, linear, low, high):
    kinks = sum(-a * v if v > 0 else -b * v for v, a, b in zip(x, low, high, strict=True) if v != 0)
    return 0.5 * x @ hessian @ x + linear @ x + kinks


def by_all_signs(hessian, linear, low, high):
    """The best of the stationary points of every sign pattern that have its signs."""
    best = np.inf
    for signs in product((-1, 0, 1), repeat=len(low)):
        signs = np.where(low == high, 1, signs)
        x, active = np.zeros(len(low)), signs != 0
        end = np.where(signs > 0, low, high)
        if np.isinf(end[active]).any():
            continue
        if active.any():
            x[active] = np.linalg.solve(hessian[np.ix_(active, active)], (end - linear)[active])
        if (np.sign(x) == signs)[low < high].all():
            best = min(best, value(x, hessian, linear, low, high))
    return best


@given(st.integers(0, 10_000))
def test_solve_quadratic_matches_best_of_all_signs(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 5))
    root = rng.normal(size=(k, k))
    hessian, linear = root @ root.T + 0.05 * np.eye(k), rng.normal(size=k)
    low = rng.normal(size=k)
    high = low + np.where(rng.random(k) < 0.3, 0.0, rng.uniform(0.0, 1.0, k))
    high = np.where((low < high) & (rng.random(k) < 0.2), np.inf, high)
    low = np.where((low < high) & np.isfinite(high) & (rng.random(k) < 0.2), -np.inf, low)
    x = solve_quadratic(hessian, linear, low, high, rng.normal(size=k) * (rng.random(k) < 0.7))
    assert not np.isinf(low[x > 0.0]).any()
    assert not np.isinf(high[x < 0.0]).any()
    assert value(x, hessian, linear, low, high) == pytest.approx(
        by_all_signs(hessian, linear, low, high), abs=1e-9
    )


def test_solve_quadratic_without_kinks_is_linear_system():
    rng = np.random.default_rng(0)
    root, linear, low = rng.normal(size=(6, 6)), rng.normal(size=6), rng.normal(size=6)
    hessian = root @ root.T + np.eye(6)
    x = solve_quadratic(hessian, linear, low, low, np.zeros(6))
    np.testing.assert_allclose(hessian @ x + linear, low, atol=1e-12)


def test_solve_quadratic_within_ranges_is_zero():
    x = solve_quadratic(
        np.eye(2), np.array([0.3, -0.2]), np.full(2, -0.5), np.full(2, 0.5), np.array([4.0, -4.0])
    )
    assert x.tolist() == [0.0, 0.0]


def test_solve_quadratic_of_many_ranges_meets_conditions():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(60, 80))
    hessian, linear = root @ root.T / 80, rng.normal(size=60)
    low, high = np.full(60, -0.4), np.full(60, 0.4)
    x = solve_quadratic(hessian, linear, low, high, np.zeros(60))
    slope = hessian @ x + linear
    np.testing.assert_allclose(slope[x > 0.0], -0.4, atol=1e-10)
    np.testing.assert_allclose(slope[x < 0.0], 0.4, atol=1e-10)
    assert np.abs(slope[x == 0.0]).max() <= 0.4 + 1e-10
    assert 5 < (x == 0.0).sum() < 55
