"""Mean squares of leaves that borrow from all leaves, against loops and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.surrogate_tree.leaf_scales import LeafScales
from tests.reference import surrogate_tree as reference


def squares_of(seed, sizes, sigma=1.0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=n) ** 2 * np.exp(sigma * rng.normal()) for n in sizes]


def ones(squares):
    return [np.ones(own.size) for own in squares]


@pytest.mark.parametrize("sizes", [(30, 20, 5, 1), (2, 3, 40), (6, 6)])
@pytest.mark.parametrize("inflation", [1.0, 2.25])
def test_scales_match_loops(sizes, inflation):
    squares = squares_of(len(sizes), sizes)
    if len(sizes) == 4:
        squares[2][:] = 0.0  # a leaf without residuals is where the others are
    usual = np.linspace(0.0, 3.0, len(sizes))
    scales = LeafScales.from_squares(squares, ones(squares), usual, inflation)
    drawn, center, errors, dof, beyond = reference.leaf_scales(
        [list(own) for own in squares], usual, inflation
    )
    np.testing.assert_allclose(scales.moderated, drawn)
    np.testing.assert_allclose(scales.center, center)
    np.testing.assert_allclose(scales.log_error, errors)
    assert scales.degrees_of_freedom == pytest.approx(max(dof, 2.0))
    np.testing.assert_allclose(scales.beyond, beyond)


def test_weights_count_as_repetitions_do_in_means_and_no_residuals_have_no_scale():
    squares = squares_of(0, (30, 20))
    double = LeafScales.from_squares(squares, [2.0 * one for one in ones(squares)], np.zeros(2))
    once = LeafScales.from_squares(squares, ones(squares), np.zeros(2))
    np.testing.assert_allclose(double.moderated, once.moderated)
    assert LeafScales.from_squares([np.zeros(3), np.zeros(2)], [np.ones(3), np.ones(2)], np.zeros(2)) is None


def test_a_leaf_of_few_rows_is_where_the_others_are_and_one_of_many_where_it_is():
    squares = squares_of(1, (400, 400, 400, 1), 0.0)
    squares[0] *= 50.0
    squares[3][:] = 0.01
    scales = LeafScales.from_squares(squares, ones(squares), np.zeros(4))
    assert scales.moderated[0] == pytest.approx(squares[0].mean(), rel=0.05)
    assert scales.moderated[3] > 0.1  # the truth is 1
    assert scales.log_error[3] > 3 * scales.log_error[0]


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    sigma=st.floats(0, 3),
)
def test_intervals_hold_what_they_are_of(seed, sizes, sigma):
    squares = squares_of(seed, sizes, sigma)
    values = np.array([own.mean() for own in squares])
    scales = LeafScales.from_squares(squares, ones(squares), np.zeros(len(sizes)))
    low, high = scales.ends(values)
    assert (low <= values).all()
    assert (values <= high).all()
    assert (scales.std_errors(values) > 0).all()


@pytest.mark.parametrize("heavy", [False, True])
def test_smallest_of_many_leaves_are_covered(heavy):
    """Also those that look best, of which Student's or chi-square intervals by themselves miss many."""
    covered = []
    for seed in range(60):
        rng = np.random.default_rng([seed, heavy])
        true = np.exp(0.5 * rng.normal(size=10))
        spread = np.exp(0.7 * rng.normal(size=(10, 12))) if heavy else np.ones((10, 12))
        squares = true[:, None] * (rng.normal(size=(10, 12)) * spread) ** 2
        truth = true * (np.exp(2 * 0.7**2) if heavy else 1.0)
        scales = LeafScales.from_squares(list(squares), [np.ones(12)] * 10, np.zeros(10))
        low, high = scales.ends(squares.mean(axis=1))
        least = int(np.argmin(squares.mean(axis=1)))
        covered.append(low[least] <= truth[least] <= high[least])
    assert np.mean(covered) >= 0.85  # 0.85 and 0.23 by chi-square of its own rows
