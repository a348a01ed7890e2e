import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core.masking.masker import all_masks
from agnostix.core.reproducibility import multiply
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.exact import ExactOperator, exact_weights
from tests.reference import shapley as ref

VALUES = st.floats(-1e3, 1e3)


def value_table(game, d):
    return np.array([game(frozenset(np.flatnonzero(mask).tolist())) for mask in all_masks(d)])


def others_of(d):
    """All coalitions but the empty and the full one."""
    return all_masks(d)[1:-1] if d else np.zeros((0, 0), dtype=bool)


def tables(d):
    return st.lists(VALUES, min_size=2**d, max_size=2**d).map(np.array)


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_exact_weights_match_definition(d):
    table = np.random.default_rng(d).normal(size=2**d)
    actual = exact_weights(all_masks(d)) @ table
    np.testing.assert_allclose(actual, ref.shapley(ref.table_game(table), d), atol=1e-14)


@pytest.mark.parametrize(
    ("game", "d", "expected"),
    [
        (ref.glove, 3, [2 / 3, 1 / 6, 1 / 6]),
        (ref.unanimity({1, 2, 4, 7}), 9, np.isin(np.arange(9), [1, 2, 4, 7]) / 4),
        (ref.airport([1.0, 1.5, 4.0, 4.0, 9.0]), 5, ref.airport_values([1.0, 1.5, 4.0, 4.0, 9.0])),
        (ref.character({0, 3, 5}), 6, np.isin(np.arange(6), [0, 3, 5]) * (-2 / 3)),
        (ref.character({0, 3}), 6, np.zeros(6)),
        (ref.leaf({2, 6}, {0, 1, 9}), 10, ref.leaf_values({2, 6}, {0, 1, 9}, 10)),
    ],
)
def test_exact_weights_closed_forms(game, d, expected):
    np.testing.assert_allclose(exact_weights(all_masks(d)) @ value_table(game, d), expected, atol=1e-14)


def test_exact_weights_split_unanimity_of_12_equally():
    actual = exact_weights(all_masks(12)) @ value_table(ref.unanimity(set(range(12))), 12)
    np.testing.assert_allclose(actual, 1 / 12, atol=1e-15)


def test_exact_weights_ignore_coalition_order():
    masks, table = all_masks(4), np.random.default_rng(0).normal(size=16)
    order = np.random.default_rng(1).permutation(16)
    np.testing.assert_allclose(
        exact_weights(masks[order]) @ table[order], exact_weights(masks) @ table, atol=1e-14
    )


def test_exact_weights_absolute_values_sum_to_two():
    operator = exact_weights(all_masks(16))
    np.testing.assert_allclose(np.abs(operator).sum(1), 2.0, rtol=1e-12)
    np.testing.assert_allclose(operator.sum(1), 0.0, atol=1e-12)


@given(tables(4))
def test_exact_weights_efficiency(table):
    values = exact_weights(all_masks(4)) @ table
    assert values.sum() == pytest.approx(table[-1] - table[0], abs=1e-9)


@given(tables(4), tables(4), st.floats(-5, 5), st.floats(-5, 5))
def test_exact_weights_linearity(one, other, a, b):
    operator = exact_weights(all_masks(4))
    np.testing.assert_allclose(
        operator @ (a * one + b * other), a * (operator @ one) + b * (operator @ other), atol=1e-8
    )


@given(tables(3))
def test_exact_weights_dummy_player_gets_zero(table):
    masks = all_masks(4)
    without_last = masks[:, :3] @ (1 << np.arange(3))
    values = exact_weights(masks) @ table[without_last]
    assert values[3] == pytest.approx(0.0, abs=1e-10)
    np.testing.assert_allclose(values[:3], exact_weights(all_masks(3)) @ table, atol=1e-9)


@given(tables(4))
def test_exact_weights_symmetric_players_are_equal(table):
    masks = all_masks(4)
    swapped = masks[:, [1, 0, 2, 3]] @ (1 << np.arange(4))
    values = exact_weights(masks) @ (table + table[swapped])
    assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_exact_weights_bits_of_column_ignore_others():
    operator = exact_weights(all_masks(8))
    columns = np.random.default_rng(0).normal(size=(256, 150))
    together = multiply(operator, columns)
    order = np.random.default_rng(1).permutation(150)
    np.testing.assert_array_equal(multiply(operator, columns[:, order]), together[:, order])
    for j in (0, 63, 64, 149):
        np.testing.assert_array_equal(multiply(operator, columns[:, [j]])[:, 0], together[:, j])


@pytest.mark.parametrize("d", [0, 1])
def test_exact_operator_of_no_and_one_player(d):
    full, empty = np.random.default_rng(0).normal(size=(2, 4, 2))
    values, variances, dof = ExactOperator(others_of(d)).solve(
        CoalitionValues(full, empty, np.empty((0, 4, 2)))
    )
    np.testing.assert_array_equal(values, (full - empty)[None][:d])
    np.testing.assert_array_equal(variances, np.zeros((d, 4, 2)))
    np.testing.assert_array_equal(dof, np.full((d, 4, 2), np.inf))


def test_exact_operator_matches_definition_by_game():
    tables = np.random.default_rng(0).normal(size=(2**6, 3, 2))
    games = CoalitionValues(tables[-1], tables[0], tables[1:-1])
    values, variances, _ = ExactOperator(others_of(6)).solve(games)
    for place in np.ndindex(3, 2):
        expected = ref.shapley(ref.table_game(tables[(slice(None), *place)]), 6)
        np.testing.assert_allclose(values[(slice(None), *place)], expected, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(ExactOperator(others_of(6)).apply(games), values)
    np.testing.assert_array_equal(variances, 0.0)


def test_exact_operator_takes_coalitions_in_any_order():
    values, order = np.random.default_rng(0).normal(size=32), np.random.default_rng(1).permutation(30)
    games = CoalitionValues(values[-1], values[0], values[1:-1][order])
    expected = ref.shapley(ref.table_game(values), 5)
    np.testing.assert_allclose(ExactOperator(others_of(5)[order]).apply(games), expected, atol=1e-14)
