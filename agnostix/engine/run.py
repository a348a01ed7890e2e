"""The one place where perturbed rows meet the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from joblib import effective_n_jobs

from agnostix.core.masking import MaskBlock, MaskedRows, Masker, Plan
from agnostix.core.models import MaskComposer, Predictor
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.engine.batches import Demand, lay_out, tasks_of
from agnostix.engine.pool import carry_out
from agnostix.engine.summary import Summary
from agnostix.engine.work import Done, Job

KeepGoing = Callable[[int, tuple[Floats, ...]], Bools]
"""From a stage's number and its results to a mask of the rows that go on to the next."""


@dataclass(frozen=True)
class Answered:
    """What a stage of a plan has come to.

    Attributes
    ----------
    rows : ndarray of int of shape (n_rows,)
        The rows that the stage was put to.
    found : tuple of ndarray of n_rows rows
        The results of the summary.
    n_model_rows : int
        Rows that the model was asked about.
    """

    rows: Codes
    found: tuple[Floats, ...]
    n_model_rows: int


@dataclass(frozen=True)
class Run:
    """A model, what stands in for hidden values, and how the work is done.

    Parameters
    ----------
    predictor : Predictor
        The model.
    masker : Masker
        What stands in for hidden values.
    n_outputs : int
        How many the model has; another number in its answers is an error.
    summary : Summary
        What is kept of the answers.
    n_jobs : int, default=None
        Workers, as in joblib; the model is sent to each once a stage.
    verbose : int, default=0
        1 shows the progress.
    """

    predictor: Predictor
    masker: Masker
    n_outputs: int
    summary: Summary
    n_jobs: int | None = None
    verbose: int = 0

    def cost(self, plan: Plan, n_rows: int) -> int:
        """Model rows that a plan takes at most, before anything runs.

        Parameters
        ----------
        plan : Plan
            The masks.
        n_rows : int
            Rows to be explained.

        Returns
        -------
        int
        """
        return n_rows * sum(part.rows.size for part in self.masker.draws(plan.masks))

    def answer(
        self, plan: Plan, X: MaskedRows, keep_going: KeepGoing | None = None, places: Codes | None = None
    ) -> list[Answered]:
        """Put a plan to the model for every row of a table; rows that are alike are put once.

        Parameters
        ----------
        plan : Plan
            The masks.
        X : MaskedRows
            The rows; not changed.
        keep_going : callable, default=None
            Which rows go on after a stage; it sees one of each kind. None: all.
        places : ndarray of int of shape (n_rows,), default=None
            What the rows are called in errors, where X is some of a table's rows; None: as they come.

        Returns
        -------
        list of Answered
            One for each stage that was put to any row.

        Raises
        ------
        EngineError
            If the model fails, answers what cannot be used, or a worker dies: names batch and cause.
        """
        first, which = X.distinct()
        named = np.arange(which.size) if places is None else places
        going = np.arange(first.size)
        answered: list[Answered] = []
        for number, masks in enumerate(plan.stages):
            stage = self._stage(masks, X, first[going], named)
            place = np.full(first.size, -1)
            place[going] = np.arange(going.size)
            rows = np.flatnonzero(place[which] >= 0)
            found = tuple(array[place[which[rows]]] for array in stage.found)
            answered.append(Answered(rows, found, stage.n_model_rows))
            if keep_going is not None:
                going = going[keep_going(number, stage.found)]
            if going.size == 0:
                break
        return answered

    def _stage(self, masks: Bools, X: MaskedRows, rows: Codes, named: Codes) -> Answered:
        draws = self.masker.draws(masks)
        n_draws = np.array([part.rows.size for part in draws])
        width, merges, whole = X.n_values, self.masker.merges, 0
        if self._is_composed(X, rows):  # elsewhere: what is held here are rows in pieces, and masks
            width, merges, whole = masks.shape[1], False, width * self.masker.weights.size
        demand = Demand(rows.size, n_draws, width, self.n_outputs, self.summary.kept, merges, whole)
        n_workers = effective_n_jobs(self.n_jobs)
        layout = lay_out(demand, n_workers)
        blocks = [MaskBlock(part, masks[part], tuple(draws[part])) for part in layout.masks]
        job = Job(self.predictor, blocks, layout, X, rows, named, self.n_outputs, self.summary)
        tasks = tasks_of(layout, rows.size, n_workers)
        done = carry_out(job, tasks, self.n_jobs, self.verbose)
        found = _joined(job, done)
        return Answered(rows, found, sum(one.n_model_rows for one in done))

    def _is_composed(self, X: MaskedRows, rows: Codes) -> bool:
        """Whether the model puts masked rows together itself."""
        return self.predictor.supports(MaskComposer) and X.compose(rows[:1]) is not None


def _joined(job: Job, done: list[Done]) -> tuple[Floats, ...]:
    """Results of all tasks, those of one row's tasks put together first."""
    found, waiting, n_masks = [], [], sum(len(block.draws) for block in job.blocks)
    for one in done:
        if one.found is not None:
            found.append(one.found)
            continue
        assert one.collected is not None
        waiting.append(one.collected)
        if sum(part.shape[0] for part in waiting) == n_masks:
            found.append(job.summary.finish(np.concatenate(waiting)))
            waiting = []
    return tuple(np.concatenate(arrays) for arrays in zip(*found, strict=True))
