"""Shapley values written a second time from their definitions: loops over subsets, sums by `math.fsum`.

Nothing here imports the package. A game is a function of a set of players.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np


def subsets(players):
    players = list(players)
    return [frozenset(c) for k in range(len(players) + 1) for c in combinations(players, k)]


def shapley(game, d):
    """Weighted average of the marginal contributions, over the coalitions of the other players."""
    values = []
    for i in range(d):
        terms = []
        for others in subsets(j for j in range(d) if j != i):
            s = len(others)
            weight = math.factorial(s) * math.factorial(d - s - 1) / math.factorial(d)
            terms.append(weight * (game(others | {i}) - game(others)))
        values.append(math.fsum(terms))
    return np.array(values)


def masked_predictions(predict, row, background, groups=None):
    """Predictions for each coalition: its columns have the row's values, the others a background row's.

    `predict` maps a list of rows, each a list of values, to (n,) or (n, n_outputs); `groups` are lists of the
    positions of columns that form one player. Gives (n_background, n_outputs) by coalition of groups.
    """
    groups = [[j] for j in range(len(row))] if groups is None else groups
    predictions = {}
    for coalition in subsets(range(len(groups))):
        own = {column for group in coalition for column in groups[group]}
        mixed = [[row[j] if j in own else other[j] for j in range(len(row))] for other in background]
        predictions[coalition] = np.asarray(predict(mixed), dtype=float).reshape(len(background), -1)
    return predictions


def masked_values(predictions, weights=None, link=float):
    """Values (player, output) of games whose coalitions have the link of their mean prediction."""
    d, (n, n_outputs) = max(map(len, predictions)), predictions[frozenset()].shape
    weights = np.ones(n) if weights is None else weights
    values = {
        coalition: [
            link(math.fsum(w * f for w, f in zip(weights, column, strict=True)) / math.fsum(weights))
            for column in rows.T
        ]
        for coalition, rows in predictions.items()
    }
    return np.stack([shapley(lambda s, k=k: values[s][k], d) for k in range(n_outputs)], axis=1)


def background_variance(predictions, weights=None, link=float):
    """The jackknife over background rows, each counted by its weight."""
    n = len(predictions[frozenset()])
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    whole, variance = masked_values(predictions, weights, link), 0.0
    for i in range(n):
        left = np.where(np.arange(n) == i, 0.0, weights)
        variance += (1.0 - weights[i] / weights.sum()) * (masked_values(predictions, left, link) - whole) ** 2
    return variance


def table_game(table):
    """A game by its values in the order of binary codes, the first player's digit the lowest."""
    return lambda coalition: float(table[sum(1 << i for i in coalition)])


def permutation_pass(game, order):
    """Marginal contributions along an ordering of the players and along its reverse, averaged."""
    values = np.zeros(len(order))
    for way in (list(order), list(order)[::-1]):
        inside = frozenset()
        for i in way:
            values[i] += (game(inside | {i}) - game(inside)) / 2.0
            inside = inside | {i}
    return values


def pair_regression(game, coalitions, d):
    """Least squares over the single coalitions of a design, subject to efficiency by a Lagrange multiplier.

    Both sides of each pair are rows of their own, weighted 1 / (s (d - s) n_s).
    """
    everyone = frozenset(range(d))
    rows = [side for c in coalitions for side in (c, everyone - c)]
    count = {s: sum(len(r) == s for r in rows) for s in range(1, d)}
    empty, delta = game(frozenset()), game(everyone) - game(frozenset())
    normal, right = np.zeros((d + 1, d + 1)), np.zeros(d + 1)
    for row in rows:
        s = len(row)
        weight = 1.0 / (s * (d - s) * count[s])
        for i in row:
            right[i] += weight * (game(row) - empty)
            for j in row:
                normal[i, j] += weight
    normal[d, :d] = normal[:d, d] = 1.0
    right[d] = delta
    return np.linalg.solve(normal, right)[:d]


