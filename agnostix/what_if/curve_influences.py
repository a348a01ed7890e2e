"""Influence of each row on the points of a curve, which equal rows share only where they are independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.inference import MAX_LEVERAGE, Influence
from agnostix.what_if.metrics import MeanQuantity, SmoothQuantity
from agnostix.what_if.moments import MomentStatistic
from agnostix.what_if.responses import Responses
from agnostix.what_if.tilting import ExponentialTilts, density_ratio

_STEP = 1e-3
"""Half of the step, in standard deviations of the target, over which a derivative is taken."""


def tilted_weights(moment: MomentStatistic, xi: float) -> Floats:
    """Weights (n_rows,) tilted by a multiplier."""
    z, base = moment.statistic.z, moment.sample.base
    return density_ratio(z, np.array([xi]), moment.distinct.extremes, base)[0] * base


def influence_at(moment: MomentStatistic, tilts: ExponentialTilts, j: int) -> tuple[Influence, Floats | None]:
    """Influence of the rows at the j-th target, and how each shifts it (n_rows,) at a fixed divergence."""
    sample, xi = moment.sample, tilts.xi[j]
    weights = tilted_weights(moment, xi)
    centered = np.where(np.isfinite(xi), moment.statistic.z - tilts.targets[j], 0.0)[:, None]
    influence = Influence.from_weights(centered, weights, sample.base, sample.design)
    fixed = tilts.kl is None or xi == 0.0 or not np.isfinite(xi)
    return influence, None if fixed else (weights - sample.base) / xi


@dataclass(frozen=True)
class MeanInfluences:
    """Influences of every step-th row on means and changes, of independent rows at finite multipliers."""

    moment: MomentStatistic
    tilts: ExponentialTilts
    responses: Responses
    z: Floats  # (n_some_rows,)
    base: Floats  # (n_some_rows,)
    outcomes: Floats  # (n_some_rows, n_means), each column in one piece: sums over rows are then fast

    @classmethod
    def of_rows(
        cls, moment: MomentStatistic, tilts: ExponentialTilts, responses: Responses, step: int
    ) -> MeanInfluences:
        """From what is measured along a curve."""
        sample = moment.sample
        outcomes = np.asfortranarray(sample.outcomes[::step])
        return cls(moment, tilts, responses, moment.statistic.z[::step], sample.base[::step], outcomes)

    def __call__(self, j: int) -> tuple[Floats, Floats]:
        """Influences (n_some_rows, n_means) on means and on changes at the j-th target."""
        distinct, xi, target = self.moment.distinct, float(self.tilts.xi[j]), self.tilts.targets[j]
        # The exponent is relative to the extreme, so that it never overflows.
        edge = distinct.extremes[1 if xi > 0.0 else 0]
        of_points = distinct.mass * np.exp(xi * (distinct.points - edge))
        total = of_points.sum()
        variance = of_points @ (distinct.points - target) ** 2 / total
        weights = self.base * np.exp(xi * (self.z - edge)) / total
        distance = self.z - target
        leverage = weights * (1.0 + distance * distance / variance)
        own = self.outcomes - self.responses.values[j]
        own -= distance[:, None] * self.responses.slopes[j]
        own *= (weights / (1.0 - np.minimum(leverage, MAX_LEVERAGE)))[:, None]
        change = own - self.base[:, None] * self.outcomes
        if self.tilts.kl is not None and xi != 0.0:
            change += ((weights - self.base) / xi)[:, None] * self.responses.slopes[j]
        return own, change


def mean_slope_influences(influence: Influence, outcomes: Floats) -> Floats:
    """Influences (n_rows, n_outcomes) on the slopes of means by the target, of one statistic."""
    distance = influence.directions
    variance = float(influence.weights @ distance[:, 0] ** 2)
    residual = outcomes - influence.weights @ outcomes - distance * influence.slopes(outcomes)[0]
    curved = (influence.weights * distance[:, 0] ** 2) @ residual / variance
    return (influence.inflated * distance[:, 0] / variance)[:, None] * (residual - curved)


def slope_influences(moment: MomentStatistic, xi: float, quantity: SmoothQuantity) -> Floats:
    """Influences (n_rows,) on the slope by the standardized target: their difference over a small step."""
    sample, z = moment.sample, moment.statistic.z
    at_xi = tilted_weights(moment, xi)
    step = _STEP / max(float(at_xi @ (z - at_xi @ z) ** 2), np.finfo(float).tiny)
    means, moves = [], []
    for one in (xi - step, xi + step):
        weights = tilted_weights(moment, one)
        means.append(float(weights @ z))
        centered = (z - means[-1])[:, None]
        influence = Influence.from_weights(centered, weights, sample.base, sample.design)
        psi = sample.restrict(quantity.measure(sample.expand(weights))[1])[:, None]
        moves.append(influence.of_rows(psi)[:, 0])
    return np.asarray((moves[1] - moves[0]) / (means[1] - means[0]), dtype=np.float64)


def row_influences(moment: MomentStatistic, tilts: ExponentialTilts, *, leverage: bool) -> Floats:
    """Influences (n_rows, 2, n_quantities, n_targets) on values and changes, in units of the quantities.

    NaN where a target is infeasible or the influence is not known.
    """
    sample = moment.sample
    out = np.full((sample.base.size, 2, len(sample.quantities), tilts.xi.size), np.nan)
    at_base = {
        q: sample.restrict(quantity.measure(sample.expand(sample.base))[1])[:, None]
        for q, quantity in enumerate(sample.quantities)
        if isinstance(quantity, SmoothQuantity)
    }
    for t in np.flatnonzero(~tilts.infeasible).tolist():
        influence, drift = influence_at(moment, tilts, t)
        if influence.one_row_dominates:
            continue
        influence = influence if leverage else influence.without_leverage()
        means = influence.parts(sample.outcomes, None, drift)
        j = 0
        for q, quantity in enumerate(sample.quantities):
            if isinstance(quantity, MeanQuantity):
                for i in (0, 1):
                    out[:, i, q, t] = sample.scales[j] * means[i][:, j]
                j += 1
            elif isinstance(quantity, SmoothQuantity):
                psi = sample.restrict(quantity.measure(sample.expand(influence.weights))[1])[:, None]
                own = influence.parts(psi, at_base[q], drift)
                out[:, 0, q, t], out[:, 1, q, t] = own[0][:, 0], own[1][:, 0]
    return out
