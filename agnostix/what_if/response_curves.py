"""Every quantity along the targets of one moment, with standard errors, slopes and weight diagnostics.

Sums run over distinct values, for all targets and outcomes in a few matrix products. The standard errors are
those of `inference` for one statistic z. If the divergence is fixed instead of the target, the target depends
on the rows: row i shifts it by (w_i - b_i) / xi, and the outcome by the slope times that.

Stacked columns are measured together: arrays then have a first axis of columns. How much an outcome changes
from the first target of a column to the last has an error of its own, since both rest on the same rows.

Where a quantity is the average of another column, the curve says how that column shifts with the first
(`CorrelatedShifts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.distinct_values import DistinctValues, collapse, weigh
from agnostix.what_if.inference import (
    MAX_LEVERAGE,
    MIN_CARRIED_WEIGHT,
    Influence,
    assign_blocks,
    classify_support,
    compute_gain_ess,
    interval,
    jackknife,
)
from agnostix.what_if.metrics import BlockQuantity, MeanQuantity, Quantity, SmoothQuantity
from agnostix.what_if.moments import MomentStatistic, iter_moments
from agnostix.what_if.sample import ProjectionConfig, Sample, movable, standardize
from agnostix.what_if.table import Table
from agnostix.what_if.tilting import (
    EDGE,
    ExponentialTilts,
    density_ratio,
    interpolation_error,
    solve_kl,
    solve_targets,
)

_MAX_CELLS = 500_000
_TRUSTED = 1e-11


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
        return cls(distinct, xi, ratio, inflated, along, along_change, values, slopes, dominated)

    def responses(self, with_changes: bool = True) -> Responses:
        """Outcomes with errors, perhaps those of changes, and weight diagnostics."""
        kl, ess, max_weight, gain_ess = _diagnose(self.distinct, self.ratio, self.xi)
        parts = self.inflated, self.values, self.slopes
        std_errors = _delta_errors(self.distinct, 0.0, *parts, self.along)
        change_errors = np.full_like(std_errors, np.nan)
        if with_changes:
            change_errors = _delta_errors(self.distinct, 1.0, *parts, self.along_change)
        std_errors[self.dominated] = change_errors[self.dominated] = np.inf
        slopes = np.where(np.isfinite(self.xi)[..., None], self.slopes, np.nan)
        result = Responses(self.values, std_errors, slopes, change_errors, kl, ess, max_weight, gain_ess)
        infeasible = np.isnan(self.xi)
        for field in fields(result):
            getattr(result, field.name)[infeasible] = np.nan
        return result

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


@dataclass(frozen=True)
class QuantityCurve:
    """One quantity at all targets of a moment, in its units."""

    quantity: Quantity
    base: float  # its value at the base weights
    values: Floats  # (n_targets,)
    std_errors: Floats  # (n_targets,)
    slopes: Floats  # (n_targets,), derivatives by the target in the column's units
    change_errors: Floats  # (n_targets,), of the difference to the base value


@dataclass(frozen=True)
class ResponseCurve:
    """All quantities along the targets of one moment."""

    moment: MomentStatistic
    targets: Floats  # (n_targets,), in the column's units
    kl: Floats  # (n_targets,), divergence in nats
    ess: Floats  # (n_targets,), effective sample size
    max_weight: Floats  # (n_targets,), if the mean weight is 1
    status: np.ndarray  # (n_targets,), "ok", "thin", "boundary" or "infeasible"
    quantity_curves: tuple[QuantityCurve, ...]

    def interval(self, part: QuantityCurve, confidence_level: float) -> tuple[Floats, Floats]:
        """Confidence interval of a quantity at each target."""
        quantity = part.quantity
        return interval(
            *(part.values, part.std_errors, self.ess, confidence_level, quantity.bounds),
            counts=quantity.counts,
            most_degrees=self.moment.sample.most_degrees,
        )


def shift_moment(moment: MomentStatistic, targets: Floats, config: ProjectionConfig) -> ResponseCurve:
    """Response curve at targets (n_targets,) in standard deviations from the mean."""
    return measure_curve(moment, solve_targets(moment.distinct, targets), config)


def measure_curve(
    moment: MomentStatistic, tilts: ExponentialTilts, config: ProjectionConfig
) -> ResponseCurve:
    """Response curve along solved tilts."""
    tilts, responses = _respond_precisely(moment, tilts)
    sample, statistic = moment.sample, moment.statistic
    if sample.design is not None:
        responses = _respond_by_clusters(moment, tilts, responses)
    moving = np.abs(tilts.targets) > EDGE  # at the mean, rows gain weight by rounding only
    status = classify_support(
        tilts.infeasible,
        tilts.boundary,
        responses.ess,
        np.where(moving, responses.gain_ess, np.inf),
        config.min_ess_fraction * sample.base_ess,
    )
    return ResponseCurve(
        moment,
        statistic.from_z(tilts.targets),
        np.maximum(responses.kl, 0.0),
        responses.ess,
        responses.max_weight * sample.base.size,
        status,
        tuple(_measure_all(moment, tilts, responses)),
    )


def _respond_precisely(
    moment: MomentStatistic, tilts: ExponentialTilts
) -> tuple[ExponentialTilts, Responses]:
    """Responses from merged rows, or from single rows where the interpolation is not accurate."""
    untrusted = interpolation_error(moment.distinct, tilts) > _TRUSTED
    untrusted &= ~tilts.infeasible
    if not untrusted.any():
        return tilts, compute_responses(moment.distinct, tilts)
    responses = compute_responses(moment.distinct, replace(tilts, xi=np.where(untrusted, 0.0, tilts.xi)))
    exact = moment.exact().distinct
    again = _solve_again(exact, tilts, untrusted)
    better = compute_responses(exact, again)
    targets, xi = tilts.targets.copy(), tilts.xi.copy()
    targets[untrusted], xi[untrusted] = again.targets, again.xi
    for field in fields(Responses):
        getattr(responses, field.name)[untrusted] = getattr(better, field.name)
    return replace(tilts, targets=targets, xi=xi), responses


def _respond_by_clusters(moment: MomentStatistic, tilts: ExponentialTilts, responses: Responses) -> Responses:
    """Errors, and effective clusters that gain weight, from the rows: equal ones are in several clusters."""
    sample = moment.sample
    errors = np.full((2, *responses.values.shape), np.nan)
    gain_ess = responses.gain_ess.copy()
    for j in np.flatnonzero(~tilts.infeasible).tolist():
        influence, drift = _influence_at(moment, tilts, j)
        errors[:, j] = influence.errors(sample.outcomes, None, drift)
        gain_ess[j] = compute_gain_ess(influence.weights, sample.base, sample.design)
    return replace(responses, std_errors=errors[0], change_errors=errors[1], gain_ess=gain_ess)


def _influence_at(
    moment: MomentStatistic, tilts: ExponentialTilts, j: int
) -> tuple[Influence, Floats | None]:
    """Influence of the rows at the j-th target, and how each shifts it (n_rows,) at a fixed divergence."""
    sample, xi = moment.sample, tilts.xi[j]
    weights = _tilted_weights(moment, xi)
    centered = np.where(np.isfinite(xi), moment.statistic.z - tilts.targets[j], 0.0)[:, None]
    influence = Influence.from_weights(centered, weights, sample.base, sample.design)
    fixed = tilts.kl is None or xi == 0.0 or not np.isfinite(xi)
    return influence, None if fixed else (weights - sample.base) / xi


def _solve_again(exact: DistinctValues, tilts: ExponentialTilts, which: Bools) -> ExponentialTilts:
    """The same targets (or divergences), solved on the values of the rows."""
    if tilts.kl is None:
        return solve_targets(exact, tilts.targets[which])
    return solve_kl(exact, tilts.kl[which], np.where(tilts.xi[which] > 0, 1, -1))


def _measure_all(
    moment: MomentStatistic, tilts: ExponentialTilts, responses: Responses
) -> list[QuantityCurve]:
    out: list[QuantityCurve] = []
    sample, scale = moment.sample, moment.statistic.scale
    j = 0
    for quantity in sample.quantities:
        if isinstance(quantity, MeanQuantity):
            unit, center = sample.scales[j], sample.centers[j]
            with np.errstate(over="ignore"):  # infinite by units so small that the slope is beyond numbers
                slopes = unit / scale * responses.slopes[:, j]
            out.append(
                QuantityCurve(
                    quantity,
                    float(center),
                    center + unit * responses.values[:, j],
                    unit * responses.std_errors[:, j],
                    slopes,
                    unit * responses.change_errors[:, j],
                )
            )
            j += 1
        elif isinstance(quantity, SmoothQuantity):
            out.append(_measure_smooth(moment, tilts, quantity))
        else:
            out.append(_measure_blocks(moment, tilts, quantity))
    return out


def _tilted_weights(moment: MomentStatistic, xi: float) -> Floats:
    z, base = moment.statistic.z, moment.sample.base
    return density_ratio(z, np.array([xi]), moment.distinct.extremes, base)[0] * base


def _measure_smooth(
    moment: MomentStatistic, tilts: ExponentialTilts, quantity: SmoothQuantity
) -> QuantityCurve:
    sample, statistic = moment.sample, moment.statistic
    base_value, psi_base = quantity.measure(sample.expand(sample.base))
    psi_base = sample.restrict(psi_base)[:, None]
    parts = np.full((4, tilts.xi.size), np.nan)
    for j in np.flatnonzero(~tilts.infeasible).tolist():
        influence, drift = _influence_at(moment, tilts, j)
        value, psi = quantity.measure(sample.expand(influence.weights))
        psi = sample.restrict(psi)[:, None]
        error, change_error = influence.errors(psi, psi_base, drift)
        slope = influence.slopes(psi)[0, 0] / statistic.scale if np.isfinite(tilts.xi[j]) else np.nan
        parts[:, j] = value, error[0], slope, change_error[0]
    return QuantityCurve(quantity, base_value, *parts)


def _measure_blocks(
    moment: MomentStatistic, tilts: ExponentialTilts, quantity: BlockQuantity
) -> QuantityCurve:
    """Jackknife: each block of rows is left out and the weights are solved again."""
    sample = moment.sample
    base_value = quantity.measure(sample.expand(sample.base))
    values = np.array(
        [
            np.nan if np.isnan(xi) else quantity.measure(sample.expand(_tilted_weights(moment, xi)))
            for xi in tilts.xi
        ]
    )
    block, n_blocks = assign_blocks(sample.base.size, sample.design)
    without = np.stack([_without_block(moment, tilts, quantity, block != b) for b in range(n_blocks)])
    errors, change_errors = jackknife(without[:, 0]), jackknife(without[:, 1] - without[:, 2])
    return QuantityCurve(quantity, base_value, values, errors, np.full(values.size, np.nan), change_errors)


def _without_block(
    moment: MomentStatistic, tilts: ExponentialTilts, quantity: BlockQuantity, kept: np.ndarray
) -> Floats:
    """Values (3, n_targets) at the same targets, at the requested targets or divergences, and at base."""
    sample, z = moment.sample, moment.statistic.z[kept]
    base = sample.base[kept] / sample.base[kept].sum()
    mean = base @ z
    distinct = collapse(z - mean, base, np.empty((z.size, 0)), exact=True)

    def measured(xi: float) -> float:
        if np.isnan(xi):
            return np.nan
        weights = np.zeros(sample.base.size)
        weights[kept] = density_ratio(z - mean, np.array([xi]), distinct.extremes, base)[0] * base
        return quantity.measure(sample.expand(weights))

    at_targets = [measured(xi) for xi in solve_targets(distinct, tilts.targets - mean).xi]
    at_requested = at_targets
    if tilts.kl is not None:
        at_requested = [measured(xi) for xi in solve_kl(distinct, tilts.kl, np.where(tilts.xi > 0, 1, -1)).xi]
    return np.array([at_targets, at_requested, [measured(0.0)] * tilts.xi.size])


@dataclass(frozen=True)
class CorrelatedShifts:
    """Shifts of all columns that come with the shift of one, in standard deviations."""

    names: list[tuple[str, str | None]]  # the other columns, or levels of them
    sample: Sample  # all rows; its quantities are the means of `names`
    config: ProjectionConfig  # parameters of the explainer

    @classmethod
    def from_table(cls, table: Table, config: ProjectionConfig, *, max_levels: int = 12) -> CorrelatedShifts:
        """All columns of a table, categorical ones by their most frequent levels."""
        chosen = _choose_quantities(table, max_levels)
        sample = Sample.from_table(table, [quantity for _, quantity in chosen])
        return cls([name for name, _ in chosen], sample, config)

    def along(
        self, feature: str, targets: Mapping[Any, Floats]
    ) -> Iterator[tuple[Any, list[tuple[str, str | None]], Floats]]:
        """Per level (None for numbers): the other columns and their shifts (n_targets, n_others)."""
        # Rows without a value of the other column count as unshifted.
        other = [j for j, (name, _) in enumerate(self.names) if name != feature]
        others = [self.names[j] for j in other]
        levels = None if None in targets else list(targets)
        for moment in iter_moments(self.sample, feature, self.config.missing, levels):
            z = moment.statistic.to_z(targets[moment.statistic.level])
            curves = shift_moment(moment, z, self.config).quantity_curves
            shifts = np.empty((len(z), len(other)))
            for k, j in enumerate(other):
                shifts[:, k] = curves[j].values - curves[j].base
            yield moment.statistic.level, others, shifts


def _choose_quantities(table: Table, max_levels: int) -> list[tuple[tuple[str, str | None], MeanQuantity]]:
    out: list[tuple[tuple[str, str | None], MeanQuantity]] = []
    free, _ = movable(Sample.from_table(table, []), None)
    for name in free:
        column = table.column(name)
        if column.kind == "numeric":
            there = ~column.missing
            z = np.zeros(table.n_rows)
            z[there] = standardize(column.values[there], table.base[there] / table.base[there].sum())[0]
            out.append(((name, None), MeanQuantity("shift", name, z)))
            continue
        share = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
        for code in np.argsort(-share, kind="stable")[: max_levels if len(share) != 2 else 1]:
            z = standardize((column.values == code).astype(float), table.base)[0]
            level = column.level_text(column.levels[code])
            out.append(((name, level), MeanQuantity("shift", f"{name} = {level}", z)))
    return out
