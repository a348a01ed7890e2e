"""Which rows are explained by their games before single background rows, and how these are played."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.background import BackgroundMeans, ErrorMap
from agnostix.core.evaluate import ProgressBar
from agnostix.core.row_sources import MaskedRowSource
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.shapley.by_background import ByBackground, pays
from agnostix.shapley.coalition_values import LinkedValues
from agnostix.shapley.coalitions import MAX_EXACT_PLAYERS, CoalitionPlan, Coalitions
from agnostix.shapley.estimation import ShapleyResult, Stage, build_operator, estimate_rows
from agnostix.shapley.exact import ExactOperator
from agnostix.shapley.exact_trees import ExactTrees
from agnostix.shapley.kriging import KernelParams

_CELLS = 2**24
"""Pairs of rows and background rows, times features, that are compared at once."""

_N_KEPT = 16
"""Designs that are kept, for games with as many players."""


class GamesByBackground(ExactTrees):
    """What KernelShapExplainer does with rows that differ in few features from each background row.

    A subclass says how many coalitions are played, by `_sample` and `_count_evaluations`.
    """

    def _sample(self, n_players: int) -> Coalitions | None:
        raise self._not_written("_sample")

    def _count_evaluations(self, n_players: int) -> int:
        raise self._not_written("_count_evaluations")

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
                plan = CoalitionPlan(np.ones(n_players, dtype=bool), self._sample(n_players), False)
                stages[n_players] = self._single_stages(plan)
            linked = LinkedValues.of_background("identity", predictions[[b]], np.ones(1), ErrorMap.none(1))

            def evaluate(masks: Bools, places: Codes) -> tuple[Floats, int]:
                source = MaskedRowSource.from_rows(
                    behind.masker, behind, masks, names=np.array([row]), features=players
                )
                (by_row,), n_model_rows = self._evaluate(source, means, bar)
                return by_row, n_model_rows

            own = ShapleyResult.zeros(np.ones((1, n_players), dtype=bool), predictions.shape[1], 0)
            tol = None if self.tol is None else self.tol * np.sqrt(games.n_effective)
            return own, estimate_rows(evaluate, stages[n_players], linked, tol, np.zeros(1, dtype=int), own)

        games = ByBackground(self._masker.weights, self._errors, self._seed, solve_single)
        n_model_rows = sum(games.run(rows[[row]], int(row), result) for row in row_indices)
        result.base_values[row_indices] = self.base_values_
        result.base_components[row_indices] = self._errors.of_means(predictions)
        return n_model_rows

    def _single_stages(self, plan: CoalitionPlan) -> list[Stage]:
        """Coalitions and operators without a kernel, since no other game has these players."""
        if plan.coalitions is None:
            return [(plan, ExactOperator(plan.players.size))]
        plans = [plan] if self.tol is None else plan.prefixes()
        kernel = KernelParams.without_kernel(plan.players.size)
        return [(one, build_operator(one.coalitions, kernel)) for one in plans if one.coalitions]

    def _count_split(self, row: Any) -> int:
        """Coalitions of a row's games before single background rows, one model row each."""
        (differing,) = row.differing
        return sum(self._count_evaluations(int(n)) for n in differing.sum(axis=1))
