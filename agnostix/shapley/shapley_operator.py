"""Shapley values and their errors from sampled pairs: one linear operator for all rows and outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.reproducibility import multiply, one_blas_thread, sums_of_squares
from agnostix.core.typing import Floats
from agnostix.shapley.kernel_params import KernelParams
from agnostix.shapley.kriging import Kriging
from agnostix.shapley.pair_regression import PairDesign, PairRegression


@dataclass(frozen=True)
class ShapleyOperator:
    """Values and variances of games on one design, under one kernel.

    Both are the same to the last bit whichever games are solved beside each other.

    Attributes
    ----------
    matrix : ndarray of shape (n_players, n_pairs + 1)
        Turns differences, and Delta as the last, into values.
    whitener : ndarray of shape (n_dof, n_pairs + 1)
        The mean square of its product with a game's data is the game's noise variance.
    factors : ndarray of shape (n_players,)
        Variances of the values' errors in units of a game's noise variance; zeros where the design has
        every pair, since the values are exact then.
    params : KernelParams
        The kernel.
    spent : float
        Degrees of freedom that went into learning the kernel from the same games.

    Examples
    --------
    >>> from agnostix.shapley.coalitions import leverage_pairs
    >>> from agnostix.shapley.kernel_params import learn_kernel
    >>> pairs = leverage_pairs(n_players=6, n_pairs=20, seed=0)
    >>> def worth(masks):
    ...     return 1.0 * masks[:, :3].all(1)
    >>> y, delta = (worth(pairs.masks) - worth(~pairs.masks))[:, None], np.ones(1)
    >>> operator = build_operator(pairs, learn_kernel(pairs, y, delta))
    >>> operator.apply(y, delta)[:, 0].round(3) + 0.0
    array([0.333, 0.333, 0.333, 0.   , 0.   , 0.   ])
    """

    matrix: Floats
    whitener: Floats
    factors: Floats
    params: KernelParams
    spent: float = 0.0

    @property
    def dof(self) -> float:
        """Degrees of freedom of Student's distribution for intervals about the values.

        At least 1: without any left over, a game's scale is guessed from others'.
        """
        return max(1.0, self.whitener.shape[0] - self.spent)

    def apply(self, differences: Floats, delta: Floats) -> Floats:
        """Estimate values.

        Parameters
        ----------
        differences : ndarray of shape (n_pairs, n_games)
            Worth of each pair's kept side minus that of the other.
        delta : ndarray of shape (n_games,)
            Worth of all players minus that of none.

        Returns
        -------
        ndarray of shape (n_players, n_games)
            In the units of the worths; each game's values add up to its Delta.
        """
        return multiply(self.matrix, np.vstack([differences, delta]))

    def variances(self, differences: Floats, delta: Floats) -> Floats:
        """Estimate how far the values are from those of all coalitions, squared.

        Parameters
        ----------
        differences : ndarray of shape (n_pairs, n_games)
            Worth of each pair's kept side minus that of the other.
        delta : ndarray of shape (n_games,)
            Worth of all players minus that of none.

        Returns
        -------
        ndarray of shape (n_players, n_games)
            In squared units of the worths, never below what rounding can do. Where no degree of freedom is
            left over, from the spread that the kernel was learned with, and infinite if that is unknown.
        """
        data = np.vstack([differences, delta])
        rounding = np.finfo(float).eps * multiply(np.abs(self.matrix), np.abs(data))
        if not self.factors.any():
            return np.square(rounding)
        return self.factors[:, None] * self._noise(data) + np.square(rounding)

    def _noise(self, data: Floats) -> Floats:
        """Noise variance of each game."""
        if self.whitener.shape[0]:
            return sums_of_squares(multiply(self.whitener, data)) / self.dof
        size = sums_of_squares(data[:-1]) / (data.shape[0] - 1)
        known = np.isfinite(self.params.spread)
        return self.params.spread * size if known else np.where(size > 0.0, np.inf, 0.0)


@one_blas_thread
def build_operator(design: PairDesign, params: KernelParams, own: bool = False) -> ShapleyOperator:
    """Build the operator of a design under a kernel.

    Parameters
    ----------
    design : PairDesign
        With at least n_players - 1 pairs. With all ``2**(n_players - 1) - 1`` the values are exact, and
        the kernel is not used.
    params : KernelParams
        From `learn_kernel`, on this design, another or a longer one.
    own : bool, default=False
        Whether the kernel was learned from the very games that will be solved. Their errors then make up
        for the degrees of freedom that this took.

    Returns
    -------
    ShapleyOperator
    """
    regression = PairRegression.of(design)
    complete = regression.n_pairs == 2 ** (regression.n_players - 1) - 1
    rho = params.rho if params.is_on and not complete else 0.0
    kriging = Kriging.of(regression, params.scales, rho)
    factors = np.zeros_like(kriging.factors) if complete else kriging.factors
    return ShapleyOperator(kriging.matrix, kriging.whitener, factors, params, params.spent if own else 0.0)
