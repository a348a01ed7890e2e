import math

import numpy as np
import pytest

from agnostix.lime.lime_masks import MaskLaw, mask_weights
from tests.reference import lime as ref

LAWS = ["bernoulli", "sizes"]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("width", [0.05, 0.25, 3.0])
@pytest.mark.parametrize("d", [1, 2, 3, 10, 200, 1000])
def test_mask_weights_match_sums_over_sizes(d, width, law):
    expected = ref.mask_alphas(d, width, law)
    np.testing.assert_allclose(mask_weights(d, width, law), expected, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("d", [2, 3, 7])
def test_mask_distribution_moments_match_enumeration(d, law):
    masks = MaskLaw.of(d, 0.25, law)
    cells = list(ref.mask_distribution(d, 0.25, law))
    z, weights = np.array([z for _, z in cells]), np.array([w for w, _ in cells])
    covariance = np.cov(z.T, aweights=weights, ddof=0)
    assert masks.n_players == d
    assert masks.weight == pytest.approx(weights.sum(), abs=1e-15)
    assert masks.alpha == pytest.approx(np.average(z[:, 0], weights=weights), abs=1e-15)
    assert masks.apart == pytest.approx(covariance[0, 0] - covariance[0, 1], abs=1e-15)
    assert masks.together == pytest.approx(covariance[0].sum(), abs=1e-15)


@pytest.mark.parametrize("law", LAWS)
def test_mask_distribution_variance_of_1000_features(law):
    masks, d = MaskLaw.of(1000, 0.25, law), 1000
    sizes = [math.comb(d, k) / 2**d if law == "bernoulli" else float(k < d) / d for k in range(d + 1)]
    weights = [s * ref.mask_kernel(d - k, d) for k, s in enumerate(sizes)]
    mean = math.fsum(k * w for k, w in enumerate(weights)) / math.fsum(weights)
    variance = math.fsum((k - mean) ** 2 * w for k, w in enumerate(weights)) / math.fsum(weights)
    assert masks.together == pytest.approx(variance / d, rel=1e-13)


def test_mask_distribution_single_feature():
    masks = MaskLaw.of(1, 0.25, "sizes")
    assert masks.weight == pytest.approx((1.0 + math.exp(-8.0)) / 2.0)
    assert masks.alpha == pytest.approx(1.0 / (1.0 + math.exp(-8.0)))
    assert masks.together == pytest.approx(masks.alpha * (1.0 - masks.alpha))
    assert masks.apart == 0.0


def test_mask_distribution_with_vanishing_kernel_weights():
    masks = MaskLaw.of(2, 1e-3, "sizes")
    assert masks.weight == 0.0
    assert masks.chances.tolist() == [0.0, 1.0, 0.0]
