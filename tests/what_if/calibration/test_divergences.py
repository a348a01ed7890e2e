import numpy as np
import pytest

from agnostix.what_if.calibration.divergences import (
    CHI_SQUARE,
    DIVERGENCES,
    EMPIRICAL_LIKELIHOOD,
    KULLBACK_LEIBLER,
    BoundedRatio,
)
from tests.reference.calibration import cost, marginal_cost
from tests.reference.what_if import slope_by_difference

RATIOS = np.array([0.05, 0.4, 1.0, 1.7, 6.0])


@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergence_matches_formula_of_weights(name):
    rng = np.random.default_rng(0)
    base, weights = rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(20))
    ours = base @ DIVERGENCES[name].cost(weights / base)
    assert ours == pytest.approx(cost(name, weights, base), rel=1e-12)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergence_is_normalized_at_base_weights(name):
    divergence, one = DIVERGENCES[name], np.ones(1)
    assert divergence.cost(one)[0] == 0.0
    assert divergence.marginal_cost(one)[0] == 0.0
    assert divergence.slope(one)[0] == 1.0


@pytest.mark.parametrize("name", DIVERGENCES)
def test_ratio_is_where_marginal_cost_is_u(name):
    divergence = DIVERGENCES[name]
    u = divergence.marginal_cost(RATIOS)
    np.testing.assert_allclose(u, marginal_cost(name, RATIOS), rtol=1e-14)
    np.testing.assert_allclose(divergence.ratio(u), RATIOS, rtol=1e-14)
    for value, ratio in zip(u, RATIOS, strict=True):
        slope = slope_by_difference(lambda x: divergence.ratio(np.array([x]))[0], value, 1e-3 / ratio)
        assert divergence.slope(np.array([ratio]))[0] == pytest.approx(slope, rel=1e-6)
        rise = slope_by_difference(lambda r: divergence.cost(np.array([r]))[0], ratio, 1e-3 * ratio)
        assert divergence.marginal_cost(np.array([ratio]))[0] == pytest.approx(rise, abs=1e-8)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_scale_of_weights_and_base_weights_that_sum_to_less(name):
    # The divergence of m w from c b is that of w from b, times the scale, plus a constant.
    rng = np.random.default_rng(1)
    base, one, other = rng.dirichlet(np.ones(9), 3)
    mass, own = 0.3, 0.7
    gain = cost(name, mass * one, own * base) - cost(name, mass * other, own * base)
    expected = cost(name, one, base) - cost(name, other, base)
    assert gain == pytest.approx(DIVERGENCES[name].scale(mass, own) * expected, rel=1e-10)


def test_chi_square_ratio_is_never_negative():
    assert CHI_SQUARE.ratio(np.array([-3.0, -1.0])).tolist() == [0.0, 0.0]
    assert CHI_SQUARE.slope(np.array([0.0])).tolist() == [0.0]


def test_ratios_stay_finite_far_out():
    far = np.array([-1e6, 1e6])
    for divergence in (KULLBACK_LEIBLER, EMPIRICAL_LIKELIHOOD):
        assert np.isfinite(divergence.ratio(far)).all()
        assert (divergence.ratio(far) >= 0.0).all()


@pytest.mark.parametrize("name", DIVERGENCES)
def test_bounded_ratio_is_clipped_and_flat_at_its_ends(name):
    u = np.linspace(-3.0, 0.9, 40)
    ratio, slope = BoundedRatio(DIVERGENCES[name], 0.5, 1.6).at(u)
    np.testing.assert_allclose(ratio, np.clip(DIVERGENCES[name].ratio(u), 0.5, 1.6))
    assert (slope[(ratio == 0.5) | (ratio == 1.6)] == 0.0).all()
    assert (slope[(ratio > 0.5) & (ratio < 1.6)] > 0.0).all()


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("bounds", [(0.5, 1.6), (0.0, 1.6), (0.5, np.inf)])
def test_rounded_corners_tend_to_sharp_ones(name, bounds):
    divergence = DIVERGENCES[name]
    u = np.linspace(-3.0, 0.9, 40)
    sharp = BoundedRatio(divergence, *bounds).at(u)[0]
    gaps = [
        np.abs(BoundedRatio(divergence, *bounds, size).at(u)[0] - sharp).max() for size in (1e-2, 1e-4, 1e-6)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] <= 2e-5
    rounded = BoundedRatio(divergence, *bounds, 0.1)
    for value in u[::5]:
        slope = slope_by_difference(lambda x: rounded.at(np.array([x]))[0][0], value, 1e-3)
        assert rounded.at(np.array([value]))[1][0] == pytest.approx(slope, rel=1e-6, abs=1e-9)
