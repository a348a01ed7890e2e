"""Every quantity along the targets of one moment, with standard errors, slopes and weight diagnostics.

Sums run over distinct values, for all targets and outcomes in a few matrix products (`responses`).

Equal rows share their influence only where rows are independent; with clusters or strata errors are those of
the rows (`curve_influences`), and those of the bootstrap come from draws (`curve_draws`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.curve_draws import CurveStatistics
from agnostix.what_if.curve_influences import (
    MeanInfluences,
    influence_at,
    mean_slope_influences,
    row_influences,
    slope_influences,
    tilted_weights,
)
from agnostix.what_if.distinct_values import DistinctValues, collapse
from agnostix.what_if.evidence import (
    EVIDENCE_OF_MEANS,
    are_plain_means,
    between,
    evidence_of,
    evidence_of_means,
    interpolate,
    split_evidence,
    stack,
    worse,
)
from agnostix.what_if.inference import (
    Evidence,
    assign_blocks,
    classify_support,
    compute_gain_ess,
    interval,
    jackknife,
    unit_errors,
)
from agnostix.what_if.inference.bands import pointwise_level
from agnostix.what_if.inference.bootstrap import Replicates, replicate
from agnostix.what_if.metrics import (
    ANY,
    BlockQuantity,
    MeanQuantity,
    Quantity,
    SmoothQuantity,
    kind_of_changes,
)
from agnostix.what_if.moments import MomentStatistic
from agnostix.what_if.responses import Responses, compute_responses
from agnostix.what_if.sample import ProjectionConfig
from agnostix.what_if.tilting import (
    EDGE,
    ExponentialTilts,
    density_ratio,
    interpolation_error,
    solve_kl,
    solve_targets,
)

_TRUSTED = 1e-11
_PLACES = ((2_000, 9), (20_000, 5), (np.inf, 3))
"""Targets of a curve at which what its intervals rest on is taken from the rows, by how many these are."""


def _unknown() -> tuple[Evidence, Evidence]:
    """Before it is known."""
    return Evidence.unknown(1), Evidence.unknown(1)


@dataclass(frozen=True)
class QuantityCurve:
    """One quantity at all targets of a moment, in its units."""

    quantity: Quantity
    base: float  # its value at the base weights
    values: Floats  # (n_targets,)
    std_errors: Floats  # (n_targets,)
    slopes: Floats  # (n_targets,), derivatives by the target in the column's units
    change_errors: Floats  # (n_targets,), of the difference to the base value
    slope_errors: Floats  # (n_targets,), NaN where the quantity has no known derivative
    evidence: tuple[Evidence, Evidence] = dataclasses.field(default_factory=_unknown)  # of values and changes
    draws: tuple[Replicates, Replicates] | None = None  # of values and changes, if errors are the bootstrap's
    together: float = np.nan  # level of each interval at which all of the curve hold together
    influences: Floats | None = None  # (n_rows, n_targets), on changes, where asked for and known
    groups: Floats | None = None  # (n_targets, n_groups, 2), `groups` of `inference.interval`

    @property
    def shown_errors(self) -> tuple[Floats, Floats]:
        """Standard errors (n_targets,) of values and changes: the bootstrap's, if there are draws."""
        own = (self.std_errors, self.change_errors)
        if self.draws is None:
            return own
        value, change = (
            np.where(np.isinf(error), np.inf, part.std_errors)
            for error, part in zip(own, self.draws, strict=True)
        )
        return value, change


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

    def intervals(self, confidence_level: float) -> list[tuple[Floats, Floats]]:
        """Confidence intervals of each quantity at all targets."""
        values = [part.values for part in self.quantity_curves]
        return self._ends(values, confidence_level, 0)

    def change_intervals(self, confidence_level: float) -> list[tuple[Floats, Floats]]:
        """Confidence intervals of the differences to the base values."""
        changes = [part.values - part.base for part in self.quantity_curves]
        return self._ends(changes, confidence_level, 1)

    def bands(self, confidence_level: float) -> list[tuple[Floats, Floats]]:
        """For each quantity, ends of the band that holds it at all targets together."""
        return [self._band(part, confidence_level) for part in self.quantity_curves]

    def slope_intervals(self, confidence_level: float) -> list[tuple[Floats, Floats]]:
        """Confidence intervals of the slopes at all targets, NaN where their errors are not known."""
        parts = self.quantity_curves
        slopes, errors = (np.stack([getattr(p, name) for p in parts]) for name in ("slopes", "slope_errors"))
        evidence = _together([part.evidence[0] for part in parts]).of_degrees
        most = self.moment.sample.most_degrees
        ends = interval(slopes, errors, self.ess, confidence_level, evidence=evidence, most_degrees=most)
        return list(zip(*ends, strict=True))

    def statuses(self) -> np.ndarray:
        """Status (n_quantities, n_targets): of the weights, or why an interval cannot be trusted."""
        value, change = (_together([part.evidence[i] for part in self.quantity_curves]) for i in (0, 1))
        return np.where(self.status == "ok", worse((value, change)), self.status)

    def _ends(self, values: list[Floats], level: float, which: int) -> list[tuple[Floats, Floats]]:
        """Ends of intervals of the values (which 0) or changes (1) of each quantity."""
        alike: dict[Any, list[int]] = {}
        for q, part in enumerate(self.quantity_curves):
            quantity = part.quantity
            kind = quantity.kind if which == 0 else kind_of_changes(quantity)
            bounds = quantity.bounds if which == 0 else ANY
            # Proportions of groups have effective rows of their own.
            alone = q if part.groups is not None else None
            alike.setdefault((kind, bounds, alone), []).append(q)
        out: dict[int, tuple[Floats, Floats]] = {}
        for (kind, bounds, alone), some in alike.items():
            parts = [self.quantity_curves[q] for q in some]
            low, high = interval(
                np.stack([values[q] for q in some]),
                np.stack([part.shown_errors[which] for part in parts]),
                *(self.ess, level, bounds),
                kind=kind,
                evidence=_together([part.evidence[which] for part in parts]),
                most_degrees=self.moment.sample.most_degrees,
                groups=None if alone is None else parts[0].groups,
            )
            for q, part, own in zip(some, parts, zip(low, high, strict=True), strict=True):
                out[q] = _with_studentized(part, values[q], own, level, which, bounds)
        return [out[q] for q in range(len(out))]

    def _band(self, part: QuantityCurve, confidence_level: float) -> tuple[Floats, Floats]:
        alone = replace(self, quantity_curves=(part,))
        low, high = alone._ends([part.values], part.together, 0)[0]
        if part.draws is None:
            return low, high
        half = part.draws[0].largest(part.values, confidence_level) * part.shown_errors[0]
        bounds = part.quantity.bounds
        low = np.fmin(low, np.clip(part.values - half, *bounds))
        return low, np.fmax(high, np.clip(part.values + half, *bounds))


