"""How many coalitions rows take, and which: by the players that vary in them alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from agnostix.core.masking import MaskedRows
from agnostix.core.typing import Bools, Codes
from agnostix.shapley.budgets import AUTO_TOL, MAX_EXACT_AT_ONCE, auto_budget, check_budget
from agnostix.shapley.coalitions import CoalitionPlan, Coalitions, count_pairs, sample_pairs
from agnostix.shapley.exact_trees import ExactTrees


class CoalitionDesigns(ExactTrees):
    """Designs of the coalitions of rows, by the parameters `budget` and `tol`."""

    _plan: CoalitionPlan  # of players that rows have in common, chosen in `fit`

    @property
    def _tol(self) -> float | None:
        """The tolerance that holds, None where the budget is spent."""
        if self.tol == "auto":
            return AUTO_TOL if self.budget == "auto" else None
        return self.tol  # type: ignore[return-value]

    def _choose_budget(self, n_players: int, tol: float | None) -> int:
        """Coalitions at most for rows with this many players, under a tolerance or none."""
        if isinstance(self.budget, str):
            return auto_budget(n_players, tol)
        return check_budget(self.budget, n_players, is_table=self.masker is None)

    def _count_sampled_rows(self, n_rows: int) -> int:
        n_background = n_rows if self.background == "all" else min(self.background_size, n_rows)
        return self._choose_budget(len(self.features_.names), self._tol) * n_background

    def _count_pairs(self, n_players: int, tol: float | None) -> int | None:
        """Pairs for rows in which this many players vary; None for all coalitions at once."""
        budget = self._choose_budget(n_players, tol)
        if 2**n_players <= budget and (tol is None or n_players <= MAX_EXACT_AT_ONCE):
            return None
        return min((budget - 2) // 2, count_pairs(n_players))

    def _count_evaluations(self, n_players: int) -> int:
        n_pairs = self._count_pairs(n_players, self._tol)
        return 2**n_players if n_pairs is None else 2 * n_pairs + 2

    def _sample(self, n_players: int, tol: float | None) -> Coalitions | None:
        """Pairs for rows in which this many players vary; None for all coalitions at once."""
        n_pairs = self._count_pairs(n_players, tol)
        return None if n_pairs is None else sample_pairs(n_players, n_pairs, self._seed)

    def _plan_by_pattern(
        self, rows: MaskedRows, row_indices: Codes, tol: float | None
    ) -> Callable[[], Iterator[tuple[CoalitionPlan, Codes]]]:
        """Iterates over coalition plans, and the rows among `row_indices` in which their players vary."""
        patterns, which = np.unique(rows[row_indices].varying, axis=0, return_inverse=True)
        most = int(patterns.sum(axis=1).max(initial=0))
        self._choose_budget(most, tol)  # or an error, before any evaluation
        sampled: dict[int, Coalitions | None] = {}
        if tol == self._tol:
            sampled[self._plan.players.size] = self._plan.coalitions

        def plans() -> Iterator[tuple[CoalitionPlan, Codes]]:
            for number in np.argsort(patterns.sum(axis=1), kind="stable"):
                yield self._plan_for(patterns[number], sampled, tol), row_indices[which.ravel() == number]

        return plans

    def _plan_for(
        self, varying: Bools, sampled: dict[int, Coalitions | None], tol: float | None
    ) -> CoalitionPlan:
        """The plan for varying players (n_features,), with the pairs sampled before for as many players."""
        n_players = int(varying.sum())
        if n_players not in sampled:
            sampled[n_players] = self._sample(n_players, tol)
        return CoalitionPlan(varying, sampled[n_players], self.base_values_ is None)
