"""Values within bins, samples of features and importance weights against their distributions."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest, norm, truncnorm

from agnostix.core.features import LevelCoding, NumberCoding
from agnostix.core.frames import to_numbers
from agnostix.exceptions import DataError
from agnostix.lime.features import (
    MAX_VARIANCE,
    MAX_VARIANCE_BY_POWER,
    BinnedFeature,
    Resampling,
    ScaledFeature,
    TruncatedNormals,
    make_proposals,
)
from tests.messages import refuses
from tests.reference import lime as ref
from tests.reference.lime import tilted

RNG = np.random.default_rng(0)
COLUMNS = {
    "normal": RNG.normal(size=500),
    "skewed": np.exp(2.0 * RNG.normal(size=500)),
    "far": 1e6 + RNG.normal(size=500),
    "float32": RNG.normal(size=500).astype(np.float32),
}
EVEN = (np.arange(4000) + 0.5) / 4000


def fit_bins(column, weights=None):
    numbers = column.astype(float)
    edges = ref.quartile_edges(numbers)
    codes = np.array([ref.bin_of(x, edges) for x in numbers])
    weights = np.ones(column.size) if weights is None else weights
    return TruncatedNormals.from_values(numbers, codes, weights, edges, column.dtype), edges


@pytest.mark.parametrize("kind", COLUMNS)
def test_truncated_normals_moments_match_reference(kind):
    column = COLUMNS[kind]
    distribution, edges = fit_bins(column)
    for code, one in enumerate(ref.between_edges(column.astype(float), edges)):
        learned = [x[code] for x in (distribution.mean, distribution.low, distribution.high)]
        np.testing.assert_allclose(learned, [one.mean, one.lo, one.hi], rtol=1e-12)
        assert distribution.sd[code] == pytest.approx(one.sd, rel=1e-6)


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("code", range(4))
def test_truncated_normals_values_follow_distribution(kind, code):
    column = COLUMNS[kind]
    distribution, edges = fit_bins(column)
    (values,) = distribution.sample(np.full(EVEN.size, code), EVEN)
    assert values.dtype == column.dtype
    one = ref.between_edges(column.astype(float), edges)[code]
    normal = truncnorm((one.lo - one.mean) / one.sd, (one.hi - one.mean) / one.sd, loc=one.mean, scale=one.sd)
    apart = np.abs(normal.cdf(values.astype(float)) - EVEN).max()
    assert apart < (1e-5 if kind in ("float32", "far") else 1e-9)
    assert kstest(values.astype(float), normal.cdf).statistic < 1e-3


@pytest.mark.parametrize("kind", COLUMNS)
@given(code=st.integers(0, 3), u=st.floats(0, 1))
def test_truncated_normals_values_stay_within_bin(kind, code, u):
    distribution, _ = fit_bins(COLUMNS[kind])
    value = distribution.sample(np.array([code]), np.array([u]))[0][0]
    low, high = distribution.low[code], distribution.high[code]
    if kind == "float32":
        low, high = np.float32(low), np.float32(high)
    assert low <= value <= high


def test_truncated_normals_weights_are_repeated_rows():
    column, weights = COLUMNS["skewed"], np.random.default_rng(1).integers(1, 5, 500)
    edges = ref.quartile_edges(column)
    codes = np.searchsorted(edges, column)
    once = TruncatedNormals.from_values(column, codes, weights.astype(float), edges, column.dtype)
    often = TruncatedNormals.from_values(
        np.repeat(column, weights), np.repeat(codes, weights), np.ones(weights.sum()), edges, column.dtype
    )
    for name in ("mean", "sd", "low", "high"):
        np.testing.assert_allclose(getattr(once, name), getattr(often, name), rtol=1e-10)


@pytest.mark.parametrize("unit", [1e-15, 1e15])
def test_truncated_normals_ignore_column_units(unit):
    column = COLUMNS["normal"]
    codes = np.arange(EVEN.size) % 4
    one, other = (fit_bins(part)[0].sample(codes, EVEN)[0] for part in (column, column * unit))
    np.testing.assert_allclose(other / unit, one, atol=1e-9)


def test_truncated_normals_constant_and_missing_bins():
    numbers = np.array([1.0, 1.0, 4.0, 4.0, np.nan])
    distribution = TruncatedNormals.from_values(
        numbers, np.array([0, 0, 1, 1, 2]), np.ones(5), np.array([2.0]), np.dtype(float)
    )
    (values,) = distribution.sample(np.repeat([0, 1, 2], 100), np.tile(np.linspace(0.001, 0.999, 100), 3))
    np.testing.assert_allclose(values[:100], 1.0, atol=1e-9)
    np.testing.assert_allclose(values[100:200], 4.0, atol=1e-9)
    assert np.isnan(values[200:]).all()


def test_truncated_normals_column_all_missing():
    distribution = TruncatedNormals.from_values(
        np.full(3, np.nan), np.ones(3, int), np.ones(3), np.empty(0), np.dtype(float)
    )
    assert np.isnan(distribution.sample(np.ones(4, int), np.linspace(0, 0.9, 4))[0]).all()


# ---------------------------------------------------------------- observed rows


def plain_quantile(values, codes, order, weights, code, u):
    """Inverse of the weighted distribution function of a bin's rows, by a loop."""
    inside = sorted((order[i], i) for i in range(len(values)) if codes[i] == code)
    total, run = sum(weights[i] for _, i in inside), 0.0
    for _, i in inside:
        run += weights[i]
        if u * total < run:
            return values[i]
    return values[inside[-1][1]]


