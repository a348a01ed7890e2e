import numpy as np
import pytest

from agnostix.lime.boxes import Boxes

INF = np.inf


def chance(j, lower, upper):
    """Probability of a side in bins that are the numbers j, j + 1, j + 2."""
    points = j + np.arange(3.0)
    return ((lower[:, None] < points) & (points <= upper[:, None])).astype(float)


def test_boxes_share_equal_sides():
    lower = np.array([[-INF, -INF, -INF], [0.5, -INF, -INF], [0.5, -INF, 2.5], [-INF, -INF, 2.5]])
    upper = np.array([[0.5, INF, INF], [INF, INF, 2.5], [INF, INF, INF], [0.5, INF, INF]])
    boxes = Boxes.between(lower, upper, np.ones((4, 1)), chance)
    assert [len(side) for side in boxes.sides] == [2, 0, 2]
    assert boxes.column_of_side.tolist() == [0, 0, 2, 2]
    assert boxes.sides[0].tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    assert boxes.factors.tolist() == [[0, -1], [1, 2], [1, 3], [0, 3]]


def test_boxes_unbounded_have_no_factors():
    boxes = Boxes.between(np.full((1, 2), -INF), np.full((1, 2), INF), np.ones((1, 3)), chance)
    assert boxes.factors.shape == (1, 0)
    assert boxes.column_of_side.size == 0


@pytest.mark.parametrize("seed", range(5))
def test_boxes_factors_match_interval_membership(seed):
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(-1, 6, size=(2, 7, 3)) - 0.5, axis=0)
    lower, upper = np.where(rng.random(ends.shape) < 0.4, np.array([-INF, INF])[:, None, None], ends)
    boxes = Boxes.between(lower, upper, rng.normal(size=(7, 1)), chance)
    for cell in np.ndindex(3, 3, 3):
        x = np.array(cell) + np.arange(3)
        inside = np.append(
            np.concatenate([s[:, b] for s, b in zip(boxes.sides, cell, strict=True) if len(s)]), 1.0
        )
        found = inside[boxes.factors].prod(1)
        np.testing.assert_array_equal(found, ((lower < x) & (x <= upper)).all(1))
