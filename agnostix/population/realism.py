"""How far a reweighting strains the rows that there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from agnostix.core.typing import Bools, Floats

_NONE = 1e-9
MIN_CARRIERS = 20.0
"""Effective rows that must carry the part that moves."""
_DEGREES_PER_ROW = 1.0 / 3.0
"""Degrees of freedom per effective row: with it nominal 90 % covers .86 to .94 down to 20 % of the rows."""


def statuses(infeasible: Bools, boundary: Bools, ess: Floats, carriers: Floats, min_ess: float) -> np.ndarray:
    """One word a target.

    Parameters
    ----------
    infeasible, boundary : ndarray of bool of shape (n_targets,)
        Beyond, or on the edge of what the rows can reach.
    ess, carriers : ndarray of shape (n_targets,)
        Effective rows, and effective rows among those that gain weight.
    min_ess : float
        Effective rows below which support is thin.

    Returns
    -------
    ndarray of str of shape (n_targets,)
        "infeasible", "boundary", "thin" or "ok", the first that holds.
    """
    thin = (ess < min_ess) | (carriers < MIN_CARRIERS)
    return np.select([infeasible, boundary, thin], ["infeasible", "boundary", "thin"], "ok").astype(object)


def carriers_of(weights: Floats, base: Floats) -> float:
    """Effective rows among those that gain weight.

    Parameters
    ----------
    weights, base : ndarray of shape (n_rows,)
        Each summing to 1.

    Returns
    -------
    float
        Infinite where none gains.
    """
    gain = np.maximum(weights - base, 0.0)
    gained = gain.sum()
    return float(gained**2 / (gain @ gain)) if gained > 1e-12 else np.inf


@dataclass(frozen=True)
class Strain:
    """How far one reweighting goes from the base weights.

    Attributes
    ----------
    kl, ess, max_weight : float
        Divergence in nats, effective rows, largest weight where the mean is 1.
    status : {"ok", "thin", "boundary"}
        One word for it.
    """

    kl: float
    ess: float
    max_weight: float
    status: str

    @classmethod
    def of(cls, weights: Floats, base: Floats, boundary: bool, min_ess: float) -> Strain:
        """Measure.

        Parameters
        ----------
        weights, base : ndarray of shape (n_rows,)
            Each summing to 1.
        boundary : bool
            Whether the targets are on the edge of what the rows can reach.
        min_ess : float
            Effective rows below which support is thin.

        Returns
        -------
        Strain
        """
        live = weights > 0
        kl = float(weights[live] @ np.log(weights[live] / base[live]))
        ess = float(1.0 / (weights @ weights))
        carriers = np.array([carriers_of(weights, base)])
        status = statuses(np.array([False]), np.array([boundary]), np.array([ess]), carriers, min_ess)[0]
        return cls(max(kl, 0.0), ess, float(weights.max() * base.size), str(status))


def interval(
    values: Floats,
    errors: Floats,
    ess: Floats,
    confidence_level: float,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    *,
    counts: bool = False,
) -> tuple[Floats, Floats]:
    """Confidence intervals by Student's t, its degrees of freedom a third of the effective rows.

    A share of rows that is 0 or 1 has no spread to go by; there the binomial
    bound for as many rows as are effective holds.

    Parameters
    ----------
    values, errors, ess : ndarray of shape (n_targets,)
        Estimates, standard errors and effective rows.
    confidence_level : float
        Nominal coverage.
    bounds : tuple of float
        Where the interval is cut, since the quantity cannot lie beyond.
    counts : bool, default=False
        Whether the quantity is a share of rows.

    Returns
    -------
    low, high : ndarray of shape (n_targets,)
    """
    degrees = np.maximum(np.asarray(ess) * _DEGREES_PER_ROW, 1.0)
    half = stdtrit(degrees, 0.5 + 0.5 * confidence_level) * errors
    low, high = np.clip(values - half, *bounds), np.clip(values + half, *bounds)
    if counts:
        far = 1.0 - (0.5 - 0.5 * confidence_level) ** (1.0 / np.maximum(ess, 1.0))
        high = np.where(values <= _NONE, np.maximum(high, far), high)
        low = np.where(values >= 1.0 - _NONE, np.minimum(low, 1.0 - far), low)
    return low, high
