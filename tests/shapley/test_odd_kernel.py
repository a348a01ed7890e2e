import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core.masking.masker import all_masks
from agnostix.shapley import odd_kernel
from agnostix.shapley.coalitions import leverage_pairs
from agnostix.shapley.odd_kernel import (
    _SMALL,
    LARGEST,
    Spectrum,
    _series,
    covariances,
    projected,
    value_covariances,
    value_variances,
)
from agnostix.shapley.pair_regression import PairRegression
from tests.reference import shapley as ref

SCALES = [[0.7, 0.1], [0.5, 0.0, 1.0], [0.05, 0.02, 0.005, 0.03], [1.0, 5.0, 0.2, 0.0, 40.0]]


def by_definition(scales):
    """The kernel on all coalitions, and its linear part: its slope at 0 times the signed product."""
    d, kernel = len(scales), ref.odd_kernel(scales)
    every = [frozenset(np.flatnonzero(mask).tolist()) for mask in all_masks(d)]
    full = np.array([[kernel(s, t) for t in every] for s in every])
    signs = 2.0 * all_masks(d) - 1.0
    slope = 1.0 / (2.0 * np.sinh(sum(scales) / 2.0))
    return full, slope * (signs * scales) @ signs.T, slope


@pytest.mark.parametrize("scales", SCALES)
def test_covariances_are_kernel_without_linear_part(scales):
    full, linear, _ = by_definition(scales)
    found = covariances(2.0 * all_masks(len(scales)) - 1.0, np.array(scales))
    np.testing.assert_allclose(found, full - linear, atol=1e-14)
    np.testing.assert_allclose(np.diag(full), 1.0)


@pytest.mark.parametrize("scales", SCALES)
def test_value_covariances_match_definition(scales):
    d, kernel = len(scales), ref.odd_kernel(scales)
    _, _, slope = by_definition(scales)
    masks = all_masks(d)
    every = [frozenset(np.flatnonzero(mask).tolist()) for mask in masks]
    full = np.array([0.5 * ref.shapley(lambda s, t=t: kernel(s, t), d) for t in every]).T
    linear = slope * (np.array(scales) * (2.0 * masks - 1.0)).T
    np.testing.assert_allclose(value_covariances(masks, np.array(scales)), full - linear, atol=1e-14)
    variances = np.diag(ref.value_variance(kernel, d)) - slope * np.array(scales)
    np.testing.assert_allclose(value_variances(np.array(scales)), variances, atol=1e-14)


def test_covariances_in_chunks_match_whole(monkeypatch):
    signs = 2.0 * all_masks(5) - 1.0
    scales = np.array([0.4, 1.0, 0.2, 0.7, 3.0])
    whole = covariances(signs, scales)
    monkeypatch.setattr(odd_kernel, "_ROWS", 7)
    np.testing.assert_allclose(covariances(signs, scales), whole, atol=1e-15)


def test_covariances_small_scales_leave_third_order():
    scales = 1e-4 * np.array([1.0, 2.0, 0.5, 3.0, 1.5])
    signs = 2.0 * all_masks(5) - 1.0
    g = (signs * scales) @ signs.T
    np.testing.assert_allclose(covariances(signs, scales), g**3 / 24.0 / scales.sum(), rtol=1e-7, atol=1e-22)


@given(st.integers(2, 60), st.floats(1e-6, 1e5), st.integers(0, 99))
def test_covariances_are_finite_and_positive_semidefinite(d, size, seed):
    rng = np.random.default_rng(seed)
    scales = size * rng.exponential(size=d) * (rng.random(d) < 0.7)
    scales[0] = size
    masks = rng.random((5, d)) < 0.5
    kernel = covariances(2.0 * masks - 1.0, scales)
    assert (np.abs(kernel) <= 1.0 + 1e-9).all()
    assert np.linalg.eigvalsh(kernel).min() >= -1e-12
    assert np.isfinite(value_covariances(masks, scales)).all()
    assert np.isfinite(value_variances(scales)).all()


def test_series_of_sinh_matches_formula():
    x = np.array([-_SMALL, 0.3, _SMALL]) * 0.999999
    np.testing.assert_allclose(_series(x), np.sinh(x) - x, rtol=1e-13)


def test_spectrum_likelihoods_match_reference_up_to_constant():
    scales, rhos = np.array([0.4, 1.0, 0.2, 0.7]), np.array([0.0, 0.3, 2.0, 50.0])
    regression = PairRegression.of(leverage_pairs(4, 7, seed=0))
    data = np.random.default_rng(0).normal(size=(8, 3))
    found = Spectrum.of(regression, scales).likelihoods(data, rhos)
    kernel = ref.odd_kernel(scales)
    rows = [frozenset(np.flatnonzero(row > 0).tolist()) for row in regression.signs]
    expected = []
    for rho in rhos[1:]:
        covariance = [[rho * kernel(s, t) for t in rows] for s in rows] + np.diag(regression.noise)
        logs = [ref.restricted_likelihood(regression.signs, covariance, column) for column in data.T]
        expected.append(sum(logs))
    np.testing.assert_allclose(np.diff(found[1:]), np.diff(expected), atol=1e-9)


def test_spectrum_likelihood_is_minus_inf_for_huge_rho():
    regression = PairRegression.of(leverage_pairs(6, 20, seed=0))
    scales = np.ones(6)
    largest = LARGEST / np.linalg.norm(projected(regression, covariances(regression.signs, scales)))
    data = np.random.default_rng(0).normal(size=(21, 2))
    found = Spectrum.of(regression, scales).likelihoods(data, np.array([0.5, 2.0]) * largest)
    assert np.isfinite(found[0])
    assert found[1] == -np.inf
