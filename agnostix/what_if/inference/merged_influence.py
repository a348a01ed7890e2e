"""Influence of rows that are merged where the constraints do not tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.calibration.cells import Cells
from agnostix.what_if.inference.influence import MAX_LEVERAGE, MIN_CARRIED_WEIGHT, Influence


@dataclass(frozen=True, kw_only=True)
class MergedInfluence(Influence):
    """Influence of each row, directions and estimating functions being those of the cells (n_cells, ...)."""

    cells: Cells
    by_cell: Influence  # as if each cell were a row: all but the leverage of a row is right there

    @classmethod
    def from_cells(
        cls, by_cell: Influence, cells: Cells, weights: Floats, tangent: Floats, base: Floats
    ) -> MergedInfluence:
        """Of rows with these weights, tangents and base weights, each (n_rows,)."""
        total = float(tangent.sum())
        spread = ((by_cell.directions @ by_cell.inverse) * by_cell.estimating).sum(1)
        leverage = tangent * ((1.0 / total if total > 0.0 else 0.0) + spread)[cells.code]
        is_alone = leverage > MAX_LEVERAGE
        remainder = None if by_cell.remainder is None else by_cell.remainder / cells.base[:, None]
        return cls(
            weights,
            base,
            tangent,
            by_cell.directions,
            by_cell.estimating,
            remainder,  # in shares of a row's base weight
            by_cell.inverse,
            weights / (1.0 - np.minimum(leverage, MAX_LEVERAGE)),
            bool(is_alone.any() and (is_alone & (weights > MIN_CARRIED_WEIGHT)).any()),
            cells=cells,
            by_cell=by_cell,
        )

    def _coefficients(self, own: Floats) -> Floats:
        sums = np.column_stack([self.cells.sums(self.tangent * column) for column in own.T])
        return self.inverse.T @ (self.directions.T @ sums)

    def of_rows(self, psi: Floats) -> Floats:
        """Influence (n_rows, n_outcomes) of each row on weighted means of psi, with leverage."""
        own = psi - self.weights @ psi
        slopes = self._coefficients(own)
        level = 0.0 if self.remainder is None else self._level(own)
        fitted = self.estimating @ slopes + level
        moved = (own - fitted.take(self.cells.code, axis=0)) * self.inflated[:, None]
        if self.remainder is None:
            return moved
        return moved + self.base[:, None] * (level - self.remainder @ slopes)[self.cells.code]

    def errors_of_cells(self, values: Floats) -> tuple[Floats, Floats]:
        """As `errors`, of numbers (n_cells, n_outcomes) that all rows of a cell have."""
        if self.one_row_dominates:
            unknown = np.full(values.shape[1], np.inf)
            return unknown, unknown
        own = values - self.by_cell.weights @ values
        slopes = self.by_cell.slopes(values)
        level = np.zeros(values.shape[1])
        if self.remainder is not None and self._free > 0.0:
            level = self.by_cell.tangent @ own / self._free
        # A row's influence is `inflated * moved + base * kept`, so its square takes three sums by cell.
        moved = own - self.estimating @ slopes - level
        kept = np.zeros_like(moved) if self.remainder is None else level - self.remainder @ slopes
        change = kept - (values - self.by_cell.base @ values)
        sums = self.cells.sums
        squares, mixed, alone = sums(self.inflated**2), sums(self.inflated * self.base), sums(self.base**2)
        moved_squares = squares @ moved**2

        def error(part: Floats) -> Floats:
            both = moved_squares + 2.0 * (mixed @ (moved * part)) + alone @ part**2
            return np.sqrt(np.maximum(both, 0.0))

        return error(kept), error(change)

    def _level(self, own: Floats) -> Floats:
        return self.tangent @ own / self._free if self._free > 0.0 else np.zeros(own.shape[1])
