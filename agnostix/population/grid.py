"""Default targets: where a feature's average is moved to when nobody says where."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Floats
from agnostix.population.statistic import Statistic
from agnostix.solvers.atoms import Atoms
from agnostix.solvers.tilt import largest_kl, solve_kl

MAX_KL = 0.5
"""Nats up to which a proportion, or a column whose quantile is no further than its mean, is moved."""
_SHORT_OF_EXTREME = 0.95
_SHORT_OF_EDGE = 0.9


def default_targets(
    statistic: Statistic, atoms: Atoms, base: Floats, n_targets: int, quantiles: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Targets from the one end through the mean to the other.

    A number's average runs in equal steps to the stated quantiles, but at most
    95 % of the way to the column's extreme; where a quantile is not beyond the
    mean, as in zero-inflated columns, to the average that lies 0.5 nats away.
    A proportion runs in equal steps of the root of the divergence to 0.5 nats,
    or 90 % of what removing (or keeping only) the level would take.

    Parameters
    ----------
    statistic : Statistic
        What is moved.
    atoms : Atoms
        Its atoms.
    base : ndarray of shape (n_rows,)
        Base weights.
    n_targets : int
        How many, the mean included.
    quantiles : tuple of float
        Lower and upper end, as quantiles of the column.

    Returns
    -------
    taus : ndarray of shape (n_targets,)
        Share of the way to the end, from -1 to 1.
    targets : ndarray of shape (n_targets,)
        In standard deviations from the mean.
    """
    n_below = (n_targets - 1) // 2
    below = np.linspace(-1.0, 0.0, n_below + 1)[:-1]
    above = np.linspace(0.0, 1.0, n_targets - n_below)[1:]
    taus = np.concatenate([below, [0.0], above])
    if statistic.level is not None:
        return taus, _by_divergence(atoms, taus)
    low, high = _ends(statistic.z, atoms, base, quantiles)
    return taus, np.where(taus < 0.0, -taus * low, taus * high)


def _by_divergence(atoms: Atoms, taus: Floats) -> Floats:
    low, high = (min(MAX_KL, _SHORT_OF_EDGE * largest_kl(atoms, sign)) for sign in (-1, 1))
    up = taus > 0.0
    return solve_kl(atoms, taus * taus * np.where(up, high, low), np.where(up, 1, -1)).targets


def _ends(z: Floats, atoms: Atoms, base: Floats, quantiles: tuple[float, float]) -> tuple[float, float]:
    low, high = _quantiles(z, atoms, base, quantiles)
    least, most = (_SHORT_OF_EXTREME * extreme for extreme in atoms.extremes)
    low = max(low, least) if low < 0.0 else _by_divergence(atoms, np.array([-1.0]))[0]
    high = min(high, most) if high > 0.0 else _by_divergence(atoms, np.array([1.0]))[0]
    return float(low), float(high)


def _quantiles(z: Floats, atoms: Atoms, base: Floats, quantiles: tuple[float, float]) -> Floats:
    """The smallest values below which lies at least the stated share of the weight."""
    if atoms.bin_widths is not None:
        uniform = base.min() == base.max()
        weights = None if uniform else base
        return np.quantile(z, quantiles, weights=weights, method="inverted_cdf")
    below = np.cumsum(atoms.mass)
    place = np.searchsorted(below, np.array(quantiles) * below[-1] * (1.0 - 1e-12))
    return atoms.points[np.minimum(place, below.size - 1)]
