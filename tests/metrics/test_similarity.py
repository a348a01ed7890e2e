"""Similarity of explanations against plain loops, closed forms, ties and constant rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from agnostix.metrics.orders import comparable
from agnostix.metrics.similarity import (
    agreement_of_pairs,
    rank_agreement,
    sign_agreement,
    spearman,
    ssim,
    top_k_agreement,
)
from tests.reference import metrics_sanity as reference

RNG = np.random.default_rng(0)
KINDS = {"top": top_k_agreement, "sign": sign_agreement, "rank": rank_agreement}
TIED = arrays(float, (2, 3, 5), elements=st.integers(-2, 2).map(float))


@given(TIED, st.booleans())
def test_spearman_is_that_of_a_loop(pair, absolute):
    one, other = pair
    read = np.abs if absolute else np.asarray
    expected = [reference.spearman(read(a), read(b)) for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(spearman(one, other, absolute=absolute), expected, atol=1e-12)


def test_spearman_is_that_of_scipy():
    one, other = RNG.normal(size=(2, 6, 40))
    expected = [spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(spearman(one, other), expected, atol=1e-12)
    np.testing.assert_allclose(spearman(one, np.exp(3 * one)), 1.0, atol=1e-12)
    np.testing.assert_allclose(spearman(one, -one), -1.0, atol=1e-12)
    np.testing.assert_allclose(spearman(one, -one, absolute=True), 1.0, atol=1e-12)


def test_units_that_a_row_has_not_are_left_out():
    one, other = RNG.normal(size=(2, 4, 7))
    shown = [np.array([0, 2, 3, 6])] * 4
    without = np.setdiff1d(np.arange(7), shown[0])
    gaps = one.copy(), other.copy()
    gaps[0][:, without[:2]] = np.nan
    gaps[1][:, without[1:]] = np.nan
    some = one[:, shown[0]], other[:, shown[0]]
    np.testing.assert_allclose(spearman(*gaps), spearman(*some), atol=1e-12)
    for function in KINDS.values():
        np.testing.assert_allclose(function(*gaps, 2), function(*some, 2), atol=1e-12)
        np.testing.assert_allclose(function(*gaps, 99), function(*some, 4), atol=1e-12)


def test_constant_rows_have_no_correlation():
    values = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0], [np.nan, np.nan, 1.0]])
    np.testing.assert_array_equal(spearman(values, values), [1.0, np.nan, np.nan])
    nothing = np.full((1, 3), np.nan)
    assert np.isnan([spearman(nothing, nothing), top_k_agreement(nothing, nothing, 2)]).all()


def test_rounding_makes_no_ranks():
    one = np.array([[1.0, 0.0, 0.0, 0.0]])
    other = np.array([[1.0, 1e-16, -3e-17, 2e-16]])
    assert spearman(one, other)[0] == pytest.approx(1.0)
    assert spearman(one * 1e-200, other)[0] == pytest.approx(1.0)
    np.testing.assert_array_equal(comparable(np.zeros((2, 3))), np.zeros((2, 3)))


@pytest.mark.parametrize("kind", KINDS)
@given(pair=TIED, k=st.integers(1, 5))
def test_agreement_is_the_mean_over_ways_to_break_ties(kind, pair, k):
    one, other = pair[:, 0], pair[:, 1]
    expected = reference.agreement(kind, one[0], other[0], k)
    assert KINDS[kind](one[:1], other[:1], k)[0] == pytest.approx(expected, abs=1e-12)


def test_agreement_of_the_largest_by_hand():
    one, other = np.array([[5.0, -4.0, 3.0, 0.1]]), np.array([[4.0, 5.0, 0.1, -3.0]])
    assert top_k_agreement(one, other, 2)[0] == 1.0
    assert sign_agreement(one, other, 2)[0] == 0.5
    assert rank_agreement(one, other, 2)[0] == 0.0
    assert top_k_agreement(one, other, 3)[0] == pytest.approx(2 / 3)
    for function in KINDS.values():
        assert function(one, one, 3)[0] == 1.0
    # Of four equal units two are first by chance: each with probability 1/2 in both.
    assert top_k_agreement(np.ones((1, 4)), np.ones((1, 4)), 2)[0] == pytest.approx(0.5)
    assert rank_agreement(np.ones((1, 4)), np.ones((1, 4)), 2)[0] == pytest.approx(0.25)


@pytest.mark.parametrize(("shape", "size"), [((14, 12), 11), ((8, 8), 7), ((5, 9), 5), ((1, 3), 1)])
def test_ssim_is_that_of_a_loop_over_windows(shape, size):
    one, other = RNG.normal(size=(2, 3, *shape))
    other[1] = 2 * one[1] + 0.1 * other[1]
    other[2] = 0.3
    expected = [reference.ssim(a, b, size) for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(ssim(one, other), expected, atol=1e-12)


def test_ssim_of_equal_and_of_constant_maps():
    maps = RNG.random((3, 12, 12))
    np.testing.assert_allclose(ssim(maps, maps), 1.0, atol=1e-12)
    flat = np.full((2, 12, 12), 0.4)
    np.testing.assert_allclose(ssim(flat, flat), 1.0)
    np.testing.assert_allclose(ssim(np.zeros((2, 12, 12)), np.zeros((2, 12, 12))), 1.0)
    assert ssim(maps[:2], flat).max() < 0.1
    maps[0, 3, 3] = np.nan
    np.testing.assert_array_equal(np.isnan(ssim(maps, maps)), [True, False, False])


@given(st.floats(1e-180, 1e180), st.booleans())
def test_ssim_does_not_depend_on_units(scale, swap):
    one, other = np.random.default_rng(1).random((2, 2, 12, 12))
    pair = (other, one) if swap else (one, other)
    np.testing.assert_allclose(ssim(scale * pair[0], scale * pair[1]), ssim(one, other), atol=1e-10)


@given(st.integers(0, 10_000), st.integers(1, 6), st.lists(st.booleans(), min_size=3, max_size=3))
def test_pairs_ranked_once_are_those_of_each_pair(seed, k, signed):
    rng = np.random.default_rng(seed)
    values = [rng.integers(-3, 4, (4, 6)).astype(float) for _ in range(3)]
    for one in values:
        one[1, 4:] = np.nan
    for (i, j), measures in agreement_of_pairs(values, k, signed).items():
        has_signs = signed[i] and signed[j]
        expected = {
            "top-k": top_k_agreement(values[i], values[j], k),
            "signs": sign_agreement(values[i], values[j], k) if has_signs else np.full(4, np.nan),
            "ranks": rank_agreement(values[i], values[j], k),
            "spearman": spearman(values[i], values[j], absolute=not has_signs),
        }
        for name, rows in expected.items():
            np.testing.assert_allclose(measures[name], rows, atol=1e-12, err_msg=name)
