"""Interaction indices of order 2 written from their definitions: sums over coalitions, and least squares.

Nothing here imports the package. A game is a function of a frozenset of players 0, ..., d - 1. Each index
gives a dict from frozensets of one or two players to numbers.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from tests.reference.shapley import shapley, subsets


def discrete_derivative(game, pair, others):
    i, j = pair
    return game(others | {i, j}) - game(others | {i}) - game(others | {j}) + game(others)


def _pairs(game, d, weight):
    found = {}
    for pair in combinations(range(d), 2):
        terms = [
            weight(len(others)) * discrete_derivative(game, pair, others)
            for others in subsets(k for k in range(d) if k not in pair)
        ]
        found[frozenset(pair)] = math.fsum(terms)
    return found


def sii(game, d):
    """Grabisch and Roubens (1999), with the Shapley values as first order."""
    found = _pairs(game, d, lambda s: math.factorial(s) * math.factorial(d - s - 2) / math.factorial(d - 1))
    return found | {frozenset([i]): value for i, value in enumerate(shapley(game, d))}


def k_sii(game, d):
    """Bord and von Luxburg (2023): the first order takes half of each pair's away."""
    found = sii(game, d)
    halves = {
        i: 0.5 * sum(value for pair, value in found.items() if len(pair) == 2 and i in pair) for i in range(d)
    }
    return {who: value - halves[min(who)] if len(who) == 1 else value for who, value in found.items()}


def stii(game, d):
    """Sundararajan, Dhamdhere and Agarwal (2020): the first order is what a player adds to nobody."""
    found = _pairs(game, d, lambda s: 2.0 / (d * math.comb(d - 1, s)))
    return found | {frozenset([i]): game(frozenset([i])) - game(frozenset()) for i in range(d)}


def fsii(game, d):
    """Tsai, Yeh and Ravikumar (2023): the best fit of order 2 under Shapley's weights, exact at both ends."""
    everybody = frozenset(range(d))
    members = [frozenset(one) for k in (1, 2) for one in combinations(range(d), k)]
    coalitions = [one for one in subsets(range(d)) if 0 < len(one) < d]
    design = np.array([[one <= coalition for one in members] for coalition in coalitions], dtype=float)
    target = np.array([game(one) - game(frozenset()) for one in coalitions])
    weights = np.array([(d - 1) / (math.comb(d, len(one)) * len(one) * (d - len(one))) for one in coalitions])
    n = len(members)
    # Least squares under one linear constraint, by its Lagrange conditions.
    matrix = np.zeros((n + 1, n + 1))
    matrix[:n, :n] = design.T @ (weights[:, None] * design)
    matrix[n, :n] = matrix[:n, n] = 1.0
    right = np.append(design.T @ (weights * target), game(everybody) - game(frozenset()))
    return dict(zip(members, np.linalg.solve(matrix, right)[:n], strict=True))


INDICES = {"SII": sii, "k-SII": k_sii, "STII": stii, "FSII": fsii}
