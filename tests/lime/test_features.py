"""Distributions of sampled features: unconditional, tilted, local; and importance weights."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest, norm

from agnostix.core.features import LevelCoding, NumberCoding
from agnostix.exceptions import DataError
from agnostix.lime.drawing import Resampling
from agnostix.lime.features import BinnedFeature, ScaledFeature
from tests.messages import refuses
from tests.reference.lime import tilted

EVEN = (np.arange(8192) + 0.5) / 8192
RANDOM = np.random.default_rng(0).random(8192)
SEEN = np.array([0.5, 0.0, 0.2, 0.3])
ASKED = np.array([0.3, 0.0, 0.4, 0.3])


def binned(seen=SEEN, asked=None):
    levels = np.array([[f"level {j}"] for j in range(seen.size)], dtype=object)
    places = np.arange(seen.size)
    drawing = Resampling.of(levels, places, places, np.ones(seen.size))
    return BinnedFeature((0,), LevelCoding(0, "x", levels), seen, drawing, seen if asked is None else asked)


def scaled(dtype=float, mean=3.0, sd=2.0):
    return ScaledFeature((0,), "x", mean, sd, np.dtype(dtype))


def shares(drawn, n=4):
    return np.bincount(drawn.trace, minlength=n) / drawn.trace.size


# ---------------------------------------------------------------- bins


def test_binned_feature_samples_follow_sampling_shares():
    feature = binned(asked=ASKED)
    np.testing.assert_allclose(shares(feature.drawn(EVEN)), ASKED, atol=1 / 4096)
    counts = np.bincount(feature.drawn(RANDOM).trace, minlength=4)
    assert chisquare(counts[[0, 2, 3]], 8192 * ASKED[[0, 2, 3]]).pvalue > 1e-4
    assert feature.drawn(RANDOM).columns[0].tolist() == [f"level {j}" for j in feature.drawn(RANDOM).trace]


def test_binned_feature_weights_undo_oversampling():
    feature = binned(asked=ASKED)
    trace = feature.drawn(EVEN).trace
    weights = np.exp(feature.log_weights(trace))
    assert weights.mean() == pytest.approx(1.0, abs=1e-3)
    found = np.bincount(trace, weights, 4) / trace.size
    np.testing.assert_allclose(found, SEEN, atol=1e-3)
    assert binned().log_weights(trace) == 0.0
    assert feature.with_asked(SEEN).log_weights(trace) == 0.0


@pytest.mark.parametrize("centre", [0, 2, 3, 1, -1])
@pytest.mark.parametrize("width", [0.3, 1.0, 5.0])
def test_binned_feature_tilted_by_kernel_factor(centre, width):
    factor = np.exp(-1.0 / (2.0 * width**2))
    expected = SEEN * np.where(np.arange(4) == centre, 1.0, factor)
    expected /= expected.sum()
    if centre in (0, 2, 3):
        assert expected[centre] == pytest.approx(tilted(SEEN[centre], factor)[0])
    found = binned(asked=ASKED).tilted(EVEN, centre, width)
    np.testing.assert_allclose(shares(found), expected, atol=1 / 4096)


def test_binned_feature_tilted_extreme_widths():
    feature = binned()
    assert set(feature.tilted(EVEN, 2, 1e-3).trace) == {2}
    np.testing.assert_array_equal(feature.tilted(EVEN, -1, 1e-3).trace, feature.around(EVEN, -1, 1.0).trace)
    np.testing.assert_allclose(shares(feature.tilted(EVEN, 2, 1e6)), SEEN, atol=1 / 4096)


def test_binned_feature_around_ignores_radius():
    np.testing.assert_array_equal(binned(asked=ASKED).around(EVEN, 2, 0.1).trace, binned().drawn(EVEN).trace)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(any), st.floats(2.0**-31, 1 - 2.0**-31))
def test_binned_feature_never_samples_unseen_bin(seen, u):
    seen = np.array(seen) / sum(seen)
    drawn = binned(seen).drawn(np.array([u]))
    assert seen[drawn.trace[0]] > 0


def test_binned_feature_resamples_evenly_within_bin():
    table = np.arange(100.0)[:, None]
    codes = (np.arange(100) >= 25).astype(int)
    drawing = Resampling.of(table, codes, np.arange(100), np.ones(100))
    coding = NumberCoding(0, "x", np.array([24.0]), ("24",))
    seen = np.array([0.25, 0.75, 0.0])
    feature = BinnedFeature((0,), coding, seen, drawing, np.array([0.5, 0.5, 0.0]))
    (values,) = feature.drawn(EVEN).columns
    counts = np.bincount(values.astype(int), minlength=100)
    np.testing.assert_allclose(counts[:25], 8192 * 0.5 / 25, atol=1.01)
    np.testing.assert_allclose(counts[25:], 8192 * 0.5 / 75, atol=1.01)


def test_binned_feature_varies_and_is_unseen():
    feature = binned()
    assert feature.varies
    assert not binned(np.array([0.0, 1.0])).varies
    assert feature.is_unseen(np.array([0, 1, 2, 3, -1])).tolist() == [False, True, False, False, True]
    assert feature.is_unseen(np.array([0.0, -1.0])).tolist() == [False, True]
    assert feature.told(np.array([3, -1, 3])) == ["x = level 3", "x not seen in fit", "x = level 3"]


def test_binned_feature_many_bins_use_wider_codes():
    assert binned().drawn(EVEN).trace.dtype == np.int16
    many = np.full(40_000, 1 / 40_000)
    assert binned(many).drawn(np.array([0.99999])).trace.tolist() == [39_999]


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(("centre", "width"), [(0.0, 1.0), (1.5, 0.5), (-2.0, 3.0)])
def test_scaled_feature_samples_are_normal(centre, width):
    feature = scaled()
    share = width**2 / (1.0 + width**2)
    laws = {
        "drawn": (feature.drawn(EVEN), norm()),
        "tilted": (feature.tilted(EVEN, centre, width), norm(centre / (1.0 + width**2), np.sqrt(share))),
        "around": (feature.around(EVEN, centre, 0.25), norm(centre, 0.25)),
    }
    for name, (found, law) in laws.items():
        assert kstest(found.trace, law.cdf).statistic < 2e-4, name
        np.testing.assert_allclose(found.columns[0], 3.0 + 2.0 * found.trace, rtol=1e-14)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.2, 5))
def test_scaled_feature_tilted_is_kernel_times_density(z, centre, width):
    law = norm(centre / (1.0 + width**2), np.sqrt(width**2 / (1.0 + width**2)))
    product = norm.logpdf([z, 0.0]) - (np.array([z, 0.0]) - centre) ** 2 / (2.0 * width**2)
    assert law.logpdf(z) - law.logpdf(0.0) == pytest.approx(product[0] - product[1], abs=1e-8)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint64", "int64"])
def test_scaled_feature_integers_are_rounded_and_clipped(dtype):
    feature = scaled(dtype, mean=100.0, sd=80.0)
    found = feature.drawn(EVEN)
    (values,) = found.columns
    assert values.dtype == dtype
    ends = np.iinfo(dtype)
    expected = np.clip(np.rint(100.0 + 80.0 * norm.ppf(EVEN)), ends.min, min(ends.max, 10**9))
    np.testing.assert_array_equal(values.astype(float), expected)
    np.testing.assert_allclose(found.trace, (expected - 100.0) / 80.0)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_scaled_feature_largest_integers_do_not_overflow(dtype):
    ends = np.iinfo(dtype)
    (values,) = scaled(dtype, mean=float(ends.max), sd=float(ends.max)).drawn(np.array([0.4, 0.6])).columns
    assert values[0] < values[1]
    assert values[1] > ends.max - 4096


def test_scaled_feature_centers_are_standardized():
    feature = scaled()
    for X in (np.array([[3.0], [5.0]]), pd.DataFrame({"x": [3, 5]})):
        np.testing.assert_array_equal(feature.centres(X), [0.0, 1.0])
    assert feature.told(np.zeros(2)) == ["", ""]
    assert feature.log_weights(np.zeros(2)) == 0.0
    assert not feature.is_unseen(np.array([0.0, 99.0])).any()
    assert feature.varies


def test_scaled_feature_constant_is_unseen_elsewhere():
    feature = scaled(sd=0.0)
    centres = feature.centres(np.array([[3.0], [3.5]]))
    assert centres.tolist() == [0.0, 0.5]
    assert feature.is_unseen(centres).tolist() == [False, True]
    assert not feature.varies
    for drawn in (feature.drawn(EVEN), feature.tilted(EVEN, 0.5, 1.0), feature.around(EVEN, 0.5, 1.0)):
        assert set(drawn.columns[0]) == {3.0}


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_scaled_feature_refuses_nan_and_infinity(value, shown):
    with refuses(DataError, "'x'", f"is {shown} in row 1 of X", "discretizer='quartile'"):
        scaled().centres(np.array([[0.0], [value]]))
