"""Rows that a scenario's constraints do not tell apart, merged: one row for each of their combinations.

Constraints on columns of few values, as margins of a cross table are, are compiled, solved and described on
the merged rows; the weights of the rows, and what is made of them, follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agnostix.core.typing import Floats, Numbers
from agnostix.what_if.calibration import Cells, Projection, merge_rows, spread
from agnostix.what_if.sample import Sample
from agnostix.what_if.table import Table

_FEW_ROWS = 1_000
"""Rows below which merging them saves nothing."""
_FEW_VALUES = 100
_N_TRIED = 256


@dataclass(frozen=True)
class MergedRows:
    """Cells of rows with the same values in some columns, as a sample of its own."""

    cells: Cells
    sample: Sample  # one row for each cell, without outcomes
    rows: Sample  # the rows that were merged

    @classmethod
    def from_sample(cls, sample: Sample, features: Sequence[str]) -> MergedRows | None:
        """Merge the rows of a sample by its columns; None where that saves little."""
        if sample.base.size < _FEW_ROWS or sample.design is not None or not features:
            return None
        columns = [_codes(sample, name) for name in features]
        few = [column for column in columns if column is not None]
        cells = merge_rows(few, sample.base) if len(few) == len(columns) else None
        if cells is None:
            return None
        own = {name: sample.column(name).take(cells.first) for name in features}
        table = Table(own, cells.base, cells.first, cells.base.size)
        nothing = np.empty(0)
        merged = Sample(table, None, cells.base, (), np.empty((cells.base.size, 0)), nothing, nothing)
        return cls(cells, merged, sample)

    def spread(self, projection: Projection) -> Projection:
        """The projection of the rows, given that of the cells."""
        return spread(projection, self.cells, self.rows.base)

    def gather(self, base: Floats) -> Floats:
        """Sums of other base weights (n_rows,) by cell."""
        return self.cells.sums(base)


def _codes(sample: Sample, name: str) -> Numbers | None:
    """Numbers (n_rows,) that tell a column's values apart, None if it has many."""
    column = sample.column(name)
    if column.levels:
        return column.values
    few = column.values[:: max(1, column.values.size // _N_TRIED)]
    if np.unique(few).size > _FEW_VALUES:
        return None
    return sample.table.column(name).unique_index[1] if sample.rows is None else column.values


def spread_from(merged: MergedRows, projection: Projection, base: Floats) -> Projection:
    """The projection of rows with other base weights (n_rows,), 0 where a row is left out."""
    return spread(projection, replace(merged.cells, base=merged.gather(base)), base)
