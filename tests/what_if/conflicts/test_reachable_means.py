"""The farthest means that weights reach, with and without bounds, against sorting and loops."""

import numpy as np
import pytest

from agnostix.what_if.calibration.extremes import extreme_weights
from agnostix.what_if.conflicts import least_gaps
from agnostix.what_if.conflicts.reachable_means import ReachableMeans


def fill_by_sorting(heights, base, low, high):
    """The largest mean of heights: rows from the highest down get all they may."""
    weights = [low * b for b in base]
    left = 1.0 - sum(weights)
    for row in sorted(range(len(base)), key=lambda j: -heights[j]):
        more = min((high - low) * base[row], left)
        weights[row] += more
        left -= more
    return np.array(weights)


@pytest.mark.parametrize(
    "bounds", [(0.0, 2.0), (0.2, 5.0), (0.5, 1.5), (0.0, np.inf), (0.3, np.inf), (1.0, 1.0)]
)
@pytest.mark.parametrize("kind", ["normal", "ties", "outlier", "constant", "few"])
def test_extreme_weights_fill_rows_from_the_highest(bounds, kind):
    rng = np.random.default_rng(0)
    n = {"few": 2}.get(kind, 500)
    heights = rng.normal(size=n)
    if kind == "ties":
        heights = np.round(heights)
    if kind == "outlier":
        heights[7] = 1e9
    if kind == "constant":
        heights[:] = 0.3
    base = rng.uniform(0.1, 1.0, n)
    base /= base.sum()
    weights = extreme_weights(heights, base, bounds)
    expected = fill_by_sorting(heights, base, *bounds)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights >= bounds[0] * base * (1 - 1e-12)).all()
    assert (weights <= bounds[1] * base * (1 + 1e-9)).all()
    assert weights @ heights == pytest.approx(expected @ heights, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("bounds", [None, (0.1, 4.0)])
def test_mixture_has_the_means_of_the_points(bounds):
    rng = np.random.default_rng(1)
    phi, base = rng.normal(size=(200, 3)), np.full(200, 1 / 200)
    reach = ReachableMeans(phi, base, bounds)
    for direction in rng.normal(size=(5, 3)):
        reach.farthest(direction)
    factors = rng.dirichlet(np.ones(len(reach.points)))
    weights = reach.mixture(factors)
    np.testing.assert_allclose(weights @ phi, factors @ reach.points, atol=1e-12)
    assert weights.sum() == pytest.approx(1.0)
    if bounds:
        assert (weights / base).min() >= bounds[0] - 1e-12
        assert (weights / base).max() <= bounds[1] + 1e-12


@pytest.mark.parametrize("bounds", [None, (0.1, 4.0)])
def test_points_are_those_farthest_in_the_directions_asked_for(bounds):
    rng = np.random.default_rng(2)
    phi, base = rng.normal(size=(40, 3)), rng.dirichlet(np.ones(40))
    reach = ReachableMeans(phi, base, bounds)
    for direction in rng.normal(size=(20, 3)):
        expected = fill_by_sorting(phi @ direction, base, *(bounds or (0.0, np.inf))) @ (phi @ direction)
        assert reach.farthest(direction) == pytest.approx(expected)
        assert (reach.points @ direction).max() == pytest.approx(expected)


@pytest.mark.parametrize("bounds", [None, (0.1, 4.0)])
def test_corners_of_one_program_start_the_next(bounds, monkeypatch):
    rng = np.random.default_rng(2)
    phi, base = rng.normal(size=(400, 5)), np.full(400, 1 / 400)
    target, every = np.full(5, 0.6), np.arange(5)
    solved = []
    solve = least_gaps.solve_program
    monkeypatch.setattr(least_gaps, "solve_program", lambda *a, **k: solved.append(1) or solve(*a, **k))

    def run(corners):
        solved.clear()
        reach = ReachableMeans(phi + 1e-3, base, bounds, corners=corners)
        gaps = least_gaps.least_gaps(reach, target, target, np.ones(5), every)
        return gaps.cost, len(solved), reach.corners_of(gaps.factors), reach, gaps

    cold, n_cold, corners, reach, gaps = run(())
    assert 0 < len(corners) <= 6
    weights = reach.mixture(gaps.factors)
    np.testing.assert_allclose(weights @ (phi + 1e-3), gaps.means, atol=1e-12)
    warm, n_warm, _, reach, gaps = run(corners)
    assert warm == pytest.approx(cold, abs=1e-7)
    assert n_warm < n_cold
    np.testing.assert_allclose(reach.mixture(gaps.factors) @ (phi + 1e-3), gaps.means, atol=1e-12)
