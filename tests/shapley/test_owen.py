import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalitions import leverage_pairs
from agnostix.shapley.owen import column_values, prior_variances
from tests.reference import shapley as ref

SCALES = [[0.7], [0.3, 2.0], [0.5, 0.0, 1.0], [0.01, 0.02, 0.005, 0.03], [1.0, 5.0, 0.2, 0.0, 40.0, 2.0]]


@pytest.mark.parametrize("scales", SCALES)
def test_column_values_match_shapley_reference(scales):
    d, kernel = len(scales), ref.product_kernel(scales)
    masks = all_masks(d)
    found = column_values(masks, np.array(scales))
    for mask, values in zip(masks, found, strict=True):
        t = frozenset(np.flatnonzero(mask).tolist())
        np.testing.assert_allclose(values, ref.shapley(lambda s, t=t: kernel(s, t), d), atol=1e-14)


@pytest.mark.parametrize("scales", SCALES)
def test_prior_variances_match_reference(scales):
    d, kernel = len(scales), ref.product_kernel(scales)
    halved = 4.0 * np.diag(ref.value_variance(kernel, d))
    np.testing.assert_allclose(prior_variances(np.array(scales)), halved, atol=1e-14)


@given(st.integers(1, 300), st.integers(0, 100), st.floats(1e-3, 1e3))
def test_column_values_are_efficient(d, seed, size):
    rng = np.random.default_rng(seed)
    scales = size * rng.exponential(size=d)
    masks = rng.random((4, d)) < 0.5
    found = column_values(masks, scales)
    full = np.exp(-(~masks @ scales)) - np.exp(-(masks @ scales))
    np.testing.assert_allclose(found.sum(1), full, atol=1e-12)


def test_column_values_of_zero_scale_are_zero():
    scales = np.array([0.5, 0.0, 0.3])
    assert (column_values(all_masks(3), scales)[:, 1] == 0.0).all()
    assert prior_variances(scales)[1] == 0.0


def test_column_values_of_1000_players_are_finite():
    scales = np.random.default_rng(0).exponential(size=1000)
    assert np.isfinite(column_values(leverage_pairs(1000, 20, 0).masks, scales)).all()
    assert (prior_variances(scales) > 0.0).all()
