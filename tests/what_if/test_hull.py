import numpy as np
import pytest

from agnostix.what_if import projection as hull
from tests.reference import what_if as reference

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize("target", [[0.5, 0.5], [1e-6, 0.5], [0.999999, 0.999999]])
def test_separate_is_none_for_target_inside(target):
    assert hull.separate(SQUARE - target) is None


@pytest.mark.parametrize("target", [[0.0, 0.5], [1.0, 1.0], [1.5, 0.5], [-1e-6, 0.5], [2.0, -3.0]])
def test_separate_direction_has_no_row_beyond_target(target):
    direction = hull.separate(SQUARE - target)
    height = (SQUARE - target) @ direction
    assert np.linalg.norm(direction) == pytest.approx(1.0)
    assert height.max() <= 1e-9
    assert height.min() < -1e-9


@pytest.mark.parametrize("k", [2, 3, 4])
def test_separate_agrees_with_linear_program(k):
    rng = np.random.default_rng(k)
    phi = rng.normal(size=(40, k))
    targets = rng.normal(size=(60, k)) * 1.2
    inside = [reference.is_member(phi, t) for t in targets]
    assert 5 < sum(inside) < 55
    assert [hull.separate(phi - t) is None for t in targets] == inside


def test_separate_flat_hull():
    line = np.c_[np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)]
    assert hull.separate(line - [0.3, 0.3]) is None
    assert hull.separate(line - [0.3, 0.4]) is not None


@pytest.mark.parametrize(("target", "share"), [([1.0, 0.5], 1.0), ([1.5, 0.5], 0.5), ([2.5, 2.5], 0.25)])
def test_reachable_share_ends_at_side_of_square(target, share):
    found = hull.reachable_share(SQUARE, np.array([0.5, 0.5]), np.array(target))
    assert found == pytest.approx(share, abs=1e-9)


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
