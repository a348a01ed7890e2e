"""Asks a model about the coalitions of rows, and solves their games."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.masking import MaskedRows, Masker, Plan
from agnostix.core.models import Predictor
from agnostix.core.typing import Codes, Floats
from agnostix.engine import GroupMeans, Run
from agnostix.games.row_shares import RowShares
from agnostix.games.scale import WorthScale
from agnostix.games.shares import ShareSummary
from agnostix.games.solver import Solver
from agnostix.games.stopping import Stopping, last_stages, relative_errors
from agnostix.perturb import Questions

_STAGED_BYTES = 64 * 2**20
"""Mean predictions that are kept at once while rows may still go on."""


@dataclass(frozen=True)
class Session:
    """A model, what stands in for unknown values, and how the work is done.

    Attributes
    ----------
    predictor : Predictor
        The model.
    masker : Masker
        What stands in.
    n_outputs : int
        The model's.
    means : GroupMeans
        The background's parts.
    scale : WorthScale
        From means to worths.
    empty : ndarray of shape (n_groups, n_outputs) or None
        Mean predictions of the background, by group; None where the masker has none.
    n_jobs : int or None
        Workers.
    verbose : int
        1 shows the progress.
    """

    predictor: Predictor
    masker: Masker
    n_outputs: int
    means: GroupMeans
    scale: WorthScale
    empty: Floats | None
    n_jobs: int | None
    verbose: int

    @property
    def worth_of_none(self) -> Floats:
        """Worths of the empty coalition with the whole background, of shape (n_outputs,)."""
        assert self.empty is not None
        return self.scale.whole(self.empty[None])[0]

    def cost(self, questions: Questions, n_rows: int) -> int:
        """Model rows at most.

        Parameters
        ----------
        questions : Questions
            What is asked of each row.
        n_rows : int
            How many rows.

        Returns
        -------
        int
        """
        return self._run(self.means).cost(Plan((questions.masks,)), n_rows)

    def ask(self, questions: Questions, rows: MaskedRows) -> tuple[Floats, int]:
        """Worths with the whole background, for a kernel to be learned from.

        Parameters
        ----------
        questions : Questions
            What is asked of each row.
        rows : MaskedRows
            The rows.

        Returns
        -------
        worths : ndarray of shape (n_masks, n_rows, n_outputs)
            In explained units.
        n_model_rows : int
            Rows that the model was asked about.
        """
        whole = GroupMeans(np.zeros_like(self.means.groups), self.means.weights)
        (answered,) = self._run(whole).answer(Plan((questions.masks,)), rows)
        scale = WorthScale(self.scale.link, np.ones(1))
        return scale.whole(answered.found[0].transpose(1, 2, 0, 3)), answered.n_model_rows

    def play(
        self, questions: Questions, solver: Solver, rows: MaskedRows, places: Codes, shares: RowShares
    ) -> None:
        """Ask about all coalitions and solve.

        Parameters
        ----------
        questions : Questions
            What is asked of each row.
        solver : Solver
            From worths to values.
        rows : MaskedRows
            All rows.
        places : ndarray of int of shape (n,)
            Those that play.
        shares : RowShares
            Where the result goes.
        """
        summary = self._summary(questions, solver)
        plan = Plan((questions.masks,))
        (answered,) = self._run(summary).answer(plan, rows[places], places=places)
        n_evaluations = questions.n_evaluations
        spent = np.full(places.size, n_evaluations)
        shares.put(places, questions.players, answered.found, n_evaluations, spent)
        shares.n_model_rows += answered.n_model_rows

    def play_until(
        self,
        tol: float,
        questions: Questions,
        solver_of: Callable[[Questions], Solver],
        rows: MaskedRows,
        places: Codes,
        shares: RowShares,
    ) -> None:
        """Ask in stages, each about twice as many coalitions, until a row's errors are small enough.

        Parameters
        ----------
        tol : float
            As in `Stopping`.
        questions : Questions
            The most that is asked of a row.
        solver_of : callable
            From the questions up to a stage to how they are solved.
        rows : MaskedRows
            All rows.
        places : ndarray of int of shape (n,)
            Those that play.
        shares : RowShares
            Where the result goes.
        """
        prefixes = questions.prefixes()
        summaries = [self._summary(prefix, solver_of(prefix)) for prefix in prefixes]
        plan = Plan(questions.stages(prefixes))
        n_bytes = 8 * plan.n_masks * self.means.kept * self.n_outputs
        n_rows = max(1, _STAGED_BYTES // n_bytes)
        for start in range(0, places.size, n_rows):
            self._staged(Stopping(tol, summaries), plan, rows, places[start : start + n_rows], shares)

    def _staged(
        self, stopping: Stopping, plan: Plan, rows: MaskedRows, places: Codes, shares: RowShares
    ) -> None:
        stages = self._run(self.means).answer(plan, rows[places], stopping.keep_going, places)
        last = last_stages([stage.rows for stage in stages], places.size)
        for number in range(len(stages)):
            stopped = np.flatnonzero(last == number)
            if stopped.size == 0:
                continue
            parts = [stage.found[0][np.searchsorted(stage.rows, stopped)] for stage in stages[: number + 1]]
            solved = stopping.solved(number, np.concatenate(parts, axis=1))
            questions = stopping.summaries[number].questions
            n = questions.n_evaluations
            forecast = np.ceil(n * np.maximum(1.0, relative_errors(solved) / stopping.tol) ** 2)
            shares.put(places[stopped], questions.players, solved, n, forecast)
        shares.n_model_rows += sum(stage.n_model_rows for stage in stages)

    def _summary(self, questions: Questions, solver: Solver) -> ShareSummary:
        return ShareSummary(questions, self.means, self.scale, self.empty, solver)

    def _run(self, summary: Any) -> Run:
        return Run(self.predictor, self.masker, self.n_outputs, summary, self.n_jobs, self.verbose)
