"""From worths to values: exact, or estimated with one kernel or with each row's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import stats

from agnostix.perturb import Coalitions, all_coalitions
from agnostix.solvers.blocks import multiply
from agnostix.solvers.kernel_params import learn_kernel
from agnostix.solvers.shapley_exact import exact_operator
from agnostix.solvers.shapley_operator import ShapleyOperator, build_operator
from agnostix.typing import Floats

_LEVEL = 0.975
"""Where Student's and the normal distribution are made to agree."""


@dataclass(frozen=True)
class Worths:
    """What coalitions are worth, in explained units.

    Attributes
    ----------
    full, empty : ndarray of shape (...)
        All players, and none.
    rest : ndarray of shape (n_coalitions, ...)
        The coalitions between, in the order in which they were asked about.
    """

    full: Floats
    empty: Floats
    rest: Floats

    def differences(self) -> tuple[Floats, Floats]:
        """Kept sides of pairs less their complements, and all less none, with games as columns."""
        apart = self.rest[0::2] - self.rest[1::2]
        return apart.reshape(apart.shape[0], -1), (self.full - self.empty).ravel()


class Solver(Protocol):
    """Turns worths into Shapley values."""

    def solve(self, whole: Worths, versions: Worths | None) -> tuple[Floats, Floats, Floats | None]:
        """Values, variances of what sampling coalitions makes of them, and the values of other versions.

        `whole` has worths by (row, output), `versions` by (group, row, output); the results have the players
        before that.
        """


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
        """Without the empty coalition, from which worths are counted."""
        return exact_operator(all_coalitions(self.n_players))[:, 1:]

    def solve(self, whole: Worths, versions: Worths | None) -> tuple[Floats, Floats, Floats | None]:
        """Solve.

        Parameters
        ----------
        whole : Worths
            By row and output.
        versions : Worths or None
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

    def _values(self, worths: Worths) -> Floats:
        shape = (self.n_players, *worths.full.shape)
        if self.n_players == 0:
            return np.zeros(shape)
        counted = np.concatenate([worths.rest, worths.full[None]]) - worths.empty
        return multiply(self._matrix, counted.reshape(counted.shape[0], -1)).reshape(shape)


@dataclass(frozen=True)
class SampledSolver:
    """One operator for all rows and outputs.

    Attributes
    ----------
    operator : ShapleyOperator
        Of the design that was asked about.
    """

    operator: ShapleyOperator

    @cached_property
    def _scale(self) -> float:
        """Student's quantile in units of the normal one."""
        return float(stats.t.ppf(_LEVEL, self.operator.dof) / stats.norm.ppf(_LEVEL))

    def solve(self, whole: Worths, versions: Worths | None) -> tuple[Floats, Floats, Floats | None]:
        """Solve.

        Parameters
        ----------
        whole : Worths
            By row and output.
        versions : Worths or None
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


@dataclass(frozen=True)
class OwnKernelSolver:
    """Each row's kernel is learned from its own outputs.

    Attributes
    ----------
    coalitions : Coalitions
        What was asked about.
    """

    coalitions: Coalitions

    def solve(self, whole: Worths, versions: Worths | None) -> tuple[Floats, Floats, Floats | None]:
        """Solve row by row.

        Parameters
        ----------
        whole : Worths
            By row and output.
        versions : Worths or None
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
        self, whole: Worths, versions: Worths | None, row: slice
    ) -> tuple[Floats, Floats, Floats | None]:
        own = Worths(whole.full[row], whole.empty[row], whole.rest[:, row])
        params = learn_kernel(self.coalitions, *own.differences())
        solver = SampledSolver(build_operator(self.coalitions, params, own=True))
        if versions is None:
            return solver.solve(own, None)
        parts = Worths(versions.full[:, row], versions.empty[:, row], versions.rest[:, :, row])
        return solver.solve(own, parts)
