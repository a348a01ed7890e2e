"""Intervals of means whose draws all rows share, against the analysis of variance and by redraws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agnostix.core.intervals import with_skewness, without_skewness
from agnostix.metrics import MetricResult
from agnostix.metrics.intervals import (
    MeanInterval,
    add_errors,
    crossed,
)
from agnostix.metrics.sanity.verdicts import mean_ends
from tests.reference import metrics_sanity as reference
from tests.reference.metrics_comparison import ends_of_mean


def _values(rng, n_rows, n_draws, spreads=(1.0, 0.3, 0.5)):
    rows, draws = rng.normal(size=(n_rows, 1)), rng.normal(size=n_draws)
    return spreads[0] * rows + spreads[1] * draws + spreads[2] * rng.normal(size=(n_rows, n_draws))


def test_what_draws_add_is_their_component_of_variance():
    values = _values(np.random.default_rng(0), 30, 6, (1.0, 2.0, 0.5))
    means, errors, shared = crossed(values)
    _, of_draws, _ = reference.crossed_interval_parts(values)
    np.testing.assert_allclose(means, values.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(errors, values.std(axis=1, ddof=1) / np.sqrt(6), atol=1e-12)
    assert shared == pytest.approx(np.sqrt(of_draws / 6))
    assert crossed(_values(np.random.default_rng(1), 9, 4, (1.0, 0.0, 0.0)))[2] == pytest.approx(0, abs=1e-12)
    assert crossed(values[:, :1])[2] == 0.0


def test_values_that_are_not_defined_are_left_out():
    values = _values(np.random.default_rng(0), 30, 6)
    gaps = np.vstack([values, np.full((2, 6), np.nan)])
    assert crossed(gaps)[2] == pytest.approx(crossed(values)[2], rel=0.1)
    assert np.isnan(crossed(gaps)[0][30:]).all()
    nothing = crossed(np.full((3, 2), np.nan))
    assert nothing[2] == 0.0


def test_degrees_of_freedom_are_those_of_welch_and_satterthwaite():
    error, dof = add_errors(np.array([3.0, 3.0, 0.0]), np.full(3, 9.0), np.array([4.0, 0.0, 2.0]), 4.0)
    np.testing.assert_allclose(error, [5.0, 3.0, 2.0])
    np.testing.assert_allclose(dof, [625 / (81 / 9 + 256 / 4), 9.0, 4.0])


@pytest.mark.parametrize("spreads", [(1.0, 0.0, 0.5), (1.0, 0.3, 0.5), (0.3, 1.0, 0.3), (0.0, 0.3, 1.0)])
def test_intervals_cover_over_rows_and_shared_draws(spreads):
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1_000):
        _, low, high = mean_ends(_values(rng, 20, 6, spreads), 0.95)
        covered += low <= 0.0 <= high
    assert 920 <= covered <= 980


SKEWED = {
    "normal": lambda rng, size: rng.normal(size=size),
    "long tails": lambda rng, size: rng.laplace(size=size),
    "uniform": lambda rng, size: rng.uniform(-1, 1, size),
    "exponential": lambda rng, size: rng.exponential(size=size) - 1,
    "squares": lambda rng, size: rng.normal(size=size) ** 2 - 1,
    "correlations": lambda rng, size: rng.beta(9, 0.5, size) - 9 / 9.5,
    "mostly zero": lambda rng, size: rng.gamma(0.25, size=size) - 0.25,
}


@pytest.mark.parametrize("n_rows", [10, 40, 150])
@pytest.mark.parametrize("name", list(SKEWED))
def test_intervals_of_skewed_and_symmetric_scores_cover(name, n_rows):
    scores = SKEWED[name](np.random.default_rng(0), (n_rows, 4_000))
    interval = MeanInterval.from_scores(scores)
    low, high = interval.ends(0.95)
    assert 0.92 <= ((low <= 0) & (high >= 0)).mean() <= 0.98
    np.testing.assert_array_equal(interval.p_value() < 0.05, (low > 0) | (high < 0))
    np.testing.assert_allclose([low[7], high[7]], ends_of_mean(scores[:, 7], 0.95), rtol=1e-9)


def test_rare_drops_are_covered():
    rng = np.random.default_rng(1)
    scores = np.where(rng.random((20, 4_000)) < 0.25, rng.random((20, 4_000)), 0.0)
    low, high = MeanInterval.from_scores(scores).ends(0.95)
    assert 0.92 < np.mean((low <= 0.125) & (high >= 0.125)) < 0.98


@given(st.floats(-2.0, 2.0), st.floats(-20.0, 20.0))
def test_transformation_has_an_inverse(skewness, t):
    again = without_skewness(with_skewness(t, skewness), skewness)
    assert again == pytest.approx(t, abs=1e-5 if abs(skewness) < 1e-3 else 1e-3)


def test_skewness_is_found_where_it_is_and_not_of_what_is_shared():
    scores = np.random.default_rng(0).exponential(size=(12, 1))
    errors = np.full((12, 1), 0.1)
    alone = MeanInterval.from_scores(scores)
    drawn = MeanInterval.from_scores(scores, errors, 5, "student", np.array([10.0]))
    assert alone.skewness[0] == pytest.approx(stats.skew(scores, bias=False)[0] / np.sqrt(12))
    assert abs(drawn.skewness[0]) < 1e-3
    gaps = MeanInterval.from_scores(np.vstack([scores, [[np.nan]]]))
    np.testing.assert_allclose(gaps.ends(), alone.ends(), rtol=1e-12)
    for equal in (np.full((5, 1), 0.3), np.zeros((5, 1)), scores[:2]):
        assert MeanInterval.from_scores(equal).skewness[0] == pytest.approx(0.0, abs=2.0)
        assert np.isfinite(MeanInterval.from_scores(equal).ends()).all()


def test_results_have_the_shared_error_in_their_interval():
    values = _values(np.random.default_rng(0), 10, 5, (1.0, 1.0, 0.2))
    scores, errors, shared = crossed(values)
    fields = {"name": "one", "greater_is_better": True, "made_for": ("relevance",), "quantity": "relevance"}
    alone = MetricResult(scores=scores, **fields)
    result = MetricResult(scores=scores, draw_errors=errors, shared_error=shared, n_draws=5, **fields)
    assert result.std_error == pytest.approx(np.hypot(alone.std_error, shared))
    np.testing.assert_allclose(result.interval(), mean_ends(values, 0.95)[1:])
    assert np.diff(result.interval()) > np.diff(alone.interval())
    other = MetricResult(scores=scores - 1, draw_errors=errors, shared_error=shared, n_draws=5, **fields)
    assert result.difference(other).shared_error == pytest.approx(np.sqrt(2) * shared)
    single = MetricResult(scores=scores[:1], draw_errors=errors[:1], shared_error=shared, n_draws=5, **fields)
    assert single.std_error == pytest.approx(errors[0])


def test_verdict_is_told_and_not_that_of_differences():
    fields = {"name": "one", "greater_is_better": True, "made_for": ("relevance",), "quantity": "relevance"}
    result = MetricResult(scores=np.arange(4.0), verdict="sensitive to all.", **fields)
    assert "sensitive to all." in repr(result)
    assert "sensitive to all." in result._repr_html_()
    assert result.difference(result).verdict is None
