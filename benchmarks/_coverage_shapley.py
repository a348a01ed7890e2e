"""Intervals of Shapley values from sampled coalitions, and the promise of `tol`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np
from _coverage import Cell, seeds_of
from _shapley_step_games import StepGame, TableModel, shapley_values, step_games, table_models

from agnostix import KernelShapExplainer

LEVEL = 0.95
BUDGETS = ("2d+2", "2(d+7)", "4d", "8d", "16d", "32d")
TOLERANCES = (0.1, 0.03)
N_SEEDS, N_QUICK = 70, 8
N_ROWS = 4


def cells(args: Namespace) -> Iterator[Cell]:
    """Cells of games of one row, of tables with pilots, of both errors together, and of tolerances."""
    seeds = seeds_of(args, N_SEEDS, N_QUICK)
    games, models = step_games(), table_models(N_ROWS)
    for name in BUDGETS:
        for kernel, words in (("row", "own kernel"), ("none", "no kernel")):
            for game in games:
                yield from _of_game(game, name, kernel, words, seeds)
        for model in models:
            yield from _of_model(model, name, seeds)
    yield from _with_sampled_background(seeds)
    for tol in TOLERANCES:
        for model in models:
            yield from _of_tol(model, tol, seeds)


def budget_of(name: str, d: int) -> int:
    """Evaluations of a budget by its name."""
    return {"2d+2": 2 * d + 2, "2(d+7)": 2 * (d + 7)}.get(name) or int(name.removesuffix("d")) * d


def _of_game(game: StepGame, name: str, kernel: str, words: str, seeds: range) -> Iterator[Cell]:
    d = game.n_players
    budget = budget_of(name, d)
    if budget < 2**d:
        ones, zeros = np.ones((1, d)), np.zeros((1, d))
        found = [explained(game.predict, zeros, ones, seed, budget=budget, kernel=kernel) for seed in seeds]
        yield cell_of(f"Shapley, {words}", f"{name}, {game.name}", found, game.truth[None])


def _of_model(model: TableModel, name: str, seeds: range) -> Iterator[Cell]:
    budget = budget_of(name, model.rows.shape[1])
    found = [
        explained(model.predict, model.background, model.rows, seed, budget=budget, kernel="pooled")
        for seed in seeds
    ]
    yield cell_of("Shapley, pooled kernel", f"{name}, {model.name}", found, model.truth)


def explained(predict: Any, seen: np.ndarray, rows: np.ndarray, seed: int, **params: Any) -> Any:
    """An explanation of rows, by default beside all rows that `fit` saw."""
    explainer = KernelShapExplainer(
        predict, **{"background": "all", "random_state": seed, "verbose": 0} | params
    )
    return explainer.fit(seen).explain(rows)


def cell_of(part: str, name: str, found: list[Any], truth: np.ndarray) -> Cell:
    """Of explanations of the same rows with other seeds, and the truth (n_rows, n_columns)."""
    values = np.stack([one.values[:, :, 0].ravel() for one in found])
    errors = np.stack([one.std_errors[:, :, 0].ravel() for one in found])
    ends = [one.interval(LEVEL) for one in found]
    low, high = (np.stack([end[side][:, :, 0].ravel() for end in ends]) for side in (0, 1))
    return Cell(part, name, values, truth.ravel(), low, high, errors)


def _with_sampled_background(seeds: range) -> Iterator[Cell]:
    """Coalitions and background rows sampled, the truth beside the whole table."""
    rng = np.random.default_rng(6)
    X = rng.normal(size=(200, 13))
    slopes = rng.normal(size=13)

    def predict(rows: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-rows @ slopes - rows[:, 0] * rows[:, 1] * rows[:, 2]))

    masks = (np.arange(2**13)[:, None] >> np.arange(13) & 1).astype(bool)
    rows = rng.normal(size=(3, 13))
    truth = np.array(
        [shapley_values(np.mean([predict(np.where(masks, row, x)) for x in X], axis=0)) for row in rows]
    )
    for size in (5, 20, 100):
        for name in ("2(d+7)", "8d"):
            params = {"background": "sample", "background_size": size, "budget": budget_of(name, 13)}
            found = [explained(predict, X, rows, seed, **params) for seed in seeds]
            yield cell_of("Shapley, both errors", f"{size} background rows, {name}", found, truth)


def _of_tol(model: TableModel, tol: float, seeds: range) -> Iterator[Cell]:
    """The worst value of each row within 1.96 `tol` times the range; intervals of rows of the first stage."""
    d = model.rows.shape[1]
    found = [
        explained(model.predict, model.background, model.rows, seed, tol=tol, budget=512, kernel="pooled")
        for seed in seeds
    ]
    name = f"tol={tol}, {model.name}"
    yield promise_of("Shapley, promise of tol", name, found, model.truth, tol)
    evaluations = np.stack([one.extras["evaluations"].array for one in found])
    first = [
        (one, row) for one in found for row in np.flatnonzero(one.extras["evaluations"].array == 2 * (d + 7))
    ]
    if len(first) >= 0.25 * evaluations.size:
        parts = [one[[row]] for one, row in first]
        truths = np.stack([model.truth[row] for _, row in first])
        cell = cell_of("Shapley, stopped at once", name, parts, truths[0])
        yield Cell(cell.part, name, cell.estimates, truths, cell.low, cell.high, cell.std_errors)


def promise_of(part: str, name: str, found: list[Any], truth: np.ndarray, tol: float) -> Cell:
    """Of each row that stopped the worst value, which should be within 1.96 `tol` times the row's range."""
    values = np.stack([one.values[:, :, 0] for one in found])
    kept = np.stack([one.extras["forecast"].array <= one.extras["evaluations"].array for one in found])
    worst = np.abs(values - truth).argmax(axis=2)[:, :, None]
    estimates = np.take_along_axis(values, worst, axis=2)[:, :, 0]
    truths = np.take_along_axis(np.broadcast_to(truth, values.shape), worst, axis=2)[:, :, 0]
    ranges = values.max(axis=2, initial=0.0) - values.min(axis=2, initial=0.0)
    half = np.where(kept, 1.96 * tol * ranges, np.nan)
    nothing = np.full(half.shape, np.nan)
    return Cell(part, name, estimates, truths, estimates - half, estimates + half, nothing)
