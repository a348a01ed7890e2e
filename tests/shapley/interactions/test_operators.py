"""Interactions from all coalitions and from pairs, against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import sample_pairs
from agnostix.shapley.estimation import learn_operator
from agnostix.shapley.interactions import operators
from agnostix.shapley.interactions.operators import ExactInteractions, SampledInteractions
from tests.shapley.interactions.games import (
    NAMES,
    all_targets,
    expected,
    listed,
    random_game,
    sampled,
    smooth_game,
)


def learn(values, index, n_pairs, seed=0):
    d = int(np.log2(len(values)))
    coalitions = sample_pairs(d, n_pairs, seed)
    known = sampled(values, coalitions)
    return SampledInteractions.learn(coalitions, known, all_targets(index, d), None), known


@given(st.integers(2, 6), st.integers(0, 1000), st.sampled_from(NAMES))
@settings(max_examples=25, deadline=None)
def test_of_all_coalitions(d, seed, index):
    values = random_game(d, seed)
    found, variances, dof = ExactInteractions(d, all_targets(index, d)).solve(listed(values[:, None, None]))
    np.testing.assert_allclose(found[:, 0, 0], expected(index, values, d), atol=1e-11)
    assert not variances.any()
    assert np.isinf(dof).all()


def test_blocks_of_coalitions_add_up(monkeypatch):
    values = random_game(6)[:, None]
    whole = ExactInteractions(6, all_targets("k-SII", 6)).apply(listed(values))
    monkeypatch.setattr(operators, "_BLOCK", 7)
    parts = ExactInteractions(6, all_targets("k-SII", 6)).apply(listed(values))
    np.testing.assert_allclose(parts, whole, atol=1e-12)


@pytest.mark.parametrize("index", NAMES)
def test_of_pairs_are_near_with_errors_that_say_how_near(index):
    d, off, errors = 8, [], []
    for seed in range(2):
        values = smooth_game(d, seed)[:, None]
        operator, known = learn(values, index, 50, seed)
        found, variances, _ = operator.solve(known)
        off.append(found[:, 0] - expected(index, values[:, 0], d))
        errors.append(np.sqrt(variances[:, 0]))
    off, errors = np.concatenate(off), np.concatenate(errors)
    assert np.sqrt(np.square(off).mean()) < 0.05
    assert (np.abs(off) <= 2.2 * errors).mean() >= 0.85
    assert errors.max() < 0.2
    assert errors.min() > 0.0


@pytest.mark.parametrize("index", ["k-SII", "STII", "FSII"])
def test_of_pairs_sum_to_the_value_of_all(index):
    values = random_game(7)[:, None]
    operator, known = learn(values, index, 30)
    assert operator.apply(known).sum() == pytest.approx(values[-1, 0] - values[0, 0], abs=1e-8)


def test_shapley_values_stay_those_of_their_own_operator():
    values = smooth_game(7)[:, None]
    coalitions = sample_pairs(7, 30, 0)
    known = sampled(values, coalitions)
    own = learn_operator(coalitions, known)
    operator = SampledInteractions.learn(coalitions, known, all_targets("SII", 7), None)
    of_players = [part[:, 0] for part in own.solve(known)]
    found = [part[:7, 0] for part in operator.solve(known)]
    np.testing.assert_array_equal(found[0], of_players[0])
    np.testing.assert_allclose(found[1], of_players[1], rtol=1e-12)


def test_games_of_order_2_are_known():
    """Products of two players leave nothing to chance."""
    rng, d = np.random.default_rng(0), 8
    masks = all_masks(d).astype(float)
    pairs = np.triu(rng.normal(size=(d, d)))
    values = np.einsum("ni,ij,nj->n", masks, pairs, masks)[:, None]
    operator, known = learn(values, "SII", 60)
    found = operator.apply(known)[:, 0]
    np.testing.assert_allclose(found, expected("SII", values[:, 0], d), atol=1e-3)


def test_additive_games_have_no_interaction_and_are_not_sure_of_it():
    values = (all_masks(9) @ np.arange(1.0, 10.0))[:, None]
    operator, known = learn(values, "SII", 60)
    found, variances, _ = operator.solve(known)
    np.testing.assert_allclose(found[9:], 0.0, atol=1e-12)
    assert (variances[9:] > 0.0).all()
    assert np.sqrt(variances[9:].max()) < 0.05 * 45.0


def test_games_do_not_depend_on_others_beside_them():
    """Kernels are learned for all games of a row, but what is known of one game is linear in it alone."""
    values = np.column_stack([smooth_game(7, 0), smooth_game(7, 1)])
    operator, known = learn(values, "k-SII", 30)
    alone = CoalitionValues(known.full[:1], known.empty[:1], known.rest[:, :1])
    np.testing.assert_allclose(operator.apply(known)[:, 0], operator.apply(alone)[:, 0], atol=1e-12)


def test_further_pairs_than_are_taken_in_serve_single_players(monkeypatch):
    monkeypatch.setattr(operators, "MAX_PAIRS", 20)
    values = smooth_game(8)[:, None]
    operator, known = learn(values, "SII", 60)
    assert operator.n_pairs == 20
    assert operator.apply(known).shape == (36, 1)


@pytest.mark.parametrize("index", NAMES)
def test_few_pairs(index):
    """As few as a budget allows."""
    values = random_game(4)[:, None]
    operator, known = learn(values, index, 4)
    found, variances, dof = operator.solve(known)
    assert np.isfinite(found).all()
    assert (variances > 0.0).all()
    assert (dof >= 1.0).all()
