"""Values from all coalitions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.masking.masker import all_masks
from agnostix.core.reproducibility import multiply
from agnostix.core.typing import Floats
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.shapley_exact import exact_operator


@dataclass(frozen=True)
class ExactSolver:
    """All coalitions are known.

    Attributes
    ----------
    n_players : int
        Players that vary.
    """

    n_players: int

    @cached_property
    def _matrix(self) -> Floats:
        """Without the empty coalition, from which values are counted."""
        return exact_operator(all_masks(self.n_players))[:, 1:]

    def solve(
        self, whole: CoalitionValues, versions: CoalitionValues | None
    ) -> tuple[Floats, Floats, Floats | None]:
        """Solve.

        Parameters
        ----------
        whole : CoalitionValues
            By row and output.
        versions : CoalitionValues or None
            By group, row and output.

        Returns
        -------
        values, variances : ndarray of shape (n_players, n_rows, n_outputs)
            In explained units and their squares; the variances are zeros.
        versions : ndarray of shape (n_players, n_groups, n_rows, n_outputs) or None
            Values.
        """
        values = self._values(whole)
        return values, np.zeros_like(values), None if versions is None else self._values(versions)

    def _values(self, values: CoalitionValues) -> Floats:
        shape = (self.n_players, *values.full.shape)
        if self.n_players == 0:
            return np.zeros(shape)
        counted = np.concatenate([values.rest, values.full[None]]) - values.empty
        return multiply(self._matrix, counted.reshape(counted.shape[0], -1)).reshape(shape)
