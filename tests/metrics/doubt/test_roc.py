"""Areas under ROC curves, their covariance and intervals, by counting pairs and by scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_curve

from agnostix.metrics.doubt.roc import Areas, roc_curve
from tests.reference import metrics_comparison as reference

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=2, max_size=15)


@given(ROWS, ROWS)
def test_areas_and_covariance_are_those_of_counted_pairs(positive, negative):
    signals = np.array(positive + negative, dtype=float).T
    is_positive = np.arange(signals.shape[1]) < len(positive)
    areas = Areas.from_signals(signals, is_positive)
    expected, covariance = reference.areas_and_covariance(signals, is_positive)
    np.testing.assert_allclose(areas.areas, expected, atol=1e-12)
    np.testing.assert_allclose(areas.covariance, covariance, atol=1e-12)


@given(ROWS, ROWS)
def test_curve_is_that_of_scikit_learn(positive, negative):
    signal = np.array(positive + negative, dtype=float)[:, 1]
    is_positive = np.arange(signal.size) < len(positive)
    false, hits = roc_curve(signal, is_positive)
    expected = sklearn_curve(is_positive, signal, drop_intermediate=False)
    np.testing.assert_allclose(false, expected[0])
    np.testing.assert_allclose(hits, expected[1])
    area = Areas.from_signals(signal[None], is_positive).areas[0]
    assert area == pytest.approx(roc_auc_score(is_positive, signal))
    assert np.trapezoid(hits, false) == pytest.approx(area)


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_intervals_cover(shift):
    from scipy.stats import norm

    truth, covered = norm.cdf(shift / np.sqrt(2.0)), 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        signal = np.concatenate([rng.normal(shift, 1.0, 15), rng.normal(0.0, 1.0, 40)])
        areas = Areas.from_signals(signal[None], np.arange(55) < 15)
        low, high = areas.interval(0, 0.95)
        covered += low <= truth <= high
    assert 0.92 < covered / 1000 < 0.98


def test_separated_rows_have_an_interval():
    signal = np.arange(12.0)
    one = Areas.from_signals(signal[None], signal >= 8)
    low, high = one.interval(0, 0.95)
    assert one.areas[0] == high == 1.0
    assert 0.5 < low < 0.95
    half = 1.0 - low
    n_each = 0.5 * 12 - 1.0
    parts = 1.0 + n_each * (1.0 - low) / (2.0 - low) + n_each * low / (1.0 + low)
    assert half == pytest.approx(1.959964 * np.sqrt(low * (1.0 - low) * parts / (4 * 8)), rel=1e-6)
    zero = Areas.from_signals(-signal[None], signal >= 8)
    np.testing.assert_allclose(zero.interval(0, 0.95), (0.0, 1.0 - low))
    few = Areas.from_signals(np.arange(4.0)[None], np.arange(4) >= 2)
    assert 0.0 < few.interval(0, 0.95)[0] < 0.6


def test_difference_of_a_signal_from_itself_is_0():
    signal = np.random.default_rng(0).normal(size=30)
    areas = Areas.from_signals(np.array([signal, 2.0 * signal]), np.arange(30) < 10)
    assert areas.difference(0, 1, 0.95) == pytest.approx((0.0, 0.0, 0.0, 1.0), abs=1e-7)


def test_tests_of_chance_reject_in_5_percent():
    rejected, apart = 0, 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        areas = Areas.from_signals(rng.normal(size=(2, 80)), np.arange(80) < 30)
        rejected += areas.p_value(0) < 0.05
        apart += areas.difference(0, 1, 0.95)[3] < 0.05
    most = 0.05 + 2 * np.sqrt(0.05 * 0.95 / 500)
    assert rejected / 500 <= most
    assert apart / 500 <= most


def test_one_signal_everywhere_is_a_half():
    areas = Areas.from_signals(np.zeros((1, 10)), np.arange(10) < 4)
    assert areas.areas[0] == 0.5
    assert areas.interval(0, 0.95) == (0.5, 0.5)
