"""Values behind many background rows, as means of those behind one background row each.

Shapley values are linear in the game, and the game of a row before a background is the weighted mean of its
games before single background rows, as long as no link comes after the mean. In each of these the players are
the features in which the row and that background row differ. Where rows are sparse these are few, even if
all background rows together differ from the row in many: 20 words of a text and 20 of another are 40 players,
50 other texts have a thousand. Each game takes one model row for a coalition, so that the budget buys as
many coalitions for each of these games as for the one behind all background rows, and of fewer players.

Their designs have the players in different orders, so that their errors hardly share anything, and the error
of the mean is smaller than theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agnostix.core.background import ErrorMap, compact, effective_number
from agnostix.core.intervals import satterthwaite
from agnostix.core.masking import MaskedTable
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.shapley.estimation import ShapleyResult

PART = 0.5
"""Players of single background rows, relative to those of all, up to which their games are played instead."""

SolveSingle = Callable[[MaskedTable, Codes, int, int], tuple[ShapleyResult, int]]
"""From a row before one background row, the players in order, and the places of that background row and the
row: their values, and model rows."""


def pays(differing: Bools, weights: Floats, n_least: int) -> Bools:
    """Rows (n_rows,) of more than n_least players that have few of them before each background row.

    By the features in which rows and background rows differ, (n_rows, n_background, n_features).
    """
    n_players, n_single = differing.any(axis=1).sum(axis=1), differing.sum(axis=2) @ weights
    return (n_players > n_least) & (n_single <= PART * n_players)


@dataclass(frozen=True)
class ByBackground:
    """Plays the games of rows before each background row, and averages their values."""

    weights: Floats  # (n_background,)
    errors: ErrorMap
    seed: int
    solve_single: SolveSingle

    def run(self, row: MaskedTable, place: int, result: ShapleyResult) -> int:
        """Fill in a row, which is at this place of the result; gives model rows."""
        (differing,) = row.differing
        shape = (self.weights.size, *result.values.shape[1:])
        values, variances, dofs = np.zeros(shape), np.zeros(shape), np.full(shape, np.inf)
        n_model_rows, n_evaluations = 0, np.zeros((self.weights.size, 2))
        for b, varying in enumerate(differing):
            order = np.random.default_rng([self.seed, 4, b]).permutation(varying.size)
            players = order[varying[order]]
            if not players.size:
                continue
            part, n = self.solve_single(row.behind(b), players, b, place)
            n_model_rows += n
            values[b, players], variances[b, players] = part.values[0], part.coalition_variances[0]
            dofs[b, players] = part.coalition_dof[0]
            n_evaluations[b] = part.evaluations[0], part.forecast[0]
            result.outputs[place] = result.predictions[place] = part.outputs[0]
        shares = self.weights[:, None, None]
        result.values[place] = (shares * values).sum(axis=0)
        result.coalition_variances[place] = (shares**2 * variances).sum(axis=0)
        result.coalition_dof[place] = satterthwaite(tuple(shares**2 * variances), tuple(dofs))
        result.evaluations[place] = np.ceil(n_evaluations[:, 0].mean())
        result.forecast[place] = np.ceil(n_evaluations[:, 1].mean())
        self._put_components(values, place, result)
        return n_model_rows

    @property
    def n_effective(self) -> float:
        """Background rows that equally weighted ones would be."""
        return effective_number(self.weights)

    def _put_components(self, values: Floats, place: int, result: ShapleyResult) -> None:
        """Those of the background's error, by what each background row contributes (n_background, ...)."""
        if not self.errors.n_components:
            return
        apart = (values - values[self.weights.argmax()]).reshape(len(values), -1)
        components = (self.errors.functionals.T @ apart).reshape(-1, *values.shape[1:])
        own = compact(np.moveaxis(components, 0, 1))
        if own.dtype != result.components.dtype:
            result.components = result.components.astype(float)  # which single precision does not hold
        result.components[place] = own
