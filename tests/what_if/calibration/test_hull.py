import numpy as np
import pytest

from agnostix.what_if.calibration import hull
from agnostix.what_if.calibration.divergences import KULLBACK_LEIBLER, BoundedRatio
from agnostix.what_if.calibration.extremes import extreme_weights
from agnostix.what_if.calibration.primal import Calibration
from tests.reference import calibration
from tests.reference import what_if as reference


def statement(phi, low, high=None, bounds=(0.0, np.inf), base=None):
    n, k = phi.shape
    base = np.full(n, 1.0 / n) if base is None else base
    ratios = BoundedRatio(KULLBACK_LEIBLER, *bounds)
    high = low if high is None else high
    return Calibration(phi, np.asarray(low), np.asarray(high), np.full(k, np.inf), base, ratios)


def separating_direction(centered):
    return hull.separating_direction(statement(centered, np.zeros(centered.shape[1])))


SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize("target", [[0.5, 0.5], [1e-6, 0.5], [0.999999, 0.999999]])
def test_separating_direction_is_none_for_target_inside(target):
    assert separating_direction(SQUARE - target) is None


@pytest.mark.parametrize("target", [[0.0, 0.5], [1.0, 1.0], [1.5, 0.5], [-1e-6, 0.5], [2.0, -3.0]])
def test_separating_direction_direction_has_no_row_beyond_target(target):
    direction = separating_direction(SQUARE - target)
    height = (SQUARE - target) @ direction
    assert np.linalg.norm(direction) == pytest.approx(1.0)
    assert height.max() <= 1e-9
    assert height.min() < -1e-9


@pytest.mark.parametrize("k", [2, 3, 4])
def test_separating_direction_agrees_with_linear_program(k):
    rng = np.random.default_rng(k)
    phi = rng.normal(size=(40, k))
    targets = rng.normal(size=(60, k)) * 1.2
    inside = [reference.is_member(phi, t) for t in targets]
    assert 5 < sum(inside) < 55
    assert [separating_direction(phi - t) is None for t in targets] == inside


def test_separating_direction_flat_hull():
    line = np.c_[np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)]
    assert separating_direction(line - [0.3, 0.3]) is None
    assert separating_direction(line - [0.3, 0.4]) is not None


@pytest.mark.parametrize(("target", "share"), [([1.0, 0.5], 1.0), ([1.5, 0.5], 0.5), ([2.5, 2.5], 0.25)])
def test_reachable_share_ends_at_side_of_square(target, share):
    result = hull.reachable_share(SQUARE, np.array([0.5, 0.5]), np.array(target))
    assert result == pytest.approx(share, abs=1e-9)


def test_reachable_share_matches_linear_program():
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(50, 3))
    start = phi.mean(0)
    for target in rng.normal(size=(8, 3)) * 4.0:
        expected = reference.reachable_share(phi, start, target)
        assert hull.reachable_share(phi, start, target) == pytest.approx(expected, abs=1e-6)


def test_reachable_share_is_zero_out_of_flat_hull():
    line = np.c_[np.linspace(-1, 1, 9), np.zeros(9)]
    assert hull.reachable_share(line, np.zeros(2), np.array([0.0, 1.0])) == pytest.approx(0.0, abs=1e-9)


def test_reachable_share_is_one_for_target_inside():
    rng = np.random.default_rng(1)
    phi = rng.normal(size=(50, 2))
    assert hull.reachable_share(phi, phi.mean(0), phi[:5].mean(0)) == pytest.approx(1.0)


def test_hull_slack_reference_signs_depth_in_square():
    assert reference.hull_slack(SQUARE, [0.5, 0.5]) == pytest.approx(1.0)
    assert reference.hull_slack(SQUARE, [0.0, 0.5]) == pytest.approx(0.0, abs=1e-9)
    assert reference.hull_slack(SQUARE, [-0.5, 0.5]) < -0.1


BOUNDS = [(0.0, np.inf), (0.3, 2.0), (0.0, 1.5), (0.5, np.inf)]


@pytest.mark.parametrize("bounds", BOUNDS)
def test_separating_direction_of_ranges_agrees_with_linear_program(bounds):
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(40, 3))
    base = rng.dirichlet(np.full(40, 5.0))
    verdicts = []
    for _ in range(40):
        low = rng.normal(size=3) * 0.6 - 0.2
        high = low + rng.uniform(0.0, 0.4, 3)
        high[rng.random(3) < 0.2] = np.inf
        direction = hull.separating_direction(statement(phi, low, high, bounds, base))
        verdicts.append(direction is None)
        assert verdicts[-1] == calibration.reaches(phi, low, high, base, bounds)
        if direction is not None:
            assert not np.isinf(high[direction < 0.0]).any()
            ends = np.where(direction > 0.0, low, np.where(direction < 0.0, high, 0.0))
            height = phi @ direction
            extreme = extreme_weights(height, base, bounds or (0.0, np.inf))
            assert extreme @ height <= ends @ direction + 1e-9
    assert 2 < sum(verdicts) < 38


def test_separating_direction_of_many_rows_adds_those_that_matter():
    rng = np.random.default_rng(1)
    phi = rng.normal(size=(5_000, 4))
    for factor, outside in ((0.97, False), (1.03, True)):
        direction = rng.normal(size=4)
        target = factor * phi[(phi @ direction).argmax()]
        found = hull.separating_direction(statement(phi, target), strictly=True)
        assert (found is not None) == outside
        if outside:
            assert (phi @ found).max() < target @ found


def test_separating_direction_leaves_soft_means_out():
    phi = np.random.default_rng(2).normal(size=(60, 2))
    hard = statement(phi, np.array([9.0, 0.0]))
    soft = Calibration(phi, hard.low, hard.high, np.array([1.0, np.inf]), hard.base, hard.ratios)
    assert hull.separating_direction(hard) is not None
    assert hull.separating_direction(soft) is None


@pytest.mark.parametrize("bounds", BOUNDS[1:])
def test_extreme_weights_match_linear_program(bounds):
    from scipy.optimize import linprog

    rng = np.random.default_rng(3)
    base, height = rng.dirichlet(np.ones(30)), rng.normal(size=30).round(1)
    weights = extreme_weights(height, base, bounds or (0.0, np.inf))
    sides = [(bounds[0] * b, None if np.isinf(bounds[1]) else bounds[1] * b) for b in base]
    best = linprog(-height, A_eq=np.ones((1, 30)), b_eq=[1.0], bounds=sides, method="highs")
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights >= bounds[0] * base - 1e-15).all()
    assert (weights <= bounds[1] * base + 1e-15).all()
    assert weights @ height == pytest.approx(-best.fun, abs=1e-9)