@given(st.integers(0, 2**31), st.integers(1, 30))
def test_resampling_rows_by_weight(seed, n):
    rng = np.random.default_rng(seed)
    codes, weights, order = rng.integers(0, 4, n), rng.integers(1, 5, n).astype(float), rng.permutation(n)
    table = np.column_stack([np.arange(n), -np.arange(n)])
    distribution = Resampling.from_rows(table, codes, order.astype(float), weights)
    bins, quantiles = rng.choice(codes, 50), rng.random(50)
    first, second = distribution.sample(bins, quantiles)
    expected = [
        plain_quantile(range(n), codes, order, weights, c, u) for c, u in zip(bins, quantiles, strict=True)
    ]
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, -first)


def test_resampling_largest_uniform_stays_within_bin():
    n = 30_000
    distribution = Resampling.from_rows(
        np.arange(n)[:, None], np.arange(n) // 3, np.arange(n), np.full(n, 0.1)
    )
    codes = np.arange(n // 3)
    (values,) = distribution.sample(codes, np.full(codes.size, 1.0 - 1e-9))
    np.testing.assert_array_equal(values, 3 * codes + 2)
    (values,) = distribution.sample(codes, np.zeros(codes.size))
    np.testing.assert_array_equal(values, 3 * codes)


@pytest.mark.parametrize("make", [np.array, pd.DataFrame, lambda X: pl.DataFrame(X, schema=["a", "b"])])
def test_resampling_columns_keep_table_type(make):
    table = make(np.array([[1.0, 5.0], [2.0, 6.0], [3.0, np.nan]]))
    distribution = Resampling.from_rows(table, np.array([1, 0, 1]), np.arange(3), np.array([3.0, 1.0, 1.0]))
    first, second = distribution.sample(np.array([1, 1, 0]), np.array([0.7, 0.8, 0.0]))
    np.testing.assert_array_equal(to_numbers(pd.Series(first)), [1.0, 3.0, 2.0])
    np.testing.assert_array_equal(to_numbers(pd.Series(second)), [5.0, np.nan, 6.0])


# ---------------------------------------------------------------- features

POINTS = (np.arange(8192) + 0.5) / 8192
RANDOM = np.random.default_rng(0).random(8192)
FREQUENCIES = np.array([0.5, 0.0, 0.2, 0.3])
PROPOSAL = np.array([0.3, 0.0, 0.4, 0.3])


def binned(frequencies=FREQUENCIES, proposal=None):
    levels = np.array([[f"level {j}"] for j in range(frequencies.size)], dtype=object)
    places = np.arange(frequencies.size)
    distribution = Resampling.from_rows(levels, places, places, np.ones(frequencies.size))
    return BinnedFeature(
        (0,),
        LevelCoding(0, "x", levels),
        frequencies,
        distribution,
        frequencies if proposal is None else proposal,
    )


def scaled(dtype=float, mean=3.0, sd=2.0):
    return ScaledFeature((0,), "x", mean, sd, np.dtype(dtype))


def level_frequencies(samples, n=4):
    return np.bincount(samples.encoded, minlength=n) / samples.encoded.size


# ---------------------------------------------------------------- bins


def test_binned_feature_samples_follow_proposal():
    feature = binned(proposal=PROPOSAL)
    np.testing.assert_allclose(level_frequencies(feature.sample(POINTS)), PROPOSAL, atol=1 / 4096)
    counts = np.bincount(feature.sample(RANDOM).encoded, minlength=4)
    assert chisquare(counts[[0, 2, 3]], 8192 * PROPOSAL[[0, 2, 3]]).pvalue > 1e-4
    assert feature.sample(RANDOM).columns[0].tolist() == [
        f"level {j}" for j in feature.sample(RANDOM).encoded
    ]


def test_binned_feature_weights_undo_oversampling():
    feature = binned(proposal=PROPOSAL)
    encoded = feature.sample(POINTS).encoded
    weights = np.exp(feature.log_weights(encoded))
    assert weights.mean() == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(np.bincount(encoded, weights, 4) / encoded.size, FREQUENCIES, atol=1e-3)
    assert binned().log_weights(encoded) == 0.0
    assert replace(feature, proposal=feature.frequencies).log_weights(encoded) == 0.0


@pytest.mark.parametrize("center", [0, 2, 3, 1, -1])
@pytest.mark.parametrize("width", [0.3, 1.0, 5.0])
def test_binned_feature_tilted_by_kernel_factor(center, width):
    factor = np.exp(-1.0 / (2.0 * width**2))
    expected = FREQUENCIES * np.where(np.arange(4) == center, 1.0, factor)
    expected /= expected.sum()
    if center in (0, 2, 3):
        assert expected[center] == pytest.approx(tilted(FREQUENCIES[center], factor)[0])
    samples = binned(proposal=PROPOSAL).sample_tilted(POINTS, center, width)
    np.testing.assert_allclose(level_frequencies(samples), expected, atol=1 / 4096)


def test_binned_feature_tilted_extreme_widths():
    feature = binned()
    assert set(feature.sample_tilted(POINTS, 2, 1e-3).encoded) == {2}
    np.testing.assert_array_equal(
        feature.sample_tilted(POINTS, -1, 1e-3).encoded, feature.sample_local(POINTS, -1, 1.0).encoded
    )
    np.testing.assert_allclose(
        level_frequencies(feature.sample_tilted(POINTS, 2, 1e6)), FREQUENCIES, atol=1 / 4096
    )


def test_binned_feature_local_ignores_radius():
    np.testing.assert_array_equal(
        binned(proposal=PROPOSAL).sample_local(POINTS, 2, 0.1).encoded, binned().sample(POINTS).encoded
    )


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(any), st.floats(2.0**-31, 1 - 2.0**-31))
def test_binned_feature_never_samples_unseen_bin(frequencies, u):
    frequencies = np.array(frequencies) / sum(frequencies)
    samples = binned(frequencies).sample(np.array([u]))
    assert frequencies[samples.encoded[0]] > 0


