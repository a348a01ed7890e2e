"""Intervals of means: Hall's against its equation, solved by bisection, and where it is Student's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq

from agnostix.metrics.intervals import MeanInterval


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
