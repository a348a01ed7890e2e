"""Every quantity at every target of a lever, with errors, slopes and realism."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.population.quantities import BlockQuantity, MeanQuantity, Quantity, SmoothQuantity
from agnostix.population.realism import interval, statuses
from agnostix.population.settings import Settings
from agnostix.population.sweep import Lever
from agnostix.solvers.atoms import Atoms, collapse
from agnostix.solvers.delta import Influence
from agnostix.solvers.responses import Responses, density_ratio, interpolation_error, respond
from agnostix.solvers.tilt import EDGE, Tilts, solve_kl, solve_targets

N_BLOCKS = 30
"""Blocks of rows that are left out in turn, for the errors of metrics known only by their values."""
_TRUSTED = 1e-11


@dataclass(frozen=True)
class Measured:
    """One quantity at all targets of a lever, in the quantity's units.

    Attributes
    ----------
    quantity : Quantity
        What was measured.
    base : float
        Its value at the base weights.
    values, std_errors, slopes, change_errors : ndarray of shape (n_targets,)
        Value, standard error, derivative by the target in the column's units,
        standard error of the difference to the base value.
    """

    quantity: Quantity
    base: float
    values: Floats
    std_errors: Floats
    slopes: Floats
    change_errors: Floats


@dataclass(frozen=True)
class Course:
    """What a lever does at each of its targets.

    Attributes
    ----------
    lever : Lever
        What is moved.
    targets : ndarray of shape (n_targets,)
        In the column's units.
    kl, ess, max_weight : ndarray of shape (n_targets,)
        Divergence, effective rows, largest weight where the mean weight is 1.
    status : ndarray of str of shape (n_targets,)
        "ok", "thin", "boundary" or "infeasible".
    measured : tuple of Measured
        One for each quantity.
    """

    lever: Lever
    targets: Floats
    kl: Floats
    ess: Floats
    max_weight: Floats
    status: np.ndarray
    measured: tuple[Measured, ...]

    def interval(self, part: Measured, confidence_level: float) -> tuple[Floats, Floats]:
        """Confidence interval of a quantity at each target.

        Parameters
        ----------
        part : Measured
            The quantity.
        confidence_level : float
            Nominal coverage.

        Returns
        -------
        low, high : ndarray of shape (n_targets,)
        """
        quantity = part.quantity
        return interval(
            part.values, part.std_errors, self.ess, confidence_level, quantity.bounds, counts=quantity.counts
        )


def move(lever: Lever, targets: Floats, settings: Settings) -> Course:
    """Move a lever to stated targets.

    Parameters
    ----------
    lever : Lever
        What is moved.
    targets : ndarray of shape (n_targets,)
        In standard deviations from the mean.
    settings : Settings
        Confidence and thinness.

    Returns
    -------
    Course
    """
    return course(lever, solve_targets(lever.atoms, targets), settings)


def course(lever: Lever, tilts: Tilts, settings: Settings) -> Course:
    """Measure a lever along solved tilts.

    Parameters
    ----------
    lever : Lever
        What is moved.
    tilts : Tilts
        Solved on the lever's atoms.
    settings : Settings
        Confidence and thinness.

    Returns
    -------
    Course
    """
    tilts, responses = _respond(lever, tilts)
    sample, statistic = lever.sample, lever.statistic
    moving = np.abs(tilts.targets) > EDGE  # at the mean no row gains weight, except by rounding
    status = statuses(
        tilts.infeasible,
        tilts.boundary,
        responses.ess,
        np.where(moving, responses.carriers, np.inf),
        settings.min_ess_fraction * sample.base_ess,
    )
    return Course(
        lever,
        statistic.from_z(tilts.targets),
        np.maximum(responses.kl, 0.0),
        responses.ess,
        responses.max_weight * sample.base.size,
        status,
        tuple(_measure_all(lever, tilts, responses)),
    )


def _respond(lever: Lever, tilts: Tilts) -> tuple[Tilts, Responses]:
    """Responses on the lever's atoms, or on the rows' own values where nodes are not as good."""
    untrusted = interpolation_error(lever.atoms, tilts) > _TRUSTED
    untrusted &= ~tilts.infeasible
    if not untrusted.any():
        return tilts, respond(lever.atoms, tilts)
    responses = respond(lever.atoms, replace(tilts, xi=np.where(untrusted, 0.0, tilts.xi)))
    exact = lever.exact().atoms
    again = _solve_again(exact, tilts, untrusted)
    better = respond(exact, again)
    targets, xi = tilts.targets.copy(), tilts.xi.copy()
    targets[untrusted], xi[untrusted] = again.targets, again.xi
    for field in fields(Responses):
        getattr(responses, field.name)[untrusted] = getattr(better, field.name)
    return replace(tilts, targets=targets, xi=xi), responses


def _solve_again(exact: Atoms, tilts: Tilts, which: Bools) -> Tilts:
    """Some of the same questions, put to the rows' own values."""
    if tilts.kl is None:
        return solve_targets(exact, tilts.targets[which])
    return solve_kl(exact, tilts.kl[which], np.where(tilts.xi[which] > 0, 1, -1))