def test_binned_feature_resamples_evenly_within_bin():
    table = np.arange(100.0)[:, None]
    codes = (np.arange(100) >= 25).astype(int)
    distribution = Resampling.from_rows(table, codes, np.arange(100), np.ones(100))
    coding = NumberCoding(0, "x", np.array([24.0]), ("24",))
    frequencies = np.array([0.25, 0.75, 0.0])
    feature = BinnedFeature((0,), coding, frequencies, distribution, np.array([0.5, 0.5, 0.0]))
    (values,) = feature.sample(POINTS).columns
    counts = np.bincount(values.astype(int), minlength=100)
    np.testing.assert_allclose(counts[:25], 8192 * 0.5 / 25, atol=1.01)
    np.testing.assert_allclose(counts[25:], 8192 * 0.5 / 75, atol=1.01)


def test_binned_feature_varies_and_is_unseen():
    feature = binned()
    assert feature.varies
    assert not binned(np.array([0.0, 1.0])).varies
    assert feature.is_unseen(np.array([0, 1, 2, 3, -1])).tolist() == [False, True, False, False, True]
    assert feature.is_unseen(np.array([0.0, -1.0])).tolist() == [False, True]
    assert feature.describe(np.array([3, -1, 3])) == ["x = level 3", "x not seen in fit", "x = level 3"]


