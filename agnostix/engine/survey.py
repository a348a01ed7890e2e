"""Rows that are built outright, such as draws around a row, put to the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from joblib import effective_n_jobs

from agnostix.core.models import MaskComposer, Predictor
from agnostix.core.typing import Floats
from agnostix.engine.asker import Asker
from agnostix.engine.batches import batch_rows
from agnostix.engine.pool import carry_out
from agnostix.exceptions import EngineError


class Inquiry(Protocol):
    """What is asked, item by item, and what becomes of the answers to each."""

    def opened(self) -> Inquiry:
        """One for a worker alone, which may keep things from call to call."""

    @property
    def n_items(self) -> int:
        """How many items there are."""

    @property
    def width(self) -> int:
        """Numbers in a row."""

    def size(self, item: int) -> int:
        """Rows that an item asks the model about."""

    def build(self, item: int, part: slice) -> Any:
        """Some of its rows, as the model takes them."""

    def digest(self, item: int, answers: Floats) -> tuple[Floats, ...]:
        """What is kept of the answers to all of its rows."""

    def told(self, item: int, part: slice) -> str:
        """What these rows are called in an error."""


class Rows(Protocol):
    """A long table that is built part by part."""

    def opened(self) -> Rows:
        """One for a worker alone, which may keep things from call to call."""

    @property
    def n_rows(self) -> int:
        """Its length."""

    @property
    def width(self) -> int:
        """Numbers in a row."""

    def build(self, part: slice) -> Any:
        """Some of its rows."""

    def told(self, part: slice) -> str:
        """What these rows are called in an error."""


@dataclass(frozen=True)
class Survey:
    """A model, and how it is asked.

    Parameters
    ----------
    predictor : Predictor
        The model.
    n_outputs : int
        How many it has; another number in its answers is an error.
    n_jobs : int, default=None
        Workers, as in joblib; the model is sent to each once.
    verbose : int, default=0
        1 shows the progress.
    """

    predictor: Predictor
    n_outputs: int
    n_jobs: int | None = None
    verbose: int = 0

    def answer(self, inquiry: Inquiry) -> list[tuple[Floats, ...]]:
        """Ask about every item, and digest its answers where they come in.

        Parameters
        ----------
        inquiry : Inquiry
            What is asked.

        Returns
        -------
        list of tuple of ndarray
            What is kept, item by item.

        Raises
        ------
        EngineError
            If the model fails, answers what cannot be used, or a worker dies: names rows and cause.
        """
        most = batch_rows(inquiry.width, self.n_outputs, effective_n_jobs(self.n_jobs))
        job = _Job(self.predictor, self.n_outputs, inquiry, most)
        return carry_out(job, list(range(inquiry.n_items)), self.n_jobs, self.verbose)

    def ask(self, rows: Rows) -> Floats:
        """Ask about a table.

        Parameters
        ----------
        rows : Rows
            The table.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
            In model output units.

        Raises
        ------
        EngineError
            As `answer`.
        """
        n_workers = effective_n_jobs(self.n_jobs)
        most = batch_rows(rows.width, self.n_outputs, n_workers)
        size = min(most, -(-rows.n_rows // n_workers))
        return np.concatenate([found for (found,) in self.answer(_InParts(rows, size))])


@dataclass(frozen=True)
class _InParts:
    """A table as an inquiry: each part of it is an item, all of whose answers are kept."""

    rows: Rows
    length: int

    def opened(self) -> _InParts:
        return _InParts(self.rows.opened(), self.length)

    @property
    def n_items(self) -> int:
        return -(-self.rows.n_rows // self.length)

    @property
    def width(self) -> int:
        return self.rows.width

    def size(self, item: int) -> int:
        return min(self.length, self.rows.n_rows - item * self.length)

    def build(self, item: int, part: slice) -> Any:
        return self.rows.build(self._place(item, part))

    def digest(self, item: int, answers: Floats) -> tuple[Floats, ...]:
        return (answers,)

    def told(self, item: int, part: slice) -> str:
        return self.rows.told(self._place(item, part))

    def _place(self, item: int, part: slice) -> slice:
        start = item * self.length
        return slice(start + part.start, start + part.stop)


@dataclass(frozen=True)
class _Job:
    predictor: Predictor
    n_outputs: int
    inquiry: Inquiry
    most: int

    def worker(self) -> _Worker:
        return _Worker(self)

    def told(self, item: int) -> str:
        return self.inquiry.told(item, slice(0, self.inquiry.size(item)))


class _Worker:
    def __init__(self, job: _Job) -> None:
        self._job = job
        self._inquiry = job.inquiry.opened()
        self._asker = Asker(job.predictor, job.n_outputs)

    def do(self, item: int) -> tuple[Floats, ...]:
        size = self._inquiry.size(item)
        answers = np.empty((size, self._job.n_outputs))
        for start in range(0, size, self._job.most):
            part = slice(start, min(start + self._job.most, size))
            answers[part] = self._asked(item, part)
        return self._inquiry.digest(item, answers)

    def _asked(self, item: int, part: slice) -> Floats:
        masked = getattr(self._inquiry, "masked", None)
        try:
            if masked is not None and self._job.predictor.supports(MaskComposer):
                x, masks, fill = masked(item, part)
                outputs = self._job.predictor.predict_masked(x[None], masks, fill[None, None])
                return self._asker.checked(outputs[0, :, 0])
            table = self._inquiry.build(item, part)
            return self._asker.predict_batch(table, lambda _: True)  # nobody else holds it
        except Exception as error:
            raise EngineError(
                f"The model {self._job.predictor.name} failed on {self._inquiry.told(item, part)} "
                f"({part.stop - part.start} model rows): {type(error).__name__}: {error}"
            ) from error
