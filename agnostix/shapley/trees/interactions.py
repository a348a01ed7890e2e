"""Interactions of order 2 of tree ensembles, exactly: a leaf's game, integrated under weights of an index.

In a unanimity game of t players a pair gets 1 / (t - 1) under the Shapley interaction index, 2 / (t (t - 1))
under the Shapley-Taylor index and 6 / (t (t + 1)) under the faithful one; a polynomial of each is integrated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.trees.reading import TreeModel
from agnostix.core.typing import Floats
from agnostix.shapley.trees.values import tree_values
from agnostix.shapley.trees.weights import ONE, PairGains, PlayerGains, Polynomial, pairs_of

OF_PAIRS = {
    "SII": ONE,
    "k-SII": ONE,
    "STII": Polynomial(((2.0, 0, 1),)),
    "FSII": Polynomial(((6.0, 1, 1),)),
}
"""Weights of pairs by index."""
OF_PLAYERS = {
    "SII": ONE,
    "k-SII": ONE,
    "STII": Polynomial(None),
    "FSII": Polynomial(((4.0, 0, 1), (-2.0, 1, 0))),
}
"""Weights of single players; for "k-SII" less half of their pairs."""
INDICES = tuple(OF_PAIRS)
"""Shapley interaction index (Grabisch and Roubens, 1999, doi 10.1007/s001820050125); the same with first
orders that make it add up to the prediction (Bord and von Luxburg, 2023, doi 10.48550/arXiv.2209.04012);
Shapley-Taylor (Sundararajan et al., 2020, doi 10.48550/arXiv.1902.05622); Faith-Shap (Tsai et al., 2023, doi
10.48550/arXiv.2203.00870)."""


def tree_interactions(
    model: TreeModel,
    table: Any,
    background: Any,
    weights: Floats,
    n_players: int,
    index: str = "k-SII",
    verbose: int = 0,
) -> Floats:
    """Interactions (n_rows, n_players, n_players, n_outputs), symmetric, the first order on the diagonal.

    Players and pairs (each once) sum to the prediction minus the base value, except under "SII", whose
    diagonal has the Shapley values.
    """
    explained = model, table, background, weights, n_players, verbose
    by_player = tree_values(*explained, PlayerGains(OF_PLAYERS[index]))
    by_pair = tree_values(*explained, PairGains(OF_PAIRS[index]))
    n_rows, _, n_outputs = by_player.shape
    found = np.zeros((n_rows, n_players, n_players, n_outputs))
    p, q = pairs_of(n_players)
    found[:, p, q] = found[:, q, p] = by_pair
    if index == "k-SII":
        by_player = by_player - 0.5 * found.sum(axis=2)
    every = np.arange(n_players)
    found[:, every, every] = by_player
    return found