def test_binned_feature_many_bins_use_wider_codes():
    assert binned().sample(POINTS).encoded.dtype == np.int16
    many = np.full(40_000, 1 / 40_000)
    assert binned(many).sample(np.array([0.99999])).encoded.tolist() == [39_999]


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(("center", "width"), [(0.0, 1.0), (1.5, 0.5), (-2.0, 3.0)])
def test_scaled_feature_samples_are_normal(center, width):
    feature = scaled()
    variance = width**2 / (1.0 + width**2)
    expected = {
        "shared": (feature.sample(POINTS), norm()),
        "tilted": (
            feature.sample_tilted(POINTS, center, width),
            norm(center / (1.0 + width**2), np.sqrt(variance)),
        ),
        "local": (feature.sample_local(POINTS, center, 0.25), norm(center, 0.25)),
    }
    for name, (samples, normal) in expected.items():
        assert kstest(samples.encoded, normal.cdf).statistic < 2e-4, name
        np.testing.assert_allclose(samples.columns[0], 3.0 + 2.0 * samples.encoded, rtol=1e-14)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.2, 5))
def test_scaled_feature_tilted_is_kernel_times_density(z, center, width):
    normal = norm(center / (1.0 + width**2), np.sqrt(width**2 / (1.0 + width**2)))
    product = norm.logpdf([z, 0.0]) - (np.array([z, 0.0]) - center) ** 2 / (2.0 * width**2)
    assert normal.logpdf(z) - normal.logpdf(0.0) == pytest.approx(product[0] - product[1], abs=1e-8)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint64", "int64"])
def test_scaled_feature_integers_are_rounded_and_clipped(dtype):
    feature = scaled(dtype, mean=100.0, sd=80.0)
    samples = feature.sample(POINTS)
    (values,) = samples.columns
    assert values.dtype == dtype
    ends = np.iinfo(dtype)
    expected = np.clip(np.rint(100.0 + 80.0 * norm.ppf(POINTS)), ends.min, min(ends.max, 10**9))
    np.testing.assert_array_equal(values.astype(float), expected)
    np.testing.assert_allclose(samples.encoded, (expected - 100.0) / 80.0)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_scaled_feature_largest_integers_do_not_overflow(dtype):
    ends = np.iinfo(dtype)
    (values,) = scaled(dtype, mean=float(ends.max), sd=float(ends.max)).sample(np.array([0.4, 0.6])).columns
    assert values[0] < values[1]
    assert values[1] > ends.max - 4096


def test_scaled_feature_centers_are_standardized():
    feature = scaled()
    for X in (np.array([[3.0], [5.0]]), pd.DataFrame({"x": [3, 5]})):
        np.testing.assert_array_equal(feature.encode(X), [0.0, 1.0])
    assert feature.describe(np.zeros(2)) == ["", ""]
    assert feature.log_weights(np.zeros(2)) == 0.0
    assert not feature.is_unseen(np.array([0.0, 99.0])).any()
    assert feature.varies


