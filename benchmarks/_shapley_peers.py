"""Estimators of Shapley values: ours, other people's, and two written plainly."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import shap
from _shapley_games import Game, Setting
from shapiq import KernelSHAP

from agnostix import KernelShapExplainer, as_predictor
from agnostix.core.masking import Features, TabularMasker

Estimator = Callable[[Game, int, int], np.ndarray]
"""From a game, a budget and a seed to one value a player."""


def explainer_for(setting: Setting, budget: int, seed: int, **params: Any) -> KernelShapExplainer:
    """Ours, fitted on the other rows, with the setting's own background."""
    background = setting.background
    names = [f"x{j}" for j in range(setting.n_players)]
    weights = np.full(len(background), 1.0 / len(background))
    masker = TabularMasker(background, weights, Features.from_names(names, None))
    predictor = as_predictor(setting.predict)
    explainer = KernelShapExplainer(predictor, budget=budget, masker=masker, random_state=seed, **params)
    return explainer.fit(setting.others)


def ours(setting: Setting, budget: int, seed: int, **params: Any) -> np.ndarray:
    """All rows under one design: values of shape (n_rows, n_players)."""
    return explainer_for(setting, budget, seed, **params).explain(setting.rows).values[:, :, 0]


def theirs(estimator: Estimator, setting: Setting, budget: int, seed: int) -> np.ndarray:
    """Each row with a design of its own: values of shape (n_rows, n_players)."""
    return np.array([estimator(game, budget, 1_000 * seed + i) for i, game in enumerate(setting.games)])


def shap_kernel(game: Game, budget: int, seed: int) -> np.ndarray:
    """shap.KernelExplainer without selection of features; it does not count the empty and the full one.

    It is shown the game as a model of bits, with one background row of zeros: the same estimator as on
    the model and its background, which `shap_on_the_model` checks, without evaluating them each time.
    """
    np.random.seed(seed)  # noqa: NPY002, shap draws from numpy's global state
    explainer = shap.KernelExplainer(game, np.zeros((1, game.n_players)))
    return _shap_values(explainer, np.ones(game.n_players), budget)


def shap_on_the_model(game: Game, budget: int, seed: int) -> np.ndarray:
    """The same on the model and the background themselves."""
    np.random.seed(seed)  # noqa: NPY002
    return _shap_values(shap.KernelExplainer(game.predict, game.background), game.row, budget)


def _shap_values(explainer: shap.KernelExplainer, row: np.ndarray, budget: int) -> np.ndarray:
    return explainer.shap_values(row, nsamples=budget - 2, l1_reg=False, silent=True)


def shapiq_kernel(game: Game, budget: int, seed: int) -> np.ndarray:
    """Shapiq's KernelSHAP by its defaults."""
    return _shapiq(game, budget, seed, pairing_trick=False)


def shapiq_pairs(game: Game, budget: int, seed: int) -> np.ndarray:
    """Shapiq's KernelSHAP with its pairing trick."""
    return _shapiq(game, budget, seed, pairing_trick=True)


def _shapiq(game: Game, budget: int, seed: int, *, pairing_trick: bool) -> np.ndarray:
    estimator = KernelSHAP(n=game.n_players, pairing_trick=pairing_trick, random_state=seed)
    return estimator.approximate(budget=budget, game=game).get_n_order_values(1)


def permutations(game: Game, budget: int, seed: int) -> np.ndarray:
    """Means of marginal contributions over permutations and their reverses; as many as are paid for."""
    d, rng = game.n_players, np.random.default_rng(seed)
    n_passes = max(1, (budget - 2) // (2 * (d - 1)))
    total = np.zeros(d)
    for _ in range(n_passes):
        order = rng.permutation(d)
        total += _contributions(game, order) + _contributions(game, order[::-1])
    return total / (2 * n_passes)


def _contributions(game: Game, order: np.ndarray) -> np.ndarray:
    d = order.size
    masks = np.zeros((d + 1, d), dtype=bool)
    for k, player in enumerate(order):
        masks[k + 1 :, player] = True
    values = np.empty(d)
    values[order] = np.diff(game(masks))
    return values


# Leverage pairs (Musco and Witter 2025, https://arxiv.org/abs/2410.01917) -------------------------


def leverage_pairs(game: Game, budget: int, seed: int) -> np.ndarray:
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


PEERS: dict[str, Estimator] = {
    "leverage pairs": leverage_pairs,
    "antithetic permutations": permutations,
    "shap.KernelExplainer, l1_reg=False": shap_kernel,
    "shapiq KernelSHAP": shapiq_kernel,
    "shapiq KernelSHAP, pairs": shapiq_pairs,
}
