"""Estimators of Shapley values, written plainly from their papers."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations
from math import comb
from typing import Any, Protocol

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor


class AnyGame(Protocol):
    """From coalitions to values."""

    n_players: int

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        """Values (n_coalitions,) of masks (n_coalitions, n_players)."""


def permutations(game: AnyGame, budget: int, seed: int) -> np.ndarray:
    """Means of marginal contributions over permutations and their reverses; as many as are paid for."""
    d, rng = game.n_players, np.random.default_rng(seed)
    n_passes = max(1, (budget - 2) // (2 * (d - 1)))
    total = np.zeros(d)
    for _ in range(n_passes):
        order = rng.permutation(d)
        total += _contributions(game, order) + _contributions(game, order[::-1])
    return total / (2 * n_passes)


def _contributions(game: AnyGame, order: np.ndarray) -> np.ndarray:
    d = order.size
    masks = np.zeros((d + 1, d), dtype=bool)
    for k, player in enumerate(order):
        masks[k + 1 :, player] = True
    values = np.empty(d)
    values[order] = np.diff(game(masks))
    return values


# Leverage pairs (Musco and Witter 2025, https://arxiv.org/abs/2410.01917) -------------------------


def leverage_pairs(game: AnyGame, budget: int, seed: int) -> np.ndarray:
    """Pairs of coalition and complement without replacement, sizes alike, and least squares on them."""
    d, rng = game.n_players, np.random.default_rng(seed)
    counts = pair_counts(d, (budget - 2) // 2, rng)
    masks = np.concatenate([_draw(d, size, int(n), rng) for size, n in counts.items() if n])
    sizes = masks.sum(axis=1)
    # each size keeps its kernel weight, spread over the sampled pairs
    weights = np.array([1.0 / (s * (d - s) * counts[s] * (2 if 2 * s == d else 1)) for s in sizes])
    empty, full = game(np.array([[False] * d, [True] * d]))
    y = game(masks) - game(~masks)
    x = 2.0 * masks - 1.0
    centered = x - x.mean(axis=1, keepdims=True)
    rest = y - x.sum(axis=1) * (full - empty) / d
    root = np.sqrt(weights)
    values = np.linalg.lstsq(centered * root[:, None], rest * root, rcond=None)[0]
    return values - values.mean() + (full - empty) / d


def pair_counts(d: int, n_pairs: int, rng: np.random.Generator) -> dict[int, int]:
    """How many pairs of each size up to half: the same for every size as far as there are so many."""
    sizes = np.arange(1, d // 2 + 1)
    middle = 2 * sizes == d
    there = [comb(d, int(s)) // (2 if m else 1) for s, m in zip(sizes, middle, strict=True)]
    n_pairs = min(n_pairs, sum(there))
    most = np.array([min(n, n_pairs) for n in there], dtype=float)
    rate = np.where(middle, 0.5, 1.0)
    low, high = 0.0, 2.0 * n_pairs
    for _ in range(100):
        level = (low + high) / 2
        low, high = (level, high) if np.minimum(most, level * rate).sum() < n_pairs else (low, level)
    wanted = np.minimum(most, high * rate)
    counts = np.floor(wanted + 1e-9)
    left = n_pairs - int(counts.sum())
    if left > 0:
        part = np.where(counts < most, wanted - counts + 1e-9, 0.0)
        counts[rng.choice(sizes.size, left, replace=False, p=part / part.sum())] += 1
    return {int(s): int(n) for s, n in zip(sizes, counts, strict=True)}


def _draw(d: int, size: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """So many different coalitions of a size; of the middle size those that hold the first player."""
    middle = 2 * size == d
    among = comb(d, size) // (2 if middle else 1)
    if 2 * n > among:
        members = np.array(list(combinations(range(d), size))[:among])  # in order: those of the first player
        members = members[rng.permutation(among)[:n]]
    else:
        members = _distinct(d, size, n, middle, rng)
    masks = np.zeros((n, d), dtype=bool)
    masks[np.arange(n)[:, None], members] = True
    return masks


def _distinct(d: int, size: int, n: int, middle: bool, rng: np.random.Generator) -> np.ndarray:
    members: dict[tuple[int, ...], None] = {}
    while len(members) < n:
        rest = 1 + rng.permutation(d - 1)[: size - 1] if middle else rng.permutation(d)[:size]
        members[tuple(sorted([0, *rest] if middle else rest))] = None
    return np.array(list(members))


# Regression and maximum sample reuse (Witter, Liu, Musco 2025, https://arxiv.org/abs/2506.11849) ---


def boosted_msr(game: AnyGame, budget: int, seed: int, n_folds: int = 5) -> np.ndarray:
    """Shapley values of boosted trees on coalitions, and of what they miss by weighted means of it."""
    d, rng = game.n_players, np.random.default_rng(seed)
    counts = pair_counts(d, (budget - 2) // 2, rng)
    half = np.concatenate([_draw(d, size, int(n), rng) for size, n in counts.items() if n])
    masks = np.concatenate([half, ~half])
    # how often a coalition is there, of all of its size
    share = {size: n / (comb(d, size) // (2 if 2 * size == d else 1)) for size, n in counts.items()}
    sizes = masks.sum(axis=1)
    present = np.array([share[min(size, d - size)] for size in sizes])
    ends = np.array([[False] * d, [True] * d])
    y, (empty, full) = game(masks), game(ends)
    fold = np.tile(rng.permutation(len(half)) % n_folds, 2)
    values = np.zeros(d)
    inside = np.array([1.0 / (d * comb(d - 1, size - 1)) for size in sizes])
    outside = np.array([1.0 / (d * comb(d - 1, size)) for size in sizes])
    for k in range(n_folds):
        others, here = fold != k, fold == k
        model = GradientBoostingRegressor(n_estimators=100, max_depth=6, learning_rate=0.3, random_state=seed)
        model.fit(np.concatenate([masks[others], ends]), np.r_[y[others], empty, full])
        missed = (y - model.predict(masks))[here] / present[here]
        by_member = np.where(masks[here], inside[here, None], -outside[here, None])
        apart = np.diff([empty, full] - model.predict(ends))[0] / d
        values += _shapley_of_trees(model, d) / n_folds + missed @ by_member + apart / n_folds
    return values


def credit_leaf(value: float, there: Collection[int], away: Collection[int], out: np.ndarray) -> None:
    """A leaf for p players without q others gives 1 / (p C(p+q,p)), -1 / (q C(p+q,q)) of its value."""
    p, q = len(there), len(away)
    for i in there:
        out[i] += value / (p * comb(p + q, p))
    for i in away:
        out[i] -= value / (q * comb(p + q, q))


def _shapley_of_trees(model: GradientBoostingRegressor, d: int) -> np.ndarray:
    """Shapley values of a boosted ensemble on masks, leaf by leaf."""
    values = np.zeros(d)
    for (tree,) in model.estimators_:
        _add_leaves(tree.tree_, 0, (), (), values)
    return values * model.learning_rate


def _add_leaves(tree: Any, node: int, there: tuple[int, ...], away: tuple[int, ...], out: np.ndarray) -> None:
    if tree.children_left[node] < 0:
        credit_leaf(tree.value[node, 0, 0], there, away, out)
        return
    player = int(tree.feature[node])
    if player not in there:
        _add_leaves(tree, tree.children_left[node], there, tuple({*away, player}), out)
    if player not in away:
        _add_leaves(tree, tree.children_right[node], tuple({*there, player}), away, out)