def test_scaled_feature_constant_is_unseen_elsewhere():
    feature = scaled(sd=0.0)
    encoded = feature.encode(np.array([[3.0], [3.5]]))
    assert encoded.tolist() == [0.0, 0.5]
    assert feature.is_unseen(encoded).tolist() == [False, True]
    assert not feature.varies
    for samples in (
        feature.sample(POINTS),
        feature.sample_tilted(POINTS, 0.5, 1.0),
        feature.sample_local(POINTS, 0.5, 1.0),
    ):
        assert set(samples.columns[0]) == {3.0}


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_scaled_feature_refuses_nan_and_infinity(value, shown):
    with refuses(DataError, "'x'", f"is {shown} in row 1 of X", "sampling='kernel'"):
        scaled().encode(np.array([[0.0], [value]]))


# ---------------------------------------------------------------- importance sampling of rare levels

distributions = st.lists(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=6).map(lambda x: np.array(x) / sum(x)),
    min_size=1,
    max_size=6,
)


def mean_square_weight(frequencies, proposals):
    """Mean square of the importance weights over all cells of all features."""
    each = [
        sum(a * (s / a) ** 2 for s, a in zip(one, other, strict=True) if s)
        for one, other in zip(frequencies, proposals, strict=True)
    ]
    return math.prod(each)


def is_even(one):
    return np.ptp(one) <= 1e-3 * one.max()


def raised(one, power):
    return one if is_even(one) else one**power / (one**power).sum()


def lifted(one, floor):
    return one if is_even(one) else np.maximum(one, floor) / np.maximum(one, floor).sum()


@given(distributions)
def test_make_proposals_matches_power_then_floor_grid(frequencies):
    proposals = make_proposals(frequencies)
    assert mean_square_weight(frequencies, proposals) <= MAX_VARIANCE * (1.0 + 1e-6)
    powers = np.linspace(0.0, 1.0, 401)
    power = next(
        p
        for p in powers
        if mean_square_weight(frequencies, [raised(one, p) for one in frequencies]) <= MAX_VARIANCE_BY_POWER
    )
    flat = [raised(one, power) for one in frequencies]
    floors = np.geomspace(1e-7, 1.0, 800)
    allowed = [
        f for f in floors if mean_square_weight(frequencies, [lifted(one, f) for one in flat]) <= MAX_VARIANCE
    ]
    for one, other, flatter in zip(frequencies, proposals, flat, strict=True):
        assert other.sum() == pytest.approx(1.0)
        step = 0.006 * np.abs(np.log(one)).max() + 0.05
        assert (np.abs(np.log(other) - np.log(lifted(flatter, allowed[-1]))) <= step).all()


@given(distributions)
def test_make_proposals_raises_rare_and_lowers_common(frequencies):
    for one, other in zip(frequencies, make_proposals(frequencies), strict=True):
        assert other[one.argmin()] >= one.min() * (1.0 - 1e-12)
        assert other[one.argmax()] <= one.max() * (1.0 + 1e-12)
        assert (np.diff(other[np.argsort(one, kind="stable")]) >= -1e-3 * one.max()).all()


def test_make_proposals_returns_even_shares_unchanged():
    frequencies = [np.full(4, 0.25), np.array([0.2501, 0.2499, 0.25, 0.25]), np.ones(1), np.array([0.9, 0.1])]
    proposals = make_proposals(frequencies)
    assert [one is other for one, other in zip(frequencies, proposals, strict=True)] == [
        True,
        True,
        True,
        False,
    ]


def test_make_proposals_keeps_zero_shares():
    (proposals,) = make_proposals([np.array([0.0, 0.9, 0.0, 0.1])])
    assert proposals[[0, 2]].tolist() == [0.0, 0.0]
    assert proposals[3] > 0.1


def test_make_proposals_single_rare_level_closed_form():
    (proposals,) = make_proposals([np.array([0.999, 0.001])])
    # 0.999**2 / (1 - a) + 0.001**2 / a = MAX_VARIANCE
    roots = np.roots([-MAX_VARIANCE, MAX_VARIANCE - 0.999**2 + 0.001**2, -(0.001**2)])
    assert proposals[1] == pytest.approx(max(roots), rel=1e-6)


def test_make_proposals_empty():
    assert make_proposals([]) == []
