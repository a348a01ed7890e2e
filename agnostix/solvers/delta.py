"""Errors of weighted means, row by row: the delta method for stated targets, with leverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Floats

_MAX_LEVERAGE = 1.0 - 1e-6
_CARRIES = 1e-12


@dataclass(frozen=True)
class Influence:
    """How each row's chance presence moves a projection.

    Attributes
    ----------
    centred : ndarray of shape (n_rows, n_constraints)
        Standardised statistics minus their targets.
    weights, base : ndarray of shape (n_rows,)
        Projected and base weights, each summing to 1.
    inverse : ndarray of shape (n_constraints, n_constraints)
        Of the statistics' weighted second moments.
    inflated : ndarray of shape (n_rows,)
        Weights over one minus leverage.
    alone : bool
        Whether a single row decides the answer, so that nothing is known of its spread.
    """

    centred: Floats
    weights: Floats
    base: Floats
    inverse: Floats
    inflated: Floats
    alone: bool

    @classmethod
    def of(cls, centred: Floats, weights: Floats, base: Floats) -> Influence:
        """Prepare the parts that all outcomes share.

        Parameters
        ----------
        centred : ndarray of shape (n_rows, n_constraints)
            Standardised statistics minus their targets.
        weights, base : ndarray of shape (n_rows,)
            Projected and base weights, each summing to 1.

        Returns
        -------
        Influence
        """
        moment = (centred * weights[:, None]).T @ centred
        inverse = np.asarray(np.linalg.pinv(moment, rcond=1e-12, hermitian=True), dtype=np.float64)
        spread = ((centred @ inverse) * centred).sum(1)
        leverage = weights * (1.0 + spread)
        alone = bool(((leverage > _MAX_LEVERAGE) & (weights > _CARRIES)).any())
        inflated = weights / (1.0 - np.minimum(leverage, _MAX_LEVERAGE))
        return cls(centred, weights, base, inverse, inflated, alone)

    def slopes(self, psi: Floats) -> Floats:
        """Derivative of each outcome's weighted mean by each target.

        Parameters
        ----------
        psi : ndarray of shape (n_rows, n_outcomes)
            Outcomes, or influence values of a smooth function of the weights.

        Returns
        -------
        ndarray of shape (n_constraints, n_outcomes)
        """
        own = psi - self.weights @ psi
        return self.inverse @ ((self.centred * self.weights[:, None]).T @ own)

    def errors(
        self, psi: Floats, psi_base: Floats | None = None, drift: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Standard errors of weighted means and of their differences to the base means.

        Parameters
        ----------
        psi : ndarray of shape (n_rows, n_outcomes)
            Outcomes, or influence values at the projected weights.
        psi_base : ndarray of shape (n_rows, n_outcomes), default=None
            Influence values at the base weights; `psi` itself for plain outcomes.
        drift : ndarray of shape (n_rows,), default=None
            How each row moves the first target, where it is not stated but follows from the rows.

        Returns
        -------
        errors, change_errors : ndarray of shape (n_outcomes,)
            Infinite where a single row decides the answer.
        """
        if self.alone:
            unknown = np.full(psi.shape[1], np.inf)
            return unknown, unknown
        psi_base = psi if psi_base is None else psi_base
        slopes = self.slopes(psi)
        residual = psi - self.weights @ psi
        residual -= (slopes.T @ self.centred.T).T
        residual *= self.inflated[:, None]
        at_base = (psi_base - self.base @ psi_base) * self.base[:, None]
        change = residual - at_base
        if drift is not None:
            change += drift[:, None] * slopes[0]
        return np.sqrt((residual**2).sum(0)), np.sqrt((change**2).sum(0))
