import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core.masking.masker import all_masks
from agnostix.shapley import odd_kernel
from agnostix.shapley.coalitions import sample_pairs
from agnostix.shapley.odd_kernel import (
    _SMALL,
    _sinh_series,
    covariances_alike,
    owen_values,
    owen_variances,
    pair_covariances,
    shapley_covariances,
    shapley_variances,
)
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
def test_pair_covariances_are_kernel_without_linear_part(scales):
    full, linear, _ = by_definition(scales)
    actual = pair_covariances(2.0 * all_masks(len(scales)) - 1.0, np.array(scales))
    np.testing.assert_allclose(actual, full - linear, atol=1e-14)
    np.testing.assert_allclose(np.diag(full), 1.0)


@pytest.mark.parametrize("scales", SCALES)
def test_shapley_covariances_match_definition(scales):
    d, kernel = len(scales), ref.odd_kernel(scales)
    _, _, slope = by_definition(scales)
    masks = all_masks(d)
    every = [frozenset(np.flatnonzero(mask).tolist()) for mask in masks]
    full = np.array([0.5 * ref.shapley(lambda s, t=t: kernel(s, t), d) for t in every]).T
    linear = slope * (np.array(scales) * (2.0 * masks - 1.0)).T
    np.testing.assert_allclose(shapley_covariances(masks, np.array(scales)), full - linear, atol=1e-14)
    variances = np.diag(ref.value_variance(kernel, d)) - slope * np.array(scales)
    np.testing.assert_allclose(shapley_variances(np.array(scales)), variances, atol=1e-14)


def test_pair_covariances_in_chunks_match_whole(monkeypatch):
    signs = 2.0 * all_masks(5) - 1.0
    scales = np.array([0.4, 1.0, 0.2, 0.7, 3.0])
    whole = pair_covariances(signs, scales)
    monkeypatch.setattr(odd_kernel, "_BLOCK_ROWS", 7)
    np.testing.assert_allclose(pair_covariances(signs, scales), whole, atol=1e-15)


def test_pair_covariances_small_scales_leave_third_order():
    scales = 1e-4 * np.array([1.0, 2.0, 0.5, 3.0, 1.5])
    signs = 2.0 * all_masks(5) - 1.0
    g = (signs * scales) @ signs.T
    np.testing.assert_allclose(
        pair_covariances(signs, scales), g**3 / 24.0 / scales.sum(), rtol=1e-7, atol=1e-22
    )


@given(st.integers(2, 60), st.floats(1e-6, 1e5), st.integers(0, 99))
def test_pair_covariances_are_finite_and_positive_semidefinite(d, size, seed):
    rng = np.random.default_rng(seed)
    scales = size * rng.exponential(size=d) * (rng.random(d) < 0.7)
    scales[0] = size
    masks = rng.random((5, d)) < 0.5
    kernel = pair_covariances(2.0 * masks - 1.0, scales)
    assert (np.abs(kernel) <= 1.0 + 1e-9).all()
    assert np.linalg.eigvalsh(kernel).min() >= -1e-12
    assert np.isfinite(shapley_covariances(masks, scales)).all()
    assert np.isfinite(shapley_variances(scales)).all()


def test_series_of_sinh_matches_formula():
    x = np.array([-_SMALL, 0.3, _SMALL]) * 0.999999
    np.testing.assert_allclose(_sinh_series(x), np.sinh(x) - x, rtol=1e-13)


OWEN_SCALES = [[0.7], [0.3, 2.0], [0.5, 0.0, 1.0], [0.01, 0.02, 0.005, 0.03], [1.0, 5.0, 0.2, 0.0, 40.0, 2.0]]


@pytest.mark.parametrize("scales", OWEN_SCALES)
def test_owen_values_match_shapley_reference(scales):
    d, kernel = len(scales), ref.product_kernel(scales)
    masks = all_masks(d)
    actual = owen_values(masks, np.array(scales))
    for mask, values in zip(masks, actual, strict=True):
        t = frozenset(np.flatnonzero(mask).tolist())
        np.testing.assert_allclose(values, ref.shapley(lambda s, t=t: kernel(s, t), d), atol=1e-14)


@pytest.mark.parametrize("scales", OWEN_SCALES)
def test_owen_variances_match_reference(scales):
    d, kernel = len(scales), ref.product_kernel(scales)
    halved = 4.0 * np.diag(ref.value_variance(kernel, d))
    np.testing.assert_allclose(owen_variances(np.array(scales)), halved, atol=1e-14)


@given(st.integers(1, 300), st.integers(0, 100), st.floats(1e-3, 1e3))
def test_owen_values_are_efficient(d, seed, size):
    rng = np.random.default_rng(seed)
    scales = size * rng.exponential(size=d)
    masks = rng.random((4, d)) < 0.5
    actual = owen_values(masks, scales)
    full = np.exp(-(~masks @ scales)) - np.exp(-(masks @ scales))
    np.testing.assert_allclose(actual.sum(1), full, atol=1e-12)


def test_owen_values_of_zero_scale_are_zero():
    scales = np.array([0.5, 0.0, 0.3])
    assert (owen_values(all_masks(3), scales)[:, 1] == 0.0).all()
    assert owen_variances(scales)[1] == 0.0


def test_owen_values_of_1000_players_are_finite():
    scales = np.random.default_rng(0).exponential(size=1000)
    assert np.isfinite(owen_values(sample_pairs(1000, 20, 0).masks, scales)).all()
    assert (owen_variances(scales) > 0.0).all()


@pytest.mark.parametrize("scale", [0.01, 0.1, 0.6, 2.0])
def test_covariances_of_players_alike_are_those_of_equal_scales(scale):
    signs = np.where(np.random.default_rng(0).random((30, 12)) < 0.5, 1.0, -1.0)
    found = covariances_alike((signs @ signs.T).astype(int), scale, 12)
    np.testing.assert_allclose(found, pair_covariances(signs, np.full(12, scale)), atol=1e-15)


def test_shapley_values_of_few_distinct_scales_are_those_of_slightly_different_ones():
    scales = np.repeat([0.1, 0.5, 0.1], [3, 4, 2])
    apart = scales * (1.0 + 1e-9 * np.arange(9))
    masks = np.random.default_rng(0).random((20, 9)) < 0.5
    np.testing.assert_allclose(owen_values(masks, scales), owen_values(masks, apart), rtol=1e-6)
    np.testing.assert_allclose(owen_variances(scales), owen_variances(apart), rtol=1e-6)
