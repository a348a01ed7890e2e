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


class Solver(Protocol):
    """Turns worths into Shapley values."""

    def solve(self, full: Floats, empty: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Values and the variances of what sampling coalitions makes of them.

        `full` and `empty` have shape (n_versions, n_rows, n_outputs), `rest` (n_coalitions, n_versions,
        n_rows, n_outputs); values come by (player, version, row, output), variances without versions.
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

    def solve(self, full: Floats, empty: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Solve.

        Parameters
        ----------
        full, empty : ndarray of shape (n_versions, n_rows, n_outputs)
            Worths of all players and of none.
        rest : ndarray of shape (2**n_players - 2, n_versions, n_rows, n_outputs)
            Worths of the coalitions between.

        Returns
        -------
        values : ndarray of shape (n_players, n_versions, n_rows, n_outputs)
            In explained units.
        variances : ndarray of shape (n_players, n_rows, n_outputs)
            Zeros.
        """
        shape = (self.n_players, *full.shape)
        if self.n_players == 0:
            return np.zeros(shape), np.zeros((0, *full.shape[1:]))
        worths = np.concatenate([rest, full[None]]) - empty
        values = multiply(self._matrix, worths.reshape(worths.shape[0], -1)).reshape(shape)
        return values, np.zeros((self.n_players, *full.shape[1:]))


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

    def solve(self, full: Floats, empty: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Solve.

        Parameters
        ----------
        full, empty : ndarray of shape (n_versions, n_rows, n_outputs)
            Worths of all players and of none.
        rest : ndarray of shape (2 * n_pairs, n_versions, n_rows, n_outputs)
            Worths of each pair's kept side and of its complement.

        Returns
        -------
        values : ndarray of shape (n_players, n_versions, n_rows, n_outputs)
            In explained units.
        variances : ndarray of shape (n_players, n_rows, n_outputs)
            Scaled so that 1.96 roots of them are Student's interval.
        """
        differences = rest[0::2] - rest[1::2]
        flat = differences.reshape(differences.shape[0], -1)
        values = self.operator.apply(flat, (full - empty).ravel())
        first = np.ascontiguousarray(differences[:, 0]).reshape(differences.shape[0], -1)
        variances = self.operator.variances(first, (full - empty)[0].ravel())
        shape = (values.shape[0], *full.shape)
        variances = variances.reshape(shape[0], *shape[2:]) * self._scale**2
        return values.reshape(shape), variances


@dataclass(frozen=True)
class OwnKernelSolver:
    """Each row's kernel is learned from its own outputs.

    Attributes
    ----------
    coalitions : Coalitions
        What was asked about.
    """

    coalitions: Coalitions

    def solve(self, full: Floats, empty: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Solve row by row.

        Parameters
        ----------
        full, empty : ndarray of shape (n_versions, n_rows, n_outputs)
            Worths of all players and of none.
        rest : ndarray of shape (2 * n_pairs, n_versions, n_rows, n_outputs)
            Worths of each pair's kept side and of its complement.

        Returns
        -------
        values : ndarray of shape (n_players, n_versions, n_rows, n_outputs)
            In explained units.
        variances : ndarray of shape (n_players, n_rows, n_outputs)
            Scaled so that 1.96 roots of them are Student's interval.
        """
        found = [self._row(full[:, [r]], empty[:, [r]], rest[:, :, [r]]) for r in range(full.shape[1])]
        values, variances = zip(*found, strict=True)
        return np.concatenate(values, axis=2), np.concatenate(variances, axis=1)

    def _row(self, full: Floats, empty: Floats, rest: Floats) -> tuple[Floats, Floats]:
        differences = rest[0::2, 0, 0] - rest[1::2, 0, 0]
        params = learn_kernel(self.coalitions, differences, (full - empty)[0, 0])
        return SampledSolver(build_operator(self.coalitions, params, own=True)).solve(full, empty, rest)
