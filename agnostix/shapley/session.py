"""Coalitions of rows, evaluated and solved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.evaluate import ProgressBar, Reducer, evaluate, evaluate_adaptive, mask_cost
from agnostix.core.masking import MaskedRows, Masker
from agnostix.core.models import Predictor
from agnostix.core.row_sources import MaskedRowSource
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.shapley.coalition_plan import CoalitionPlan
from agnostix.shapley.group_means import GroupMeans
from agnostix.shapley.linked_values import LinkedValues
from agnostix.shapley.shapley_reducer import ShapleyReducer
from agnostix.shapley.shapley_result import ShapleyResult
from agnostix.shapley.solver import Solver
from agnostix.shapley.stopping import Stopping, last_stages, relative_errors

_STAGED_BYTES = 64 * 2**20
"""Mean predictions that are kept at once while rows may still go on."""


@dataclass(frozen=True)
class Session:
    """A model, what replaces unknown features, and how games are evaluated.

    Attributes
    ----------
    predictor : Predictor
        The model.
    masker : Masker
        Hides features.
    n_outputs : int
        Outputs of the model.
    means : GroupMeans
        Groups of background rows.
    scale : LinkedValues
        From means to coalition values.
    empty : ndarray of shape (n_groups, n_outputs) or None
        Mean predictions of the background, by group; None where the masker has none.
    n_jobs : int or None
        Workers.
    verbose : int or ProgressBar
        As in `evaluate`.
    """

    predictor: Predictor
    masker: Masker
    n_outputs: int
    means: GroupMeans
    scale: LinkedValues
    empty: Floats | None
    n_jobs: int | None
    verbose: int | ProgressBar

    @property
    def empty_value(self) -> Floats:
        """Value of the empty coalition with the whole background, of shape (n_outputs,)."""
        assert self.empty is not None
        return self.scale.whole(self.empty[None])[0]

    def cost(self, plan: CoalitionPlan, n_rows: int) -> int:
        """Model rows that a plan takes at most for n_rows rows."""
        return n_rows * mask_cost(self.masker, plan.masks)

    def evaluate_pilots(self, plan: CoalitionPlan, rows: MaskedRows) -> tuple[Floats, int]:
        """Coalition values (n_masks, n_rows, n_outputs) of the whole background, and model rows."""
        whole = GroupMeans(np.zeros_like(self.means.groups), self.means.weights)
        (means,), n_model_rows = self._evaluate(
            MaskedRowSource.from_rows(self.masker, rows, plan.masks), whole
        )
        scale = LinkedValues(self.scale.link, np.ones(1))
        return scale.whole(means.transpose(1, 2, 0, 3)), n_model_rows

    def evaluate(
        self, plan: CoalitionPlan, solver: Solver, rows: MaskedRows, places: Codes, result: ShapleyResult
    ) -> None:
        """Evaluate all coalitions of the rows at some places and solve; the result takes their values."""
        solved, n_model_rows = self._evaluate(self._source(plan, rows, places), self._reducer(plan, solver))
        n = plan.n_evaluations
        result.put(places, plan.players, solved, n, np.full(places.size, n))
        result.n_model_rows += n_model_rows

    def evaluate_adaptive(
        self,
        tol: float,
        plan: CoalitionPlan,
        solver_of: Callable[[CoalitionPlan], Solver],
        rows: MaskedRows,
        places: Codes,
        result: ShapleyResult,
    ) -> None:
        """The same in stages, each about twice as many coalitions, until a row's errors are within `tol`.

        `solver_of` makes the solver of the coalitions up to a stage.
        """
        prefixes = plan.prefixes()
        reducers = [self._reducer(prefix, solver_of(prefix)) for prefix in prefixes]
        n_bytes = 8 * plan.masks.shape[0] * self.means.n_kept * self.n_outputs
        n_rows = max(1, _STAGED_BYTES // n_bytes)
        for start in range(0, places.size, n_rows):
            stopping = Stopping(tol, reducers)
            self._evaluate_stages(
                stopping, plan.stages(prefixes), rows, places[start : start + n_rows], result
            )

    def _evaluate_stages(
        self,
        stopping: Stopping,
        masks: tuple[Bools, ...],
        rows: MaskedRows,
        places: Codes,
        result: ShapleyResult,
    ) -> None:
        stages = evaluate_adaptive(
            self.predictor,
            self._source(stopping.reducers[-1].plan, rows, places),
            masks,
            self.means,
            stopping.keep_going,
            n_outputs=self.n_outputs,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        last = last_stages([evaluated for evaluated, _, _ in stages], places.size)
        for number in range(len(stages)):
            stopped = np.flatnonzero(last == number)
            if stopped.size == 0:
                continue
            parts = [
                means[np.searchsorted(evaluated, stopped)] for evaluated, (means,), _ in stages[: number + 1]
            ]
            solved = stopping.solve(number, np.concatenate(parts, axis=1))
            plan = stopping.reducers[number].plan
            n = plan.n_evaluations
            forecast = np.ceil(n * np.maximum(1.0, relative_errors(solved) / stopping.tol) ** 2)
            result.put(places[stopped], plan.players, solved, n, forecast)
        result.n_model_rows += sum(n for _, _, n in stages)

    def _source(self, plan: CoalitionPlan, rows: MaskedRows, places: Codes) -> MaskedRowSource:
        return MaskedRowSource.from_rows(self.masker, rows[places], plan.masks, names=places)

    def _reducer(self, plan: CoalitionPlan, solver: Solver) -> ShapleyReducer:
        return ShapleyReducer(plan, self.means, self.scale, self.empty, solver)

    def _evaluate(self, source: MaskedRowSource, reducer: Reducer) -> tuple[Any, int]:
        return evaluate(
            self.predictor,
            source,
            reducer,
            n_outputs=self.n_outputs,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
