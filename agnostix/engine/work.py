"""What a worker does: build, ask, check, average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.masking import Builder, MaskBlock, MaskedRows, MaskingInputs
from agnostix.core.models import MaskComposer, Predictor
from agnostix.core.typing import Codes, Floats
from agnostix.engine.asker import Asker
from agnostix.engine.batches import Layout, Task
from agnostix.engine.summary import Summary
from agnostix.exceptions import EngineError


@dataclass(frozen=True)
class Job:
    """All that a worker needs, sent once.

    Attributes
    ----------
    predictor : Predictor
        The model.
    blocks : list of MaskBlock
        The masks, in the layout's parts.
    layout : Layout
        How the work is cut.
    X : MaskedRows
        All rows.
    rows : ndarray of int of shape (n_rows,)
        Its rows that are asked about.
    named : ndarray of int of shape (n_all_rows,)
        What the table's rows are called in errors.
    n_outputs : int
        The model's.
    summary : Summary
        What is kept of the answers.
    """

    predictor: Predictor
    blocks: list[MaskBlock]
    layout: Layout
    X: MaskedRows
    rows: Codes
    named: Codes
    n_outputs: int
    summary: Summary

    def worker(self) -> Worker:
        """Make somebody who does its tasks.

        Returns
        -------
        Worker
        """
        return Worker(self)

    def told(self, task: Task) -> str:
        """Name a task's rows and masks.

        Parameters
        ----------
        task : Task
            Which.

        Returns
        -------
        str
        """
        blocks = self.blocks[task.parts]
        return _told(self.named[self.rows[task.rows]], blocks[0].places.start, blocks[-1].places.stop)


@dataclass(frozen=True)
class Done:
    """A task's outcome.

    Attributes
    ----------
    collected : ndarray of shape (n_masks, kept, n_rows, n_outputs), or None
        What was kept, where the task has only some of the masks.
    found : tuple of ndarray of n_rows rows, or None
        The results, where it has all.
    n_model_rows : int
        Rows that the model was asked about.
    """

    collected: Floats | None
    found: tuple[Floats, ...] | None
    n_model_rows: int


class Worker:
    """Does tasks of a job one after the other.

    Parameters
    ----------
    job : Job
        What is to be done.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._asker = Asker(job.predictor, job.n_outputs)

    def do(self, task: Task) -> Done:
        """Ask the model about a task's rows under its masks.

        Parameters
        ----------
        task : Task
            Which.

        Returns
        -------
        Done

        Raises
        ------
        EngineError
            If the model fails or answers what cannot be used.
        """
        collected, n_model_rows = self._collected(task)
        if task.parts.stop - task.parts.start < len(self._job.blocks):
            return Done(collected, None, n_model_rows)
        return Done(None, self._job.summary.finish(collected), n_model_rows)

    def _collected(self, task: Task) -> tuple[Floats, int]:
        """What is kept, of shape (n_masks, kept, n_rows, n_outputs), and how many answers there were."""
        job, rows = self._job, self._job.rows[task.rows]
        builder = job.X.builder(rows, job.layout.most if job.layout.fits else 0)
        pieces = self._pieces(rows)
        blocks = job.blocks[task.parts]
        first, n_masks = blocks[0].places.start, blocks[-1].places.stop - blocks[0].places.start
        collected, n_model_rows = np.empty(0), 0
        for block in blocks:
            if pieces is None:
                answers, n_asked = self._built(builder, block, rows)
            else:
                answers, n_asked = self._composed(pieces, block, rows)
            kept = job.summary.of(answers, block)
            if block is blocks[0]:
                collected = np.empty((n_masks, *kept.shape[1:]))
            collected[block.places.start - first : block.places.stop - first] = kept
            n_model_rows += n_asked
        return collected, n_model_rows

    def _built(self, builder: Builder, block: MaskBlock, rows: Codes) -> tuple[Floats, int]:
        """Answers to a block by (draw, row, output), and how many were asked for."""
        shape = (block.n_draws, rows.size, self._job.n_outputs)
        distinct = builder.distinct(block)
        n_cells = block.n_draws * rows.size if distinct is None else distinct[0].size
        answers = np.empty((0, self._job.n_outputs))
        for start in range(0, n_cells, self._job.layout.most):
            part = slice(start, min(start + self._job.layout.most, n_cells))
            cells = part if distinct is None else distinct[0][part]
            try:
                found = self._asker.predict_batch(builder.build(block, cells), builder.is_whole)
            except Exception as error:
                told = np.arange(part.start, part.stop) if distinct is None else distinct[0][part]
                raise self._failure(error, block, rows, told, told.size) from error
            if found.shape[0] == n_cells:
                answers = found
            else:  # copied, since the model may write its next answers there
                answers = answers if start else np.empty((n_cells, self._job.n_outputs))
                answers[part] = found
        return (answers if distinct is None else answers[distinct[1]]).reshape(shape), n_cells

    def _pieces(self, rows: Codes) -> MaskingInputs | None:
        """The rows for a model that composes them itself, where it can and they can be."""
        if not self._job.predictor.supports(MaskComposer):
            return None
        return self._job.X.compose(rows)

    def _composed(self, pieces: MaskingInputs, block: MaskBlock, rows: Codes) -> tuple[Floats, int]:
        answers = np.empty((block.n_draws, rows.size, self._job.n_outputs))
        n_asked = rows.size * block.n_draws
        try:
            for masks, drawn in _alike(block):
                fill = pieces.fill[:, drawn]
                every = self._job.predictor.predict_masked(pieces.x, block.masks[masks], fill, pieces.labels)
                self._asker.checked(every[0, 0])
                for place, mask in enumerate(masks):
                    answers[block.spans[mask]] = every[:, place].swapaxes(0, 1)
        except Exception as error:
            raise self._failure(
                error, block, rows, np.arange(answers.shape[0] * rows.size), n_asked
            ) from error
        return answers, n_asked

    def _failure(
        self, error: Exception, block: MaskBlock, rows: Codes, cells: Codes, n_model_rows: int
    ) -> EngineError:
        draws, places = np.divmod(cells, rows.size)
        masks = block.places.start + np.searchsorted(block.starts, draws, side="right") - 1
        where = _told(self._job.named[rows[np.unique(places)]], masks[0], masks[-1] + 1)
        return EngineError(
            f"The model {self._job.predictor.name} failed on {where} ({n_model_rows} model rows): "
            f"{type(error).__name__}: {error}"
        )


def _told(rows: Codes, start: int, stop: int) -> str:
    return f"rows {rows[0]} to {rows[-1]} under masks {start} to {stop - 1}"


def _alike(block: MaskBlock) -> list[tuple[list[int], Codes]]:
    """Masks that need the same of what stands in, and what that is."""
    found: dict[bytes, tuple[list[int], Codes]] = {}
    for mask, draws in enumerate(block.draws):
        found.setdefault(draws.rows.tobytes(), ([], draws.rows))[0].append(mask)
    return list(found.values())
