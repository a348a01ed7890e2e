"""Values from pairs of coalitions, by an operator of each row's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Floats
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import Coalitions
from agnostix.shapley.kernel_params import learn_kernel
from agnostix.shapley.sampled_solver import SampledSolver
from agnostix.shapley.shapley_operator import build_operator


@dataclass(frozen=True)
class OwnKernelSolver:
    """Each row's kernel is learned from its own outputs.

    Attributes
    ----------
    coalitions : Coalitions
        Those that were evaluated.
    """

    coalitions: Coalitions

    def solve(
        self, whole: CoalitionValues, versions: CoalitionValues | None
    ) -> tuple[Floats, Floats, Floats | None]:
        """Solve row by row.

        Parameters
        ----------
        whole : CoalitionValues
            By row and output.
        versions : CoalitionValues or None
            By group, row and output.

        Returns
        -------
        values, variances : ndarray of shape (n_players, n_rows, n_outputs)
            In explained units and their squares; 1.96 roots of the variances are Student's interval.
        versions : ndarray of shape (n_players, n_groups, n_rows, n_outputs) or None
            Values.
        """
        found = [self._row(whole, versions, slice(row, row + 1)) for row in range(whole.full.shape[0])]
        values, variances, others = zip(*found, strict=True)
        joined = None if versions is None else np.concatenate(others, axis=2)
        return np.concatenate(values, axis=1), np.concatenate(variances, axis=1), joined

    def _row(
        self, whole: CoalitionValues, versions: CoalitionValues | None, row: slice
    ) -> tuple[Floats, Floats, Floats | None]:
        own = CoalitionValues(whole.full[row], whole.empty[row], whole.rest[:, row])
        params = learn_kernel(self.coalitions, *own.differences())
        solver = SampledSolver(build_operator(self.coalitions, params, own=True))
        if versions is None:
            return solver.solve(own, None)
        parts = CoalitionValues(versions.full[:, row], versions.empty[:, row], versions.rest[:, :, row])
        return solver.solve(own, parts)