def product_kernel(scales):
    """The exponential of minus the scales of the players by which two coalitions differ."""
    return lambda s, t: math.exp(-math.fsum(scales[i] for i in s ^ t))


def odd_kernel(scales):
    """Covariance of differences between complements, scaled to 1 on the diagonal."""
    everyone = frozenset(range(len(scales)))
    k = product_kernel(scales)
    return lambda s, t: (k(s, t) - k(s, everyone - t)) / (1.0 - k(frozenset(), everyone))


def value_variance(kernel, d):
    """Covariances of the Shapley values of the odd part of a game whose differences covary by the kernel."""
    rows = {t: 0.5 * shapley(lambda s, t=t: kernel(s, t), d) for t in subsets(range(d))}
    return np.array([0.5 * shapley(lambda t, i=i: rows[t][i], d) for i in range(d)])


def kriging(coalitions, scales, rho, noise):
    """Textbook universal kriging: weights and variances by the bordered system, one player at a time.

    The coalitions end with that of all players; `noise` holds a variance for each.
    """
    d = len(scales)
    kernel = odd_kernel(scales)
    signs = np.array([[1.0 if i in c else -1.0 for i in range(d)] for c in coalitions])
    covariance = np.array([[rho * kernel(s, t) for t in coalitions] for s in coalitions]) + np.diag(noise)
    shared = np.array([rho * 0.5 * shapley(lambda s, t=t: kernel(s, t), d) for t in coalitions])
    prior = rho * value_variance(kernel, d)
    n = len(coalitions)
    system = np.block([[covariance, signs], [signs.T, np.zeros((d, d))]])
    weights, variances = [], []
    for i in range(d):
        unit = np.eye(d)[i]
        w = np.linalg.solve(system, np.r_[shared[:, i], unit])[:n]
        weights.append(w)
        variances.append(prior[i, i] - 2.0 * w @ shared[:, i] + w @ covariance @ w)
    return np.array(weights), np.array(variances)


def restricted_likelihood(signs, covariance, y):
    """Log-likelihood of all contrasts, the scale at its best, up to a constant: by the textbook formula."""
    n, d = signs.shape
    inverse = np.linalg.inv(covariance)
    information = signs.T @ inverse @ signs
    residual = inverse @ (y - signs @ np.linalg.solve(information, signs.T @ inverse @ y))
    r = n - d
    logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
    return -0.5 * (r * math.log(y @ residual) + logs)


def unanimity(carrier):
    """Value 1 with all of the carrier, else 0; its members get equal values."""
    return lambda coalition: 1.0 if carrier <= coalition else 0.0


def glove(coalition):
    """The first player has a left glove, the next two have right ones: 2/3, 1/6, 1/6."""
    return 1.0 if 0 in coalition and (1 in coalition or 2 in coalition) else 0.0


def airport(costs):
    """The dearest runway in the coalition; costs ascend."""
    return lambda coalition: max((costs[i] for i in coalition), default=0.0)


def airport_values(costs):
    """Every piece of the runway is paid in equal parts by those who need it."""
    n, before, values, total = len(costs), 0.0, [], 0.0
    for k, cost in enumerate(costs):
        total += (cost - before) / (n - k)
        before = cost
        values.append(total)
    return np.array(values)


def character(players):
    """Minus 1 to the number of those who are present."""
    return lambda coalition: (-1.0) ** len(players & coalition)


def leaf(present, absent):
    """A leaf of a tree: value 1 where all of `present` are there and none of `absent`."""
    return lambda coalition: 1.0 if present <= coalition and not absent & coalition else 0.0


def leaf_values(present, absent, d):
    """Closed form of a leaf's values."""
    p, q = len(present), len(absent)
    values = np.zeros(d)
    for i in present:
        values[i] = 1.0 / (p * math.comb(p + q, p))
    for i in absent:
        values[i] = -1.0 / (q * math.comb(p + q, q))
    return values
