"""Which rows are explained by their games before single background rows, and how these are played."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.background import BackgroundMeans, ErrorMap
from agnostix.core.evaluate import ProgressBar
from agnostix.core.row_sources import MaskedRowSource
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.shapley.budgets import MAX_EXACT_PLAYERS
from agnostix.shapley.by_background import ByBackground, pays
from agnostix.shapley.coalition_values import LinkedValues
from agnostix.shapley.coalitions import CoalitionPlan
from agnostix.shapley.designs import CoalitionDesigns
from agnostix.shapley.estimation import Operator, RowEstimation, ShapleyResult, Stage, build_operator
from agnostix.shapley.exact import ExactOperator
from agnostix.shapley.kriging import KernelParams
from agnostix.shapley.stopping import stage_pairs

_CELLS = 2**24
"""Pairs of rows and background rows, times features, that are compared at once."""

_N_KEPT = 16
"""Designs that are kept, for games with as many players."""


class GamesByBackground(CoalitionDesigns):
    """What KernelShapExplainer does with rows that differ in few features from each background row."""

    def _are_split(self, rows: Any) -> Bools:
        """Rows (n_rows,) whose games before single background rows are played, see `by_background`."""
        n_background, n_features = self._masker.weights.size, len(rows.features.names)
        is_free = self.masker is None and self.link == "identity" and self.kernel in ("auto", "none")
        if not is_free or n_background < 2 or n_features <= MAX_EXACT_PLAYERS:
            return np.zeros(len(rows), dtype=bool)
        n_together = max(1, _CELLS // (n_background * n_features))
        parts = [
            pays(rows[start : start + n_together].differing, self._masker.weights, MAX_EXACT_PLAYERS)
            for start in range(0, len(rows), n_together)
        ]
        return np.concatenate(parts)

    def _count_players(self, rows: Any, varying: Bools, is_split: Bools) -> Codes:
        """Players (n_rows,) of the largest game of each row."""
        n_players = np.asarray(varying.sum(axis=1))
        for row in np.flatnonzero(is_split):
            n_players[row] = rows[[row]].differing.sum(axis=2).max()
        return n_players

    def _explain_split(self, rows: Any, row_indices: Codes, bar: ProgressBar, result: ShapleyResult) -> int:
        """Fill in rows by their games before single background rows; gives model rows."""
        if not row_indices.size:
            return 0
        predictions: Any = self._background_predictions
        means, stages = BackgroundMeans(ErrorMap.none(1)), dict[int, list[Stage]]()

        def solve_single(behind: Any, players: Codes, b: int, row: int) -> tuple[ShapleyResult, int]:
            n_players = players.size
            if n_players not in stages:
                if len(stages) == _N_KEPT:
                    stages.clear()
                plan = CoalitionPlan(
                    np.ones(n_players, dtype=bool), self._sample(n_players, self._tol), False
                )
                stages[n_players] = self._single_stages(plan)
            linked = LinkedValues.of_background("identity", predictions[[b]], np.ones(1), ErrorMap.none(1))

            def evaluate(masks: Bools, places: Codes) -> tuple[Floats, int]:
                source = MaskedRowSource.from_rows(
                    behind.masker, behind, masks, names=np.array([row]), features=players
                )
                (by_row,), n_model_rows = self._evaluate(source, means, bar)
                return by_row, n_model_rows

            own = ShapleyResult.zeros(np.ones((1, n_players), dtype=bool), predictions.shape[1], 0)
            tol = None if self._tol is None else self._tol * np.sqrt(games.n_effective)
            return own, RowEstimation(evaluate, stages[n_players], linked, tol, own).run(
                np.zeros(1, dtype=int)
            )

        games = ByBackground(self._masker.weights, self._errors, self._seed, solve_single)
        n_model_rows = sum(games.run(rows[[row]], int(row), result) for row in row_indices)
        result.base_values[row_indices] = self.base_values_
        result.base_components[row_indices] = self._errors.of_means(predictions)
        return n_model_rows

    def _single_stages(self, plan: CoalitionPlan) -> list[Stage]:
        """Coalitions and operators without a kernel, since no other game has these players."""
        plans = []
        if self._tol is not None and plan.coalitions is not None:
            *sizes, _ = stage_pairs(plan.players.size, plan.coalitions.n_pairs)
            plans = [plan.prefix(n_pairs) for n_pairs in sizes]
        return [Stage(one, _single_operator) for one in [*plans, plan]]

    def _count_split(self, row: Any) -> int:
        """Coalitions of a row's games before single background rows, one model row each."""
        (differing,) = row.differing
        return sum(self._count_evaluations(int(n)) for n in differing.sum(axis=1))


def _single_operator(plan: CoalitionPlan) -> Operator:
    if plan.coalitions is None or plan.is_exact:
        return ExactOperator(plan.others)
    return build_operator(plan.coalitions, KernelParams.without_kernel(plan.players.size))
