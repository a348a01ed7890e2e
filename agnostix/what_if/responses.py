"""Means, slopes and their delta-method errors along the targets of one moment, in sums over distinct values.

The standard errors are those of `inference` for one statistic z. If the divergence is fixed instead of the
target, the target depends on the rows: row i shifts it by (w_i - b_i) / xi, and the outcome by the slope
times that. Stacked columns are measured together: arrays then have a first axis of columns.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.distinct_values import DistinctValues, weigh
from agnostix.what_if.inference import MAX_LEVERAGE, MIN_CARRIED_WEIGHT
from agnostix.what_if.tilting import ExponentialTilts, density_ratio

_MAX_CELLS = 500_000


@dataclass(frozen=True)
class Responses:
    """Outcomes and weight diagnostics under tilted weights, one row per target."""

    # Of stacked columns every array has a first axis of columns.

    values: Floats  # (n_targets, n_outcomes), weighted means
    std_errors: Floats  # (n_targets, n_outcomes)
    slopes: Floats  # (n_targets, n_outcomes), derivatives by the standardized target
    change_errors: Floats  # (n_targets, n_outcomes), of the difference to the base mean
    kl: Floats  # (n_targets,), divergence in nats
    ess: Floats  # (n_targets,), effective sample size
    max_weight: Floats  # (n_targets,), of weights that sum to 1
    gain_ess: Floats  # (n_targets,), effective sample size of the rows that gain weight
    slope_errors: Floats  # (n_targets, n_outcomes)


def compute_responses(distinct: DistinctValues, tilts: ExponentialTilts) -> Responses:
    """All outcomes at all targets; NaN if infeasible."""
    block = max(1, _MAX_CELLS // distinct.points.size)
    starts = range(0, max(tilts.xi.size, 1), block)
    parts = [
        _TiltedRows.from_tilts(
            distinct, tilts.targets[s : s + block], tilts.xi[s : s + block], tilts.kl is not None
        ).responses()
        for s in starts
    ]
    if len(parts) == 1:
        return parts[0]
    return Responses(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Responses)))


def compare_ends(distinct: DistinctValues, tilts: ExponentialTilts) -> tuple[Responses, Floats]:
    """Responses of stacked columns, and the errors (n_columns, n_outcomes) of last less first target."""
    tilted = _TiltedRows.from_tilts(distinct, tilts.targets, tilts.xi, tilts.kl is not None)
    errors = tilted.end_errors()
    return tilted.responses(with_changes=False), errors


@dataclass(frozen=True)
class _TiltedRows:
    """Tilted weights at each target, and what a row with them does to the outcomes."""

    distinct: DistinctValues
    xi: Floats  # ([n_columns,] n_targets)
    ratio: Floats  # ([n_columns,] n_targets, n_points), tilted over base weight
    inflated: Floats  # the same over one minus leverage
    along: Floats  # of the same shape, what a row adds to the slope's part
    along_change: Floats  # the same where the target, too, depends on the rows
    values: Floats  # ([n_columns,] n_targets, n_outcomes), weighted means
    slopes: Floats  # ([n_columns,] n_targets, n_outcomes)
    distance: Floats  # ([n_columns,] n_targets, n_points), of each value from the target
    variance: Floats  # ([n_columns,] n_targets), of the statistic, infinite at its extremes
    dominated: Bools  # ([n_columns,] n_targets), whether one row decides: its spread is unknown

    @classmethod
    def from_tilts(
        cls, distinct: DistinctValues, targets: Floats, xi: Floats, kl_is_target: bool
    ) -> _TiltedRows:
        """Weights and influences at all targets."""
        ratio = density_ratio(distinct.points, xi, distinct.span, distinct.mass)
        distance = distinct.points[..., None, :] - targets[..., None]
        moving = np.isfinite(xi)
        variance = np.where(moving, weigh(ratio * distance * distance, distinct.mass), np.inf)
        values = _multiply(ratio, distinct.first)
        slopes = _multiply(ratio * distance, distinct.first) / variance[..., None]
        row_mass = distinct.row_mass[..., None, :]
        leverage = ratio * row_mass * (1.0 + distance * distance / variance[..., None])
        inflated = ratio / (1.0 - np.minimum(leverage, MAX_LEVERAGE))
        along = along_change = inflated * distance
        if kl_is_target:  # the target follows from the rows, so it has an error of its own
            with np.errstate(divide="ignore", invalid="ignore"):
                drift = np.where(xi[..., None] != 0.0, (ratio - 1.0) / xi[..., None], 0.0)
            along_change = along - np.where(moving[..., None], drift, 0.0)
        carried = ratio * distinct.mass[..., None, :] > MIN_CARRIED_WEIGHT
        dominated = np.asarray(((leverage > MAX_LEVERAGE) & carried).any(-1))
        own = (values, slopes, distance, variance)
        return cls(distinct, xi, ratio, inflated, along, along_change, *own, dominated)

    def responses(self, with_changes: bool = True) -> Responses:
        """Outcomes with errors, perhaps those of changes, and weight diagnostics."""
        kl, ess, max_weight, gain_ess = _diagnose(self.distinct, self.ratio, self.xi)
        parts = self.inflated, self.values, self.slopes
        std_errors = _delta_errors(self.distinct, 0.0, *parts, self.along)
        change_errors, slope_errors = np.full_like(std_errors, np.nan), np.full_like(std_errors, np.nan)
        if with_changes:
            change_errors = _delta_errors(self.distinct, 1.0, *parts, self.along_change)
            slope_errors = self._slope_errors()
        for errors in (std_errors, change_errors, slope_errors):
            errors[self.dominated] = np.inf
        moving = np.isfinite(self.xi)[..., None]
        slopes, slope_errors = (np.where(moving, part, np.nan) for part in (self.slopes, slope_errors))
        own = (std_errors, slopes, change_errors, kl, ess, max_weight, gain_ess, slope_errors)
        result = Responses(self.values, *own)
        infeasible = np.isnan(self.xi)
        for field in fields(result):
            getattr(result, field.name)[infeasible] = np.nan
        return result

    def _slope_errors(self) -> Floats:
        """Standard errors ([n_columns,] n_targets, n_outcomes) of the slopes."""
        # The slope S is that of a weighted regression of y on z. With d = z - t, r = y - theta - S d, V the
        # mean of d^2 and K that of d^2 r, a row adds w d / V (r - K / V), K / V by its pull on weights.
        d, mass = self.distance, self.distinct.mass
        square = self.ratio * d * d
        variance = np.where(np.isfinite(self.variance), self.variance, 1.0)[..., None]
        curved = _multiply(square, self.distinct.first) - self.values * variance
        curved -= self.slopes * weigh(square * d, mass)[..., None]
        level = self.values + curved / variance
        along = self.inflated * d / variance
        return _delta_errors(self.distinct, 0.0, along, level, self.slopes, along * d)

    def end_errors(self) -> Floats:
        """Errors (n_columns, n_outcomes) of the difference between the last and the first target."""
        # Root of the sum over rows of ``b^2 (a y + basis' factors)^2``, a polynomial in y as `_delta_errors`.
        first, last = (self.inflated[:, k] for k in (0, -1))
        ways = (last, self.along_change[:, -1], first, self.along_change[:, 0])
        basis = np.stack(ways, axis=1)
        factors = np.stack(
            [-self.values[:, -1], -self.slopes[:, -1], self.values[:, 0], self.slopes[:, 0]], axis=1
        )
        a = (last - first)[:, None]
        d = self.distinct
        second = _multiply(a * a, d.second_sq)[:, 0]
        cross = (_multiply(a * basis, d.first_sq) * factors).sum(1)
        gram = (basis * d.mass_sq[..., None, :]) @ basis.swapaxes(1, 2)
        own = ((gram @ factors) * factors).sum(1)
        errors: Floats = np.sqrt(np.maximum(second + 2.0 * cross + own, 0.0))
        errors[self.dominated[:, [0, -1]].any(1)] = np.inf
        return errors


def _multiply(terms: Floats, sums: Floats) -> Floats:
    """Terms ([n_columns,] n_targets, n_points) by sums ([n_columns,] n_points, n_outcomes)."""
    if terms.ndim == sums.ndim:
        return terms @ sums
    # One product for all columns that share their sums: many small ones would read these again and again.
    product: Floats = terms.reshape(-1, terms.shape[-1]) @ sums
    return product.reshape(*terms.shape[:-1], sums.shape[-1])


def _delta_errors(
    distinct: DistinctValues, base: float, g: Floats, values: Floats, slopes: Floats, along: Floats
) -> Floats:
    """Root of the sum over rows of ``b^2 (g (y - theta) - slope * along - base y)^2``."""
    # Written as ``b^2 (a y - g theta - slope * along)^2``, a = g - base, it is a polynomial in y, summed
    # from the sums of each distinct value; outcomes have base mean 0.
    a = g - base
    second = _multiply(a * a, distinct.second_sq)
    cross = _multiply(a * g, distinct.first_sq) * values + _multiply(a * along, distinct.first_sq) * slopes
    flat, tilted, curved = (
        weigh(part, distinct.mass_sq)[..., None] for part in (g * g, g * along, along * along)
    )
    own = values**2 * flat + 2.0 * values * slopes * tilted + slopes**2 * curved
    errors: Floats = np.sqrt(np.maximum(second - 2.0 * cross + own, 0.0))
    return errors


def _diagnose(distinct: DistinctValues, ratio: Floats, xi: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    ess = 1.0 / weigh(ratio * ratio, distinct.mass_sq)
    gain = np.maximum(ratio - 1.0, 0.0)
    gained = weigh(gain, distinct.mass)
    still = gained <= 0.0
    gain_ess = np.where(still, np.inf, gained**2 / np.where(still, 1.0, weigh(gain * gain, distinct.mass_sq)))
    per_row = ratio * distinct.row_top[..., None, :]
    if distinct.bin_widths is not None:
        low, high = distinct.extremes
        edge = np.where(xi > 0, high, low)
        nearest = np.where(xi > 0, distinct.points.max(), distinct.points.min())
        column = np.where(xi > 0, distinct.points.argmax(), distinct.points.argmin())
        max_weight = per_row[np.arange(xi.size), column] * np.exp(xi * (edge - nearest))
    else:
        max_weight = per_row.max(-1)
    log_ratio = np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0)
    return weigh(ratio * log_ratio, distinct.mass), ess, max_weight, gain_ess
