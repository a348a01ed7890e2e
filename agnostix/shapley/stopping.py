"""Rows that stop by their own errors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.shapley.shapley_reducer import ShapleyReducer


@dataclass
class Stopping:
    """Collects the means of rows stage by stage, and says which rows need more coalitions.

    Attributes
    ----------
    tol : float
        Largest standard error of sampling coalitions that is accepted, as a share of the row's largest value
        less its smallest.
    reducers : list of ShapleyReducer
        One for each stage: how a row is solved that stops there.
    """

    tol: float
    reducers: list[ShapleyReducer]
    _so_far: list[Floats] = field(default_factory=list)

    def keep_going(self, stage: int, results: tuple[Floats, ...]) -> Bools:
        """Which rows go on after a stage, from its means (n_rows, n_masks, n_groups, n_outputs)."""
        self._so_far.append(results[0])
        solved = self.solve(stage, np.concatenate(self._so_far, axis=1))
        going = relative_errors(solved) > self.tol
        self._so_far = [part[going] for part in self._so_far]
        return going

    def solve(self, stage: int, means: Floats) -> tuple[Floats, ...]:
        """Results of ShapleyReducer for rows that stop at a stage, from their means under all masks."""
        return self.reducers[stage].finalize(np.ascontiguousarray(means.transpose(1, 2, 0, 3)))


def relative_errors(solved: tuple[Floats, ...]) -> Floats:
    """Largest standard error of sampling coalitions of each row, as a share of its values' range.

    Parameters
    ----------
    solved : tuple of ndarray
        As `ShapleyReducer` gives them.

    Returns
    -------
    ndarray of shape (n_rows,)
        0 where all values are alike and known.
    """
    values, variances = solved[0], solved[1]
    if values.shape[1] == 0:
        return np.zeros(values.shape[0])
    worst = np.sqrt(variances.max(axis=1))
    spread = np.ptp(values, axis=1)
    ratio = np.divide(worst, spread, out=np.where(worst > 0.0, np.inf, 0.0), where=spread > 0.0)
    return ratio.max(axis=1)


def last_stages(rows_by_stage: list[Codes], n_rows: int) -> Codes:
    """The stage at which each row stopped.

    Parameters
    ----------
    rows_by_stage : list of ndarray of int
        The rows that each stage was put to.
    n_rows : int
        Of all.

    Returns
    -------
    ndarray of int of shape (n_rows,)
    """
    last = np.zeros(n_rows, dtype=np.intp)
    for stage, rows in enumerate(rows_by_stage):
        last[rows] = stage
    return last
