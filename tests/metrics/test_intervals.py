"""Intervals of means whose draws all rows share, against the analysis of variance and by redraws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq

from agnostix.metrics import MetricResult
from agnostix.metrics.intervals import MeanInterval, add_errors, crossed
from agnostix.metrics.sanity.verdicts import mean_ends
from tests.reference import metrics_sanity as reference


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


def _by_equation(scores, level=0.95):
    """Ends at which the transformed statistic is a quantile of Student's distribution."""
    n, mean, spread = len(scores), scores.mean(), scores.std(ddof=1)
    skew = ((scores - mean) ** 3).mean() / spread**3 / np.sqrt(n)
    quantile = stats.t.ppf(0.5 + level / 2, n - 1)

    def transformed(t):
        return t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6

    ts = [brentq(lambda t, y=y: transformed(t) - y, -1e3, 1e3) for y in (quantile, -quantile)]
    return [mean - spread / np.sqrt(n) * t for t in ts]


@given(st.integers(0, 2**31), st.integers(3, 60), st.sampled_from([0.5, 0.9, 0.99]))
def test_hall_ends_solve_their_equation(seed, n, level):
    scores = np.random.default_rng(seed).exponential(size=n) ** 2
    low, high = MeanInterval.from_scores(scores[:, None], kind="hall").ends(level)
    expected = _by_equation(scores, level)
    assert low[0] == pytest.approx(min(expected[0], scores.mean()))
    assert high[0] == pytest.approx(max(expected[1], scores.mean()))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_hall_ends_of_symmetric_scores_are_students(half):
    scores = np.array([*half, *(-one for one in half)])[:, None] + 1.0
    hall, student = (MeanInterval.from_scores(scores, kind=kind).ends() for kind in ("hall", "student"))
    np.testing.assert_allclose(hall, student, rtol=1e-6, atol=1e-12)


def test_hall_ends_are_turned_with_the_scores():
    scores = np.random.default_rng(0).exponential(size=(30, 1))
    low, high = MeanInterval.from_scores(scores, kind="hall").ends()
    turned = MeanInterval.from_scores(-scores, kind="hall").ends()
    np.testing.assert_allclose(turned, [-high, -low])


def test_hall_ends_where_nothing_differs_and_where_rows_are_missing():
    same = MeanInterval.from_scores(np.full((5, 1), 0.3), kind="hall").ends()
    np.testing.assert_array_equal(same, [[0.3], [0.3]])
    scores = np.array([[0.0, np.nan], [0.1, np.nan], [0.9, 1.0]])
    low, high = MeanInterval.from_scores(scores, kind="hall").ends()
    assert np.isnan([low[1], high[1]]).all()
    np.testing.assert_allclose([low[0], high[0]], _by_equation(scores[:, 0]))


def test_hall_covers_rare_drops_better_than_student():
    rng = np.random.default_rng(1)
    scores = np.where(rng.random((20, 2000)) < 0.25, rng.random((20, 2000)), 0.0)
    covered = {}
    for kind in ("hall", "student"):
        low, high = MeanInterval.from_scores(scores, kind=kind).ends()
        covered[kind] = np.mean((low <= 0.125) & (high >= 0.125))
    assert 0.92 < covered["hall"] < 0.98
    assert covered["student"] < covered["hall"]
