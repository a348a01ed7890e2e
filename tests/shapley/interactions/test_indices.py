"""Weights of coalitions and measures of both kinds, against the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.interactions.indices import measures, pair_places, size_weights
from tests.shapley.interactions.games import NAMES, expected, random_game


@pytest.mark.parametrize("index", NAMES)
@pytest.mark.parametrize("d", [2, 3, 5])
def test_weights_of_coalitions_are_those_of_the_definition(index, d):
    values, masks = random_game(d), all_masks(d).astype(float)
    weights, (first, second) = size_weights(index, d), pair_places(d)
    found = np.hstack([weights.of_players(masks, np.arange(d)), weights.of_pairs(masks, first, second)])
    np.testing.assert_allclose(found.T @ values, expected(index, values, d), atol=1e-12)


@pytest.mark.parametrize("index", NAMES)
@pytest.mark.parametrize("d", [2, 3, 6, 7])
def test_measures_integrate_the_multilinear_extension(index, d):
    """Of the game prod (1 + t_i x_i), whose expected value at u is a product."""
    tilts = np.random.default_rng(d).uniform(-0.9, 0.9, d)
    values = np.prod(1.0 + tilts * np.where(all_masks(d), 1.0, -1.0), axis=1)
    at, (first, second) = measures(index, d), pair_places(d)
    factors = 1.0 + at.lean[:, None] * tilts
    steps = 2.0 * tilts
    singles = [at.players @ np.delete(factors, i, 1).prod(1) * steps[i] for i in range(d)]
    pairs = [
        at.pairs @ np.delete(factors, [i, j], 1).prod(1) * steps[i] * steps[j]
        for i, j in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose([*singles, *pairs], expected(index, values, d), atol=1e-12)


@pytest.mark.parametrize("index", NAMES)
def test_parities_add_up_to_the_measure(index):
    """The parts that even and odd games see, where a node of both ends is left out if it has no mass."""
    whole = measures(index, 6)
    for part in ("players", "pairs"):
        parts = [getattr(whole.of_parity(parity), part).sum() for parity in (1, -1)]
        assert sum(parts) == pytest.approx(getattr(whole, part).sum(), abs=1e-12)


def test_even_games_have_no_shapley_values():
    """And odd ones no interaction of pairs but under the Shapley-Taylor index."""
    assert not measures("SII", 6).of_parity(1).players.any()
    for index in ("SII", "k-SII", "FSII"):
        assert not measures(index, 6).of_parity(-1).pairs.any()
    assert measures("STII", 6).of_parity(-1).pairs.any()
