"""Draws that serve all rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from agnostix.perturb.features import Drawn
from agnostix.perturb.neighbourhood import Neighbourhood
from agnostix.perturb.traces import Traces

CHUNK_NUMBERS = 2**20
"""Numbers that are drawn and kept at once."""


class SharedRows:
    """Draws as a long table, built part by part.

    Parameters
    ----------
    neighbourhood : Neighbourhood
        What is drawn.
    start : int, default=0
        Draws that are left out, from the first on.
    """

    def __init__(self, neighbourhood: Neighbourhood, start: int = 0) -> None:
        self._neighbourhood = neighbourhood
        self._start = start
        self._span = slice(0, 0)
        self._drawn: list[Drawn] = []

    def opened(self) -> SharedRows:
        """One for a worker alone, since it keeps what it has drawn.

        Returns
        -------
        SharedRows
        """
        return SharedRows(self._neighbourhood, self._start)

    @property
    def n_rows(self) -> int:
        """Draws."""
        return self._n_drawn - self._start

    @property
    def _n_drawn(self) -> int:
        return self._neighbourhood.points.n_points

    @property
    def width(self) -> int:
        """Columns."""
        return self._neighbourhood.width

    def build(self, part: slice) -> Any:
        """Some of the draws.

        Parameters
        ----------
        part : slice
            Which.

        Returns
        -------
        DataFrame or ndarray of shape (n, n_columns)
        """
        part = self._place(part)
        if part.start < self._span.start or part.stop > self._span.stop:
            size = self._neighbourhood.points.size
            start = part.start // size * size
            stop = max(part.stop, min(start + self._chunk(), self._n_drawn))
            self._span = slice(start, stop)
            self._drawn = self._neighbourhood.shared(self._span)
        start = self._span.start
        return self._neighbourhood.table(self._drawn, slice(part.start - start, part.stop - start))

    def told(self, part: slice) -> str:
        """What these draws are called.

        Parameters
        ----------
        part : slice
            Which.

        Returns
        -------
        str
        """
        part = self._place(part)
        return f"draws {part.start} to {part.stop - 1} of the neighbourhood"

    def traces(self) -> Traces:
        """What a surrogate sees of all draws, those that are left out included.

        Returns
        -------
        Traces
        """
        features = self._neighbourhood.features
        parts = [[one.trace for one in self._neighbourhood.shared(span)] for span in self._chunks()]
        return Traces.of(features, [np.concatenate(same) for same in zip(*parts, strict=True)], weighted=True)

    def _place(self, part: slice) -> slice:
        return slice(part.start + self._start, part.stop + self._start)

    def _chunk(self) -> int:
        """Draws that are made at once: whole blocks."""
        size = self._neighbourhood.points.size
        return max(1, CHUNK_NUMBERS // (self.width * size)) * size

    def _chunks(self) -> Iterator[slice]:
        for start in range(0, self._n_drawn, self._chunk()):
            yield slice(start, min(start + self._chunk(), self._n_drawn))
