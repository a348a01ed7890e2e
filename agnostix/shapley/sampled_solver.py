"""Values from pairs of coalitions, by one operator for all rows and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from scipy import stats

from agnostix.core.typing import Floats
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.shapley_operator import ShapleyOperator

_LEVEL = 0.975
"""Where Student's and the normal distribution are made to agree."""


@dataclass(frozen=True)
class SampledSolver:
    """One operator for all rows and outputs.

    Attributes
    ----------
    operator : ShapleyOperator
        Of the design that was evaluated.
    """

    operator: ShapleyOperator

    @cached_property
    def _scale(self) -> float:
        """Student's quantile in units of the normal one."""
        return float(stats.t.ppf(_LEVEL, self.operator.dof) / stats.norm.ppf(_LEVEL))

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
            In explained units and their squares; 1.96 roots of the variances are Student's interval.
        versions : ndarray of shape (n_players, n_groups, n_rows, n_outputs) or None
            Values.
        """
        data = whole.differences()
        values = self.operator.apply(*data).reshape(-1, *whole.full.shape)
        variances = self.operator.variances(*data).reshape(values.shape) * self._scale**2
        if versions is None:
            return values, variances, None
        others = self.operator.apply(*versions.differences())
        return values, variances, others.reshape(-1, *versions.full.shape)
