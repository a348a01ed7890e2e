"""Squared errors by budget, of games of one row and default settings."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
from _clock import print_table
from _mask_games import MaskGame, many_games
from _plain_shapley import boosted_msr, leverage_pairs, permutations

from agnostix import KernelShapExplainer

BUDGETS = ("2d+2", "4d", "8d", "16d", "32d", "64d", "128d")
N_GAMES, N_SEEDS = 30, 4


def ours(game: MaskGame, budget: int, seed: int) -> np.ndarray:
    """By default settings; what is hidden is one row of zeros."""
    explainer = KernelShapExplainer(game.predict, budget=budget, random_state=seed, verbose=0)
    zeros, ones = np.zeros((1, game.n_players)), np.ones((1, game.n_players))
    return explainer.fit(zeros).explain(ones).values[0, :, 0]


ESTIMATORS = {
    "agnostix, KernelShapExplainer": ours,
    "leverage pairs": leverage_pairs,
    "antithetic permutations": permutations,
    "boosted trees and MSR": boosted_msr,
}


def budgets(args: Namespace) -> None:
    """Median over games and seeds of the mean squared error over players."""
    n_games, n_seeds = (3, 1) if args.quick else (N_GAMES, args.seeds or N_SEEDS)
    for kind, games in many_games(n_games).items():
        d = games[0].n_players
        sizes = {words: _evaluations(words, d) for words in BUDGETS if _evaluations(words, d) < 2 ** (d - 1)}
        lines = [
            (name, *(f"{_median(estimator, games, m, n_seeds):.1e}" for m in sizes.values()))
            for name, estimator in ESTIMATORS.items()
        ]
        heads = [f"{words}, m={m}" for words, m in sizes.items()]
        title = f"{kind}: squared error, median over {n_games} games and {n_seeds} seeds, default settings"
        print_table(title, ("", *heads), lines)


def _evaluations(words: str, d: int) -> int:
    multiple, _, more = words.partition("d")
    return int(multiple) * d + int(more or 0)


def _median(estimator: object, games: list[MaskGame], m: int, n_seeds: int) -> float:
    if estimator is boosted_msr and m < 4 * games[0].n_players:
        return float("nan")  # too few coalitions for its folds
    off = [
        np.square(estimator(game, m, seed) - game.truth).mean() for game in games for seed in range(n_seeds)
    ]
    return float(np.median(off))
