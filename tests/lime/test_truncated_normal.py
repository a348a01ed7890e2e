import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from agnostix.lime.truncated_normal import truncnorm_cdf, truncnorm_nodes
from tests.lime.regressions import truncnorm_expectation
from tests.reference import lime as ref

PARAMETERS = [
    (0.0, 1.0, -1.0, 2.0),
    (3.0, 0.5, 2.9, 9.0),
    (0.0, 1.0, -90.0, 90.0),
    (0.0, 1.0, -10.0, 10.0),
    (0.0, 1.0, 5.0, 7.0),
    (0.0, 1.0, -7.0, -5.0),
    (1.0, 2.0, 61.0, 101.0),
    (0.0, 1.0, -12.0, 0.0),
]


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_truncnorm_cdf_is_integral_of_density(parameters):
    mean, sd, lo, hi = parameters
    near = np.clip(mean, lo, hi)
    x = np.sort(np.clip(near + sd * np.array([-3.0, -1.0, -0.2, 0.0, 0.01, 0.5, 2.0]), lo, hi))
    one = ref.Bin(1.0, *parameters)
    expected = [ref.interval_mass(one, -np.inf, v) for v in x]
    np.testing.assert_allclose(truncnorm_cdf(x, *parameters), expected, atol=1e-12)


def test_truncnorm_cdf_keeps_digits_in_tails():
    # The hazard of the normal at 40 is 40.02; just above the lower end the density falls at that rate.
    cdf = truncnorm_cdf(40.0 + np.log(2.0) / 40.0, 0.0, 1.0, 40.0, 90.0)
    assert cdf == pytest.approx(
        ref.interval_mass(ref.Bin(1.0, 0.0, 1.0, 40.0, 90.0), 40.0, 40.0 + np.log(2.0) / 40.0)
    )
    assert truncnorm_cdf(-39.9, 0.0, 1.0, -60.0, -39.0) == pytest.approx(
        ref.interval_mass(ref.Bin(1.0, 0.0, 1.0, -60.0, -39.0), -60.0, -39.9), rel=1e-10, abs=0.0
    )


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("f", [np.cos, np.square, np.tanh, lambda x: np.exp(x / 10.0)])
def test_truncnorm_expectation_to_twelve_digits(parameters, f):
    expected = ref.expectation(f, ref.Bin(1.0, *parameters))
    assert truncnorm_expectation(f, *parameters) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_truncnorm_cdf_at_and_beyond_ends():
    cdf = truncnorm_cdf([-np.inf, -1.0, 2.0, np.inf], 0.0, 1.0, -1.0, 2.0)
    assert cdf.tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("mean", "sd", "lo", "hi"), [(5.0, 0.0, 5.0, 5.0), (4.0, 1e-11, 5.0, 5.0), (5.0, 0.0, 4.0, 9.0)]
)
def test_truncnorm_without_width_is_point_mass(mean, sd, lo, hi):
    assert truncnorm_cdf([4.999, 5.0, 5.001], mean, sd, lo, hi).tolist() == [0.0, 1.0, 1.0]
    nodes, weights = truncnorm_nodes(mean, sd, lo, hi, 8)
    assert (nodes == 5.0).all()
    assert weights.sum() == 1.0
    assert truncnorm_expectation(np.square, mean, sd, lo, hi) == 25.0


def test_truncnorm_of_nan_does_not_warn():
    none = np.full(1, np.nan)
    assert truncnorm_cdf(0.0, none, none, none, none).tolist() == [0.0]
    assert np.isnan(truncnorm_expectation(np.square, none, none, none, none)).all()


@pytest.mark.parametrize("at", [0.0, 1.0, -30.0])
def test_truncnorm_cdf_narrow_is_uniform(at):
    x = at + 1e-9 * np.array([0.25, 0.5, 0.75])
    np.testing.assert_allclose(truncnorm_cdf(x, 0.0, 1.0, at, at + 1e-9), [0.25, 0.5, 0.75], atol=1e-5)


def test_truncnorm_unbounded():
    x = np.array([-3.0, 0.0, 1.0])
    np.testing.assert_allclose(truncnorm_cdf(x, 0.0, 1.0, -np.inf, np.inf), ndtr(x), rtol=1e-13)
    assert truncnorm_expectation(np.square, 0.0, 1.0, 0.0, np.inf) == pytest.approx(1.0, abs=1e-13)


def test_truncnorm_broadcasts():
    lo, hi = np.array([-1.0, 0.0, 2.0]), np.array([0.0, 2.0, 2.0])
    x = np.array([[-0.5], [1.0]])
    cdf = truncnorm_cdf(x, 0.0, 1.0, lo, hi)
    assert cdf.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        assert cdf[i, j] == truncnorm_cdf(x[i, 0], 0.0, 1.0, lo[j], hi[j])
    assert truncnorm_nodes(0.0, 1.0, lo, hi, 5)[0].shape == (3, 5)
    assert truncnorm_expectation(np.ones_like, 0.0, 1.0, lo, hi, 5).tolist() == pytest.approx([1.0] * 3)


@given(st.floats(-50, 50), st.floats(1e-3, 50), st.floats(-100, 100), st.floats(0, 100), st.integers(0, 99))
def test_truncnorm_cdf_rises_from_0_to_1(mean, sd, lo, width, seed):
    x = np.sort(np.random.default_rng(seed).uniform(lo - 1.0, lo + width + 1.0, size=20))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cdf = truncnorm_cdf(np.r_[lo - 1.0, x, lo + width], mean, sd, lo, lo + width)
    assert (np.diff(cdf) >= -1e-12).all()
    assert (cdf[0], cdf[-1]) == (0.0, 1.0)
    nodes, weights = truncnorm_nodes(mean, sd, lo, lo + width)
    assert ((nodes >= lo) & (nodes <= lo + width)).all()
    assert weights.sum() == pytest.approx(1.0)
