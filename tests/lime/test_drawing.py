"""Values sampled within bins against their distributions."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, truncnorm

from agnostix.core.frames import to_numbers
from agnostix.lime.drawing import Resampling, TruncatedNormals
from tests.reference import lime as ref

RNG = np.random.default_rng(0)
COLUMNS = {
    "normal": RNG.normal(size=500),
    "skewed": np.exp(2.0 * RNG.normal(size=500)),
    "far": 1e6 + RNG.normal(size=500),
    "float32": RNG.normal(size=500).astype(np.float32),
}
EVEN = (np.arange(4000) + 0.5) / 4000


def learned(column, weights=None):
    numbers = column.astype(float)
    edges = ref.quartile_edges(numbers)
    codes = np.array([ref.bin_of(x, edges) for x in numbers])
    weights = np.ones(column.size) if weights is None else weights
    return TruncatedNormals.of(numbers, codes, weights, edges, column.dtype), edges


@pytest.mark.parametrize("kind", COLUMNS)
def test_truncated_normals_moments_match_reference(kind):
    column = COLUMNS[kind]
    drawing, edges = learned(column)
    for code, one in enumerate(ref.between_edges(column.astype(float), edges)):
        found = [x[code] for x in (drawing.mean, drawing.low, drawing.high)]
        np.testing.assert_allclose(found, [one.mean, one.lo, one.hi], rtol=1e-12)
        assert drawing.sd[code] == pytest.approx(one.sd, rel=1e-6)


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("code", range(4))
def test_truncated_normals_values_follow_distribution(kind, code):
    column = COLUMNS[kind]
    drawing, edges = learned(column)
    (values,) = drawing.columns(np.full(EVEN.size, code), EVEN)
    assert values.dtype == column.dtype
    one = ref.between_edges(column.astype(float), edges)[code]
    law = truncnorm((one.lo - one.mean) / one.sd, (one.hi - one.mean) / one.sd, loc=one.mean, scale=one.sd)
    apart = np.abs(law.cdf(values.astype(float)) - EVEN).max()
    assert apart < (1e-5 if kind in ("float32", "far") else 1e-9)
    assert kstest(values.astype(float), law.cdf).statistic < 1e-3


@pytest.mark.parametrize("kind", COLUMNS)
@given(code=st.integers(0, 3), share=st.floats(0, 1))
def test_truncated_normals_values_stay_within_bin(kind, code, share):
    drawing, _ = learned(COLUMNS[kind])
    value = drawing.columns(np.array([code]), np.array([share]))[0][0]
    low, high = drawing.low[code], drawing.high[code]
    if kind == "float32":
        low, high = np.float32(low), np.float32(high)
    assert low <= value <= high


def test_truncated_normals_weights_are_repeated_rows():
    column, weights = COLUMNS["skewed"], np.random.default_rng(1).integers(1, 5, 500)
    edges = ref.quartile_edges(column)
    codes = np.searchsorted(edges, column)
    once = TruncatedNormals.of(column, codes, weights.astype(float), edges, column.dtype)
    often = TruncatedNormals.of(
        np.repeat(column, weights), np.repeat(codes, weights), np.ones(weights.sum()), edges, column.dtype
    )
    for name in ("mean", "sd", "low", "high"):
        np.testing.assert_allclose(getattr(once, name), getattr(often, name), rtol=1e-10)


@pytest.mark.parametrize("unit", [1e-15, 1e15])
def test_truncated_normals_ignore_column_units(unit):
    column = COLUMNS["normal"]
    codes = np.arange(EVEN.size) % 4
    one, other = (learned(part)[0].columns(codes, EVEN)[0] for part in (column, column * unit))
    np.testing.assert_allclose(other / unit, one, atol=1e-9)


def test_truncated_normals_constant_and_missing_bins():
    numbers = np.array([1.0, 1.0, 4.0, 4.0, np.nan])
    drawing = TruncatedNormals.of(
        numbers, np.array([0, 0, 1, 1, 2]), np.ones(5), np.array([2.0]), np.dtype(float)
    )
    (values,) = drawing.columns(np.repeat([0, 1, 2], 100), np.tile(np.linspace(0.001, 0.999, 100), 3))
    np.testing.assert_allclose(values[:100], 1.0, atol=1e-9)
    np.testing.assert_allclose(values[100:200], 4.0, atol=1e-9)
    assert np.isnan(values[200:]).all()


def test_truncated_normals_column_all_missing():
    drawing = TruncatedNormals.of(
        np.full(3, np.nan), np.ones(3, int), np.ones(3), np.empty(0), np.dtype(float)
    )
    assert np.isnan(drawing.columns(np.ones(4, int), np.linspace(0, 0.9, 4))[0]).all()


# ---------------------------------------------------------------- rows that were seen


def plain_draw(values, codes, order, weights, code, share):
    """Inverse of the weighted distribution function of a bin's rows, by a loop."""
    inside = sorted((order[i], i) for i in range(len(values)) if codes[i] == code)
    total, run = sum(weights[i] for _, i in inside), 0.0
    for _, i in inside:
        run += weights[i]
        if share * total < run:
            return values[i]
    return values[inside[-1][1]]


@given(st.integers(0, 2**31), st.integers(1, 30))
def test_resampling_rows_by_weight(seed, n):
    rng = np.random.default_rng(seed)
    codes, weights, order = rng.integers(0, 4, n), rng.integers(1, 5, n).astype(float), rng.permutation(n)
    table = np.column_stack([np.arange(n), -np.arange(n)])
    drawing = Resampling.of(table, codes, order.astype(float), weights)
    wanted, shares = rng.choice(codes, 50), rng.random(50)
    first, second = drawing.columns(wanted, shares)
    expected = [
        plain_draw(range(n), codes, order, weights, c, u) for c, u in zip(wanted, shares, strict=True)
    ]
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, -first)


def test_resampling_largest_uniform_stays_within_bin():
    n = 30_000
    drawing = Resampling.of(np.arange(n)[:, None], np.arange(n) // 3, np.arange(n), np.full(n, 0.1))
    codes = np.arange(n // 3)
    (values,) = drawing.columns(codes, np.full(codes.size, 1.0 - 1e-9))
    np.testing.assert_array_equal(values, 3 * codes + 2)
    (values,) = drawing.columns(codes, np.zeros(codes.size))
    np.testing.assert_array_equal(values, 3 * codes)


@pytest.mark.parametrize("make", [np.array, pd.DataFrame, lambda X: pl.DataFrame(X, schema=["a", "b"])])
def test_resampling_columns_keep_table_type(make):
    table = make(np.array([[1.0, 5.0], [2.0, 6.0], [3.0, np.nan]]))
    drawing = Resampling.of(table, np.array([1, 0, 1]), np.arange(3), np.array([3.0, 1.0, 1.0]))
    first, second = drawing.columns(np.array([1, 1, 0]), np.array([0.7, 0.8, 0.0]))
    np.testing.assert_array_equal(to_numbers(pd.Series(first)), [1.0, 3.0, 2.0])
    np.testing.assert_array_equal(to_numbers(pd.Series(second)), [5.0, np.nan, 6.0])
