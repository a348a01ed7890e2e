"""Draws that serve all rows."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np

from agnostix.core.row_sources import TableRows
from agnostix.lime.features import Drawn
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.traces import Traces

CHUNK_NUMBERS = 2**20
"""Numbers that are drawn and kept at once."""


class SharedRows(TableRows):
    """Draws as a long table, built part by part.

    Parameters
    ----------
    neighbourhood : Neighbourhood
        What is drawn.
    start : int, default=0
        Draws that are left out, from the first on.
    """

    def __init__(self, neighbourhood: Neighbourhood, start: int = 0) -> None:
        super().__init__(neighbourhood.like, np.arange(start, neighbourhood.points.n_points), "draws")
        self._neighbourhood = neighbourhood
        self._span = slice(0, 0)
        self._drawn: list[Drawn] = []

    def for_worker(self) -> SharedRows:
        return copy(self)

    @property
    def n_columns(self) -> int:
        return self._neighbourhood.width

    def take(self, part: slice) -> Any:
        """Some of the draws; those of whole blocks are kept from call to call."""
        first, end = int(self.rows[part.start]), int(self.rows[part.stop - 1]) + 1
        if first < self._span.start or end > self._span.stop:
            size = self._neighbourhood.points.size
            start = first // size * size
            self._span = slice(start, max(end, min(start + self._chunk(), self._n_drawn)))
            self._drawn = self._neighbourhood.shared(self._span)
        start = self._span.start
        return self._neighbourhood.table(self._drawn, slice(first - start, end - start))

    def describe(self, block: int, part: slice | None = None) -> str:
        return f"{super().describe(block, part)} of the neighborhood"

    @property
    def _n_drawn(self) -> int:
        return self._neighbourhood.points.n_points

    def traces(self) -> Traces:
        """What a surrogate sees of all draws, those that are left out included."""
        features = self._neighbourhood.features
        parts = [[one.trace for one in self._neighbourhood.shared(span)] for span in self._chunks()]
        return Traces.of(features, [np.concatenate(same) for same in zip(*parts, strict=True)], weighted=True)

    def _chunk(self) -> int:
        """Draws that are made at once: whole blocks."""
        size = self._neighbourhood.points.size
        return max(1, CHUNK_NUMBERS // (self.n_columns * size)) * size

    def _chunks(self) -> Iterator[slice]:
        for start in range(0, self._n_drawn, self._chunk()):
            yield slice(start, min(start + self._chunk(), self._n_drawn))
