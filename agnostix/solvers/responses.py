"""Mean outcomes under tilted weights, with their errors, slopes and realism.

All sums run over atoms, for all targets and outcomes in a few matrix products.
The error is that of the delta method for a stated target: with weights w,
slope b of the outcome y on the statistic z and target t, row i contributes
``w_i r_i / (1 - h_i)``, where ``r_i = (y_i - theta) - b (z_i - t)`` and the
leverage is ``h_i = w_i (1 + (z_i - t)^2 / Var_w z)``. Where the divergence is
stated, the target moves with the rows: row i moves it by
``(w_i - b_i) / xi``, and the change of the outcome by b times that.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import factorial

import numpy as np

from agnostix.core.typing import Floats
from agnostix.solvers.atoms import N_NODES, Atoms
from agnostix.solvers.tilt import EDGE, Tilts

_MAX_CELLS = 500_000
_MAX_LEVERAGE = 1.0 - 1e-6
_CARRIES = 1e-12


@dataclass(frozen=True)
class Responses:
    """What the tilted weights say, one row per target.

    Attributes
    ----------
    values, std_errors, slopes, change_errors : ndarray of shape (n_targets, n_outcomes)
        Weighted mean of each outcome, its standard error, its derivative by
        the standardised target, and the standard error of its difference to
        the base mean.
    kl, ess, max_weight, carriers : ndarray of shape (n_targets,)
        Divergence in nats, effective rows, largest weight of a row (of weights
        that sum to 1), and effective rows among those that gain weight.
    """

    values: Floats
    std_errors: Floats
    slopes: Floats
    change_errors: Floats
    kl: Floats
    ess: Floats
    max_weight: Floats
    carriers: Floats


def respond(atoms: Atoms, tilts: Tilts) -> Responses:
    """Evaluate every outcome at every target.

    Parameters
    ----------
    atoms : Atoms
        The statistic and the sums of the outcomes on it.
    tilts : Tilts
        Solved targets.

    Returns
    -------
    Responses
        NaN where a target is infeasible.
    """
    block = max(1, _MAX_CELLS // atoms.points.size)
    starts = range(0, max(tilts.xi.size, 1), block)
    parts = [
        _respond(atoms, tilts.targets[s : s + block], tilts.xi[s : s + block], tilts.kl is not None)
        for s in starts
    ]
    if len(parts) == 1:
        return parts[0]
    return Responses(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Responses)))


def interpolation_error(atoms: Atoms, tilts: Tilts) -> Floats:
    """Bound the relative error of sums over nodes in the place of rows.

    Parameters
    ----------
    atoms : Atoms
        The statistic.
    tilts : Tilts
        Solved targets.

    Returns
    -------
    ndarray of shape (n_targets,)
        0 where the atoms are the rows' own values, infinite where a multiplier is.
    """
    if atoms.bin_widths is None:
        return np.zeros(tilts.xi.size)
    mass = np.abs(atoms.mass)
    finite = np.isfinite(tilts.xi)
    xi = np.where(finite, tilts.xi, 0.0)
    ratio = density_ratio(atoms.points, xi, atoms.span, mass)
    reach = np.minimum(np.abs(xi)[:, None] * atoms.bin_widths / 4.0, 700.0)
    remainder = 2.0 * np.minimum(reach, 1.0) ** N_NODES / factorial(N_NODES) * np.exp(reach)
    return np.where(finite, (ratio * remainder) @ mass, np.inf)


def density_ratio(z: Floats, xi: Floats, extremes: tuple[float, float], mass: Floats) -> Floats:
    """Tilted over base weight, for each multiplier and point.

    Parameters
    ----------
    z, mass : ndarray of shape (n_points,)
        Points and their base mass.
    xi : ndarray of shape (n_targets,)
        Multipliers; infinite ones keep the rows at the extreme.
    extremes : tuple of float
        Smallest and largest point; the exponent is taken from there, so that it never overflows.

    Returns
    -------
    ndarray of shape (n_targets, n_points)
    """
    low, high = extremes
    finite = np.where(np.isfinite(xi), xi, 0.0)
    exponent = np.where(finite > 0, high, low)[:, None] - z
    exponent *= -finite[:, None]
    ratio = np.exp(exponent, out=exponent)
    for j in np.flatnonzero(np.isinf(xi)):
        ratio[j] = np.abs(z - (high if xi[j] > 0 else low)) <= EDGE
    ratio /= (ratio @ mass)[:, None]
    return ratio


def _respond(atoms: Atoms, targets: Floats, xi: Floats, kl_stated: bool) -> Responses:
    ratio = density_ratio(atoms.points, xi, atoms.span, atoms.mass)
    distance = atoms.points - targets[:, None]
    moving = np.isfinite(xi)
    variance = np.where(moving, (ratio * distance * distance) @ atoms.mass, np.inf)
    values = ratio @ atoms.first
    slopes = (ratio * distance) @ atoms.first / variance[:, None]
    kl, ess, max_weight, carriers = _realism(atoms, ratio, xi)
    leverage = ratio * atoms.row_mass * (1.0 + distance * distance / variance[:, None])
    inflated = ratio / (1.0 - np.minimum(leverage, _MAX_LEVERAGE))
    along = inflated * distance
    std_errors = _error(atoms, inflated, 0.0, values, slopes, along)
    if kl_stated:  # the target follows from the rows, so it carries an error of its own
        with np.errstate(divide="ignore", invalid="ignore"):
            drift = np.where(xi[:, None] != 0.0, (ratio - 1.0) / xi[:, None], 0.0)
        along = along - np.where(moving[:, None], drift, 0.0)
    change_errors = _error(atoms, inflated, 1.0, values, slopes, along)
    alone = ((leverage > _MAX_LEVERAGE) & (ratio * atoms.mass > _CARRIES)).any(1)
    std_errors[alone] = change_errors[alone] = np.inf  # one row decides: nothing is known of its spread
    slopes[~moving] = np.nan
    infeasible = np.isnan(xi)
    result = Responses(values, std_errors, slopes, change_errors, kl, ess, max_weight, carriers)
    for field in fields(result):
        getattr(result, field.name)[infeasible] = np.nan
    return result


def _error(atoms: Atoms, g: Floats, base: float, values: Floats, slopes: Floats, along: Floats) -> Floats:
    """Root of the sum over rows of ``b^2 (g (y - theta) - slope * along - base y)^2``.

    Written as ``b^2 (a y - g theta - slope * along)^2``, a = g - base, it is a polynomial
    in y, summed from the sums of each atom; outcomes have base mean 0.
    """
    a = g - base
    second = (a * a) @ atoms.second_sq
    cross = (a * g) @ atoms.first_sq * values + (a * along) @ atoms.first_sq * slopes
    flat, tilted, curved = (part @ atoms.mass_sq for part in (g * g, g * along, along * along))
    own = values**2 * flat[:, None] + 2.0 * values * slopes * tilted[:, None] + slopes**2 * curved[:, None]
    return np.sqrt(np.maximum(second - 2.0 * cross + own, 0.0))


def _realism(atoms: Atoms, ratio: Floats, xi: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    low, high = atoms.extremes
    ess = 1.0 / ((ratio * ratio) @ atoms.mass_sq)
    gain = np.maximum(ratio - 1.0, 0.0)
    gained = gain @ atoms.mass
    still = gained <= 0.0
    carriers = np.where(still, np.inf, gained**2 / np.where(still, 1.0, (gain * gain) @ atoms.mass_sq))
    per_row = ratio * atoms.row_top
    if atoms.bin_widths is not None:
        edge = np.where(xi > 0, high, low)
        nearest = np.where(xi > 0, atoms.points.max(), atoms.points.min())
        column = np.where(xi > 0, atoms.points.argmax(), atoms.points.argmin())
        max_weight = per_row[np.arange(xi.size), column] * np.exp(xi * (edge - nearest))
    else:
        max_weight = per_row.max(1)
    log_ratio = np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0)
    return (ratio * log_ratio) @ atoms.mass, ess, max_weight, carriers
