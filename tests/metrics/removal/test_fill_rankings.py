"""Rankings of explanations by several fills."""

import numpy as np
import pytest

from agnostix.exceptions import DataError
from agnostix.metrics import deletion, rank_by_fill
from tests.messages import assert_states, refuses
from tests.metrics.explanations import of_maps

RNG = np.random.default_rng(0)
PICTURES = RNG.uniform(0.2, 0.8, size=(30, 4, 4))


def _left(X):
    """Predicts by the left half alone, whose pixels are above a fill of 0 and below one of 1."""
    return X[:, :, :2].mean(axis=(1, 2))


LEFT = np.zeros((30, 4, 4, 1))
LEFT[:, :, :2] = 1.0
EXPLANATIONS = {"left": of_maps(LEFT), "right": of_maps(1.0 - LEFT)}


def test_fills_on_both_sides_of_the_picture_reverse_the_ranking():
    rankings = rank_by_fill(deletion, _left, PICTURES, EXPLANATIONS, fills=[0.0, 1.0], step=1)
    frame = rankings.to_frame().set_index(["fill", "explanation"])
    assert frame.loc[("0.0", "left"), "rank"] == frame.loc[("1.0", "right"), "rank"] == 1
    alone = deletion(_left, PICTURES, EXPLANATIONS["left"], fill=0.0, step=1)
    assert frame.loc[("0.0", "left"), "score"] == pytest.approx(alone.score)
    assert rankings.better("0.0", "left", "right")
    assert not rankings.better("1.0", "left", "right")
    assert rankings.reversed_pairs == (("left", "right"),)
    assert_states(repr(rankings), "depends on the fill", "left against right")
    assert rankings.level == pytest.approx(1 - 0.05 / 2)


def test_fills_on_one_side_agree():
    rankings = rank_by_fill(
        deletion, _left, PICTURES, EXPLANATIONS, fills={"black": 0.0, "dark": 0.1}, step=1
    )
    assert rankings.reversed_pairs == ()
    assert_states(rankings.verdict, "same ranking")


def test_ranks_that_change_within_the_intervals_are_no_reversal():
    explanations = {
        str(seed): of_maps(np.random.default_rng(seed).random((30, 4, 4, 1))) for seed in range(3)
    }
    rankings = rank_by_fill(
        deletion, lambda X: X.mean(axis=(1, 2)), PICTURES, explanations, fills=["noise", 0.5], step=4
    )
    assert rankings.reversed_pairs == ()


def test_one_explanation_or_fill_is_no_comparison():
    with refuses(DataError, "two explanations", "1"):
        rank_by_fill(deletion, _left, PICTURES, {"left": EXPLANATIONS["left"]})
    with refuses(DataError, "two fills", "1"):
        rank_by_fill(deletion, _left, PICTURES, EXPLANATIONS, fills=["blur"])