def _together(parts: list[Evidence]) -> Evidence:
    """Evidence of several quantities, each (n_quantities, n_targets)."""
    return Evidence(*(np.stack([getattr(one, f.name) for one in parts]) for f in fields(Evidence)))


def _with_studentized(
    part: QuantityCurve,
    values: Floats,
    ends: tuple[Floats, Floats],
    level: float,
    which: int,
    bounds: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Ends that hold those of studentized draws too, where errors are the bootstrap's."""
    if part.draws is None:
        return ends
    errors = (part.std_errors, part.change_errors)[which]
    of_draws = part.draws[which].studentized(values, errors, level)
    low, high = (np.clip(end, *bounds) for end in of_draws)
    return np.fmin(low, ends[0]), np.fmax(high, ends[1])


def shift_moment(moment: MomentStatistic, targets: Floats, config: ProjectionConfig) -> ResponseCurve:
    """Response curve at targets (n_targets,) in standard deviations from the mean."""
    return measure_curve(moment, solve_targets(moment.distinct, targets), config)


def measure_curve(
    moment: MomentStatistic, tilts: ExponentialTilts, config: ProjectionConfig, *, by_rows: bool = False
) -> ResponseCurve:
    """Response curve along solved tilts, perhaps with the influences of rows on changes."""
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
    curves = _with_draws(moment, tilts, _with_evidence(moment, tilts, responses), config)
    if by_rows:
        of_rows = row_influences(moment, tilts, leverage=True)[:, 1]
        curves = [
            curve if isinstance(curve.quantity, BlockQuantity) else replace(curve, influences=of_rows[:, q])
            for q, curve in enumerate(curves)
        ]
    return ResponseCurve(
        moment,
        statistic.from_z(tilts.targets),
        np.maximum(responses.kl, 0.0),
        responses.ess,
        responses.max_weight * sample.base.size,
        status,
        tuple(curves),
    )


def _with_evidence(
    moment: MomentStatistic, tilts: ExponentialTilts, responses: Responses
) -> list[QuantityCurve]:
    """All quantities, and what their intervals rest on: at some targets of a curve, linear between them."""
    curves = _measure_all(moment, tilts, responses)
    known, n = np.flatnonzero(~tilts.infeasible), tilts.xi.size
    if not known.size:
        return [replace(curve, evidence=(Evidence.unknown(n),) * 2) for curve in curves]
    most = next(places for rows, places in _PLACES if moment.sample.base.size <= rows)
    places = known[np.unique(np.round(np.linspace(0, known.size - 1, most)).astype(np.intp))]
    if are_plain_means(moment.sample):
        at = _evidence_of_means(moment, tilts, responses, places)
        evidence = split_evidence(interpolate(at, places, n))
    else:
        parts = [evidence_of(moment.sample, *influence_at(moment, tilts, j)) for j in places.tolist()]
        evidence = [
            (between(stack(value), places, n), between(stack(change), places, n))
            for value, change in (map(list, zip(*of_one, strict=True)) for of_one in zip(*parts, strict=True))
        ]
    return [replace(curve, evidence=pair) for curve, pair in zip(curves, evidence, strict=True)]


def _evidence_of_means(
    moment: MomentStatistic, tilts: ExponentialTilts, responses: Responses, places: Codes
) -> Floats:
    """What `evidence_of_means` has at the places; where a target is a column's extreme, from all rows."""
    out = np.empty((places.size, 2, len(EVIDENCE_OF_MEANS), len(moment.sample.quantities)))
    inside = np.isfinite(tilts.xi[places])
    if inside.any():
        influences = partial(MeanInfluences.of_rows, moment, tilts, responses)
        out[inside] = evidence_of_means(moment.sample, places[inside].tolist(), influences)
    for k in np.flatnonzero(~inside).tolist():
        of_place = evidence_of(moment.sample, *influence_at(moment, tilts, int(places[k])))
        for q, pair in enumerate(of_place):
            out[k, :, :, q] = [[getattr(one, name)[0] for name in EVIDENCE_OF_MEANS] for one in pair]
    return out


def _with_draws(
    moment: MomentStatistic, tilts: ExponentialTilts, curves: list[QuantityCurve], config: ProjectionConfig
) -> list[QuantityCurve]:
    """The curves with draws of the bootstrap and with levels of their bands, where these are wanted."""
    if config.simultaneous:
        curves = [
            replace(curve, together=pointwise_level(own, config.confidence_level))
            for curve, own in zip(curves, _unit_influences(moment, tilts, curves), strict=True)
        ]
    if config.std_errors == "delta":
        return curves
    statistics = CurveStatistics.from_moment(moment, tilts, moment.sample.resampling(config))
    drawn = replicate(statistics.resampling, statistics, config.n_jobs)
    n = tilts.xi.size
    parts = [drawn.select(slice(first, first + n)) for first in range(0, 2 * n * len(curves), n)]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [replace(curve, draws=pair) for curve, pair in zip(curves, pairs, strict=True)]


def _unit_influences(
    moment: MomentStatistic, tilts: ExponentialTilts, curves: list[QuantityCurve]
) -> Iterator[Floats]:
    """What each row or cluster adds to the errors of every curve's values, (n_units, n_targets)."""
    sample = moment.sample
    of_rows = row_influences(moment, tilts, leverage=True)[:, 0]
    for q, curve in enumerate(curves):
        if isinstance(curve.quantity, BlockQuantity):
            without = _leave_out_blocks(moment, tilts, curve.quantity)[:, 0]
            yield np.nan_to_num(without - np.nanmean(without, 0))
        else:
            own = of_rows[:, q]
            yield own if sample.design is None else sample.design.centered(own)


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
    errors, slope_errors = np.full((2, *responses.values.shape), np.nan), responses.slope_errors.copy()
    gain_ess = responses.gain_ess.copy()
    for j in np.flatnonzero(~tilts.infeasible).tolist():
        influence, drift = influence_at(moment, tilts, j)
        errors[:, j] = influence.errors(sample.outcomes, None, drift)
        if np.isfinite(slope_errors[j]).all():
            slope_errors[j] = unit_errors(mean_slope_influences(influence, sample.outcomes), sample.design)
        gain_ess[j] = compute_gain_ess(influence.weights, sample.base, sample.design)
    own = {"std_errors": errors[0], "change_errors": errors[1], "slope_errors": slope_errors}
    return replace(responses, **own, gain_ess=gain_ess)


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
                slopes, slope_errors = (
                    unit / scale * part[:, j] for part in (responses.slopes, responses.slope_errors)
                )
            out.append(
                QuantityCurve(
                    quantity,
                    float(center),
                    center + unit * responses.values[:, j],
                    unit * responses.std_errors[:, j],
                    slopes,
                    unit * responses.change_errors[:, j],
                    slope_errors,
                )
            )
            j += 1
        elif isinstance(quantity, SmoothQuantity):
            out.append(_measure_smooth(moment, tilts, quantity))
        else:
            out.append(_measure_blocks(moment, tilts, quantity))
    return out


def _measure_smooth(
    moment: MomentStatistic, tilts: ExponentialTilts, quantity: SmoothQuantity
) -> QuantityCurve:
    sample, statistic = moment.sample, moment.statistic
    base_value, psi_base = quantity.measure(sample.expand(sample.base))
    psi_base = sample.restrict(psi_base)[:, None]
    parts = np.full((5, tilts.xi.size), np.nan)
    groups: list[Floats | None] = [quantity.groups_at(sample.expand(sample.base))] * tilts.xi.size
    for j in np.flatnonzero(~tilts.infeasible).tolist():
        influence, drift = influence_at(moment, tilts, j)
        weights = sample.expand(influence.weights)
        groups[j] = quantity.groups_at(weights)
        value, psi = quantity.measure(weights)
        psi = sample.restrict(psi)[:, None]
        error, change_error = influence.errors(psi, psi_base, drift)
        slope = slope_error = np.nan
        if np.isfinite(tilts.xi[j]):
            slope = influence.slopes(psi)[0, 0] / statistic.scale
            moves = slope_influences(moment, float(tilts.xi[j]), quantity)
            slope_error = float(unit_errors(moves[:, None], sample.design)[0]) / statistic.scale
            slope_error = np.inf if influence.one_row_dominates else slope_error
        parts[:, j] = value, error[0], slope, change_error[0], slope_error
    values, errors, slopes, change_errors, slope_errors = parts
    together = None if quantity.groups is None else np.array(groups, dtype=float)
    own = (values, errors, slopes, change_errors, slope_errors)
    return QuantityCurve(quantity, base_value, *own, groups=together)


def _measure_blocks(
    moment: MomentStatistic, tilts: ExponentialTilts, quantity: BlockQuantity
) -> QuantityCurve:
    """Jackknife: each block of rows is left out and the weights are solved again."""
    sample = moment.sample
    base_value = quantity.measure(sample.expand(sample.base))
    values = np.array(
        [
            np.nan if np.isnan(xi) else quantity.measure(sample.expand(tilted_weights(moment, xi)))
            for xi in tilts.xi
        ]
    )
    without = _leave_out_blocks(moment, tilts, quantity)
    errors, change_errors = jackknife(without[:, 0]), jackknife(without[:, 1] - without[:, 2])
    unknown = np.full(values.size, np.nan)
    return QuantityCurve(quantity, base_value, values, errors, unknown, change_errors, unknown)


def _leave_out_blocks(moment: MomentStatistic, tilts: ExponentialTilts, quantity: BlockQuantity) -> Floats:
    """What `_without_block` has, without each block of rows, (n_blocks, 3, n_targets)."""
    block, n_blocks = assign_blocks(moment.sample.base.size, moment.sample.design)
    return np.stack([_without_block(moment, tilts, quantity, block != b) for b in range(n_blocks)])


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
