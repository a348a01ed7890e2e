"""Shapley's reference formulas against closed forms."""

import numpy as np
import pytest

from tests.reference import shapley as ref


def test_shapley_unanimity():
    np.testing.assert_allclose(
        ref.shapley(ref.unanimity({0, 2, 3}), 5), [1 / 3, 0, 1 / 3, 1 / 3, 0], atol=1e-15
    )


def test_shapley_glove():
    np.testing.assert_allclose(ref.shapley(ref.glove, 3), [2 / 3, 1 / 6, 1 / 6], atol=1e-15)


def test_shapley_airport():
    costs = [1.0, 2.0, 2.5, 7.0, 7.5]
    np.testing.assert_allclose(ref.shapley(ref.airport(costs), 5), ref.airport_values(costs), atol=1e-14)


@pytest.mark.parametrize("players", [{1}, {0, 2}, {0, 1, 3}, {0, 1, 2, 3}, {0, 1, 2, 3, 4}])
def test_shapley_character_of_even_and_odd_order(players):
    expected = np.zeros(5)
    if len(players) % 2:
        expected[list(players)] = -2.0 / len(players)
    np.testing.assert_allclose(ref.shapley(ref.character(players), 5), expected, atol=1e-15)


@pytest.mark.parametrize(
    ("present", "absent"), [({0}, set()), (set(), {1, 2}), ({0, 3}, {1}), ({1, 2}, {0, 3, 4})]
)
def test_shapley_leaf(present, absent):
    expected = ref.leaf_values(present, absent, 5)
    np.testing.assert_allclose(ref.shapley(ref.leaf(present, absent), 5), expected, atol=1e-15)


def test_permutation_pass_exact_for_pairwise_interactions():
    pairs = ref.unanimity({0, 3})
    np.testing.assert_allclose(ref.permutation_pass(pairs, [2, 0, 1, 3]), ref.shapley(pairs, 4), atol=1e-15)


def test_masked_values_of_linear_model():
    predictions = ref.masked_predictions(
        lambda rows: np.array(rows) @ [1.0, -2.0, 4.0], [1, 1, 1], [[0, 1, 0], [2, 3, 0]]
    )
    np.testing.assert_allclose(ref.masked_values(predictions, [1.0, 3.0])[:, 0], [-0.5, 3.0, 4.0], atol=1e-15)
    np.testing.assert_allclose(
        ref.background_variance(predictions)[:, 0], [1.0, 4.0, 0.0], atol=1e-15
    )  # that of a mean of two


def test_masked_values_of_grouped_columns():
    predictions = ref.masked_predictions(
        lambda rows: [a * b + c for a, b, c in rows], [2, 3, 4], [[0, 0, 0]], [[1, 0], [2]]
    )
    np.testing.assert_array_equal(ref.masked_values(predictions)[:, 0], [6.0, 4.0])