def _measure_all(lever: Lever, tilts: Tilts, responses: Responses) -> list[Measured]:
    out: list[Measured] = []
    sample, scale = lever.sample, lever.statistic.scale
    j = 0
    for quantity in sample.quantities:
        if isinstance(quantity, MeanQuantity):
            unit, centre = sample.scales[j], sample.centres[j]
            out.append(
                Measured(
                    quantity,
                    float(centre),
                    centre + unit * responses.values[:, j],
                    unit * responses.std_errors[:, j],
                    unit / scale * responses.slopes[:, j],
                    unit * responses.change_errors[:, j],
                )
            )
            j += 1
        elif isinstance(quantity, SmoothQuantity):
            out.append(_measure_smooth(lever, tilts, quantity))
        else:
            out.append(_measure_blocks(lever, tilts, quantity))
    return out


def _weights(lever: Lever, xi: float) -> Floats:
    z, base = lever.statistic.z, lever.sample.base
    return density_ratio(z, np.array([xi]), lever.atoms.extremes, base)[0] * base


def _measure_smooth(lever: Lever, tilts: Tilts, quantity: SmoothQuantity) -> Measured:
    sample, statistic = lever.sample, lever.statistic
    base_value, psi_base = quantity.measure(sample.full(sample.base))
    psi_base = sample.here(psi_base)[:, None]
    parts = np.full((4, tilts.xi.size), np.nan)
    for j, (target, xi) in enumerate(zip(tilts.targets, tilts.xi, strict=True)):
        if np.isnan(xi):
            continue
        weights = _weights(lever, xi)
        value, psi = quantity.measure(sample.full(weights))
        psi = sample.here(psi)[:, None]
        centred = np.where(np.isfinite(xi), statistic.z - target, 0.0)[:, None]
        influence = Influence.of(centred, weights, sample.base)
        stated = tilts.kl is None or xi == 0.0 or not np.isfinite(xi)
        drift = None if stated else (weights - sample.base) / xi
        error, change_error = influence.errors(psi, psi_base, drift)
        slope = influence.slopes(psi)[0, 0] / statistic.scale if np.isfinite(xi) else np.nan
        parts[:, j] = value, error[0], slope, change_error[0]
    return Measured(quantity, base_value, *parts)


def _measure_blocks(lever: Lever, tilts: Tilts, quantity: BlockQuantity) -> Measured:
    """Values, and errors by leaving out blocks of rows and solving again for the same targets."""
    sample = lever.sample
    base_value = quantity.measure(sample.full(sample.base))
    values = np.array(
        [np.nan if np.isnan(xi) else quantity.measure(sample.full(_weights(lever, xi))) for xi in tilts.xi]
    )
    block, n_blocks = blocks_of(sample.base.size)
    without = np.stack([_without_block(lever, tilts, quantity, block != b) for b in range(n_blocks)])
    errors, change_errors = jackknife(without[:, 0]), jackknife(without[:, 1] - without[:, 2])
    return Measured(quantity, base_value, values, errors, np.full(values.size, np.nan), change_errors)


def _without_block(lever: Lever, tilts: Tilts, quantity: BlockQuantity, kept: np.ndarray) -> Floats:
    """Values at the same targets, at what was stated (targets or divergences), and at the base weights."""
    sample, z = lever.sample, lever.statistic.z[kept]
    base = sample.base[kept] / sample.base[kept].sum()
    mean = base @ z
    atoms = collapse(z - mean, base, np.empty((z.size, 0)), exact=True)

    def measured(xi: float) -> float:
        if np.isnan(xi):
            return np.nan
        weights = np.zeros(sample.base.size)
        weights[kept] = density_ratio(z - mean, np.array([xi]), atoms.extremes, base)[0] * base
        return quantity.measure(sample.full(weights))

    at_targets = [measured(xi) for xi in solve_targets(atoms, tilts.targets - mean).xi]
    at_stated = at_targets
    if tilts.kl is not None:
        at_stated = [measured(xi) for xi in solve_kl(atoms, tilts.kl, np.where(tilts.xi > 0, 1, -1)).xi]
    return np.array([at_targets, at_stated, [measured(0.0)] * tilts.xi.size])


def blocks_of(n_rows: int) -> tuple[Codes, int]:
    """Share rows out among the blocks that are left out in turn.

    Parameters
    ----------
    n_rows : int
        How many there are, in a table's order: that of a hash, as good as random.

    Returns
    -------
    block : ndarray of int of shape (n_rows,)
        The block of each row.
    n_blocks : int
        How many blocks there are.
    """
    n_blocks = min(N_BLOCKS, n_rows)
    return np.arange(n_rows) % n_blocks, n_blocks


def jackknife(without: Floats) -> Floats:
    """Standard error of each column's statistic from its values with one block of rows left out.

    Parameters
    ----------
    without : ndarray of shape (n_blocks, n_statistics)
        NaN where a value could not be had.

    Returns
    -------
    ndarray of shape (n_statistics,)
        NaN where fewer than two values are known.
    """
    counts = np.isfinite(without).sum(0)
    mean = np.nansum(without, 0) / np.maximum(counts, 1)
    spread = np.nansum((without - mean) ** 2, 0)
    return np.where(counts > 1, np.sqrt((counts - 1) / np.maximum(counts, 1) * spread), np.nan)
