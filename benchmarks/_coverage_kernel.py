"""Intervals of Shapley values of single rows: a kernel of their own, and least squares."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

import numpy as np
from _coverage import Cell, seeds_of
from _mask_games import MaskGame, games_with_steps, smooth_games

from agnostix import KernelShapExplainer

LEVEL = 0.95
BUDGETS = ("2d+2", "2d+14", "3d", "4d", "8d", "16d", "32d")
KERNELS = {"auto": "own kernel", "none": "least squares"}
N_SEEDS, N_QUICK = 80, 8


def cells(args: Namespace) -> Iterator[Cell]:
    """Games with steps and smooth ones, by budget and kernel; what is hidden is one row of zeros."""
    seeds = seeds_of(args, N_SEEDS, N_QUICK)
    for game in [*games_with_steps(), *smooth_games()]:
        for words in BUDGETS:
            for kernel in KERNELS:
                yield cell(game, words, kernel, seeds)


def cell(game: MaskGame, words: str, kernel: str, seeds: range) -> Cell:
    """Intervals of all players of a game, under so many designs."""
    d, found = game.n_players, []
    params = {"budget": budget_of(words, d), "kernel": kernel, "background": "all", "verbose": 0}
    for seed in seeds:
        explainer = KernelShapExplainer(game.predict, **params, random_state=seed)
        found.append(explainer.fit(np.zeros((1, d))).explain(np.ones((1, d))))
    ends = [one.interval(LEVEL) for one in found]
    return Cell(
        f"Shapley, {KERNELS[kernel]}",
        f"{game.name}, {words}",
        np.stack([one.values[0, :, 0] for one in found]),
        game.truth,
        np.stack([low[0, :, 0] for low, _ in ends]),
        np.stack([high[0, :, 0] for _, high in ends]),
        np.stack([one.std_errors[0, :, 0] for one in found]),
        float(budget_of(words, d)),
    )


def budget_of(words: str, d: int) -> int:
    """Evaluations."""
    multiple, _, more = words.partition("d")
    return int(multiple) * d + int(more or 0)
