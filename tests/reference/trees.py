"""Shapley values of trees written a second time: by pairs of rows at each leaf, with exact fractions.

Nothing here imports the package. A tree is nested: a number is a leaf, else (feature, threshold, left,
right), where a row whose value is at most the threshold goes left.
"""

from __future__ import annotations

import math
from fractions import Fraction


def predict(tree, row):
    while isinstance(tree, tuple):
        feature, threshold, left, right = tree
        tree = left if row[feature] <= threshold else right
    return tree


def leaves(tree):
    """Each leaf's value, and the splits on the way to it as (feature, threshold, is to the left)."""
    stack = [(tree, [])]
    while stack:
        node, conditions = stack.pop()
        if not isinstance(node, tuple):
            yield node, conditions
            continue
        feature, threshold, left, right = node
        stack.append((left, [*conditions, (feature, threshold, True)]))
        stack.append((right, [*conditions, (feature, threshold, False)]))


def shapley_of_pair(tree, row, other, player_of):
    """Values by player of the game in which a coalition has the features of `row`, the others of `other`."""
    values = {}
    for value, conditions in leaves(tree):
        own, theirs = {}, {}
        for feature, threshold, is_left in conditions:
            player = player_of[feature]
            own[player] = own.get(player, True) and (row[feature] <= threshold) == is_left
            theirs[player] = theirs.get(player, True) and (other[feature] <= threshold) == is_left
        if any(not own[player] and not theirs[player] for player in own):
            continue
        needed = [
            player for player in own if not theirs[player]
        ]  # in the coalition, or the leaf is not reached
        barred = [player for player in own if not own[player]]
        n, m = len(needed), len(barred)
        for player in needed:  # unanimity of `needed` without `barred`, Shapley (1953)
            values[player] = values.get(player, 0.0) + value * float(Fraction(1, n * math.comb(n + m, n)))
        for player in barred:
            values[player] = values.get(player, 0.0) - value * float(Fraction(1, m * math.comb(n + m, m)))
    return values


def shapley(tree, row, background, weights, player_of, n_players):
    """Values (n_players,) over weighted background rows."""
    terms = [[] for _ in range(n_players)]
    for other, weight in zip(background, weights, strict=True):
        for player, value in shapley_of_pair(tree, row, other, player_of).items():
            terms[player].append(weight * value)
    return [math.fsum(one) for one in terms]
