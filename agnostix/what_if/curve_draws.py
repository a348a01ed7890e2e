"""Errors of curves from bootstrap draws: the multiplier of every target is solved again in each.

A draw reweights the rows, and along one statistic everything is a sum of exponentials of it: sums over the
rows of a draw are taken once, over `nodes`, and all targets are solved on these together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.curve_influences import row_influences
from agnostix.what_if.distinct_values import collapse
from agnostix.what_if.inference.nodes import RowNodes
from agnostix.what_if.inference.resampling import Resampling
from agnostix.what_if.metrics import BlockQuantity, MeanQuantity
from agnostix.what_if.moments import MomentStatistic
from agnostix.what_if.sample import Sample
from agnostix.what_if.tilting import ExponentialTilts, density_ratio, solve_kl, solve_targets

_MAX_ITER = 12
_REACHED = 1e-11


@dataclass(frozen=True)
class CurveStatistics:
    """Quantities along a curve, and their changes, in draws of the rows."""

    sample: Sample
    z: Floats  # (n_rows,), the standardized statistic
    tilts: ExponentialTilts  # of the sample
    nodes: RowNodes
    trusted: Bools  # (n_targets,), where sums over nodes are those over rows
    resampling: Resampling
    squares: Floats  # (n_clusters, 2 * n_quantities * n_targets), NaN where influence values are unknown

    @classmethod
    def from_moment(
        cls, moment: MomentStatistic, tilts: ExponentialTilts, resampling: Resampling
    ) -> CurveStatistics:
        """Of the curve of a moment."""
        sample, z = moment.sample, moment.statistic.z
        influences = row_influences(moment, tilts, leverage=False).transpose(0, 2, 1, 3)
        influences = influences.reshape(z.size, -1)
        nodes = RowNodes.from_values(z)
        xi = np.where(np.isfinite(tilts.xi), tilts.xi, 0.0)
        edge = np.where(xi > 0.0, z.max(), z.min())
        exponent = xi[:, None] * nodes.points - (xi * edge)[:, None]
        total = np.maximum(np.exp(exponent) @ nodes.sums(sample.base), np.finfo(float).tiny)
        trusted = nodes.are_trusted(tilts.xi, -np.log(total))
        squares = resampling.squares(influences, sample.rows)
        return cls(sample, z, tilts, nodes, trusted, resampling, squares)

    def __call__(self, of_clusters: Floats) -> tuple[Floats, Floats]:
        """Values and errors (n_draws, 2 * n_quantities * n_targets), NaN where targets are not reached."""
        sample = self.sample
        bases = self.resampling.of_rows(of_clusters, sample.rows) * sample.base
        bases /= np.maximum(bases.sum(1, keepdims=True), np.finfo(float).tiny)
        xi = self._solve(bases)
        means, mean_bases = self._means(bases, xi)
        columns, j = [], 0
        for quantity in sample.quantities:
            if isinstance(quantity, MeanQuantity):
                value, base = means[:, :, j], mean_bases[:, j]
                value, base = (sample.centers[j] + sample.scales[j] * part for part in (value, base))
                j += 1
            else:
                value, base = self._measured(quantity, bases, xi)
            columns += [value, value - base[:, None]]
        return np.hstack(columns), np.sqrt(of_clusters @ self.squares)

    def _solve(self, bases: Floats) -> Floats:
        """Multipliers (n_draws, n_targets), NaN where a draw does not reach the target."""
        xi, solved = self._newton(self.nodes.sums(bases))
        for d in np.flatnonzero(~solved.all(1)):
            xi[d, ~solved[d]] = self._solve_one(bases[d], ~solved[d])
        return xi

    def _newton(self, mass: Floats) -> tuple[Floats, Bools]:
        """Multipliers by sums over the points (n_draws, n_points), and which were found."""
        points, targets = self.nodes.points, self.tilts.targets
        start = np.where(self.trusted, self.tilts.xi, 0.0)
        xi = np.tile(start, (mass.shape[0], 1))
        solved = np.zeros(xi.shape, dtype=bool)
        powers = np.stack([np.ones_like(points), points, points**2], axis=1)
        for _ in range(_MAX_ITER):
            exponent = xi[:, :, None] * points
            top = exponent.max(2)
            sums = (np.exp(exponent - top[:, :, None]) * mass[:, None, :]) @ powers
            with np.errstate(divide="ignore", invalid="ignore"):
                mean = sums[:, :, 1] / sums[:, :, 0]
                variance = sums[:, :, 2] / sums[:, :, 0] - mean**2
                if self.tilts.kl is None:
                    gap, slope = mean - targets, variance
                else:
                    far = xi * mean - np.log(sums[:, :, 0]) - top + np.log(mass.sum(1))[:, None]
                    gap, slope = far - self.tilts.kl, xi * variance
                step = gap / slope
            solved |= np.abs(gap) <= _REACHED
            going = ~solved & np.isfinite(step)
            if not going.any():
                break
            xi = np.where(going, xi - step, xi)
        inside = self.trusted & (np.sign(xi) * np.sign(start) >= 0.0 if self.tilts.kl is not None else True)
        return xi, solved & inside

    def _solve_one(self, base: Floats, which: Bools) -> Floats:
        """Multipliers of some targets in one draw, (n_which,), on the values of its rows."""
        here = base > 0.0
        z = self.z[here]
        if here.sum() < 2 or z.min() == z.max():
            return np.full(int(which.sum()), np.nan)
        mean = base[here] @ z
        distinct = collapse(z - mean, base[here], np.empty((z.size, 0)), exact=True)
        if self.tilts.kl is None:
            return solve_targets(distinct, self.tilts.targets[which] - mean).xi
        return solve_kl(distinct, self.tilts.kl[which], np.where(self.tilts.xi[which] > 0, 1, -1)).xi

    def _means(self, bases: Floats, xi: Floats) -> tuple[Floats, Floats]:
        """Means (n_draws, n_targets, n_means) of standardized outcomes, and at the base weights."""
        outcomes, points = self.sample.outcomes, self.nodes.points
        at_base = bases @ outcomes
        values = np.full((*xi.shape, outcomes.shape[1]), np.nan)
        finite = np.where(np.isfinite(xi), xi, 0.0)
        exponent = finite[:, :, None] * points
        ratio = np.exp(exponent - exponent.max(2, keepdims=True))
        total = np.einsum("dtp,dp->dt", ratio, self.nodes.sums(bases))
        for j, y in enumerate(outcomes.T):
            values[:, :, j] = np.einsum("dtp,dp->dt", ratio, self.nodes.sums(bases * y)) / total
        values[np.isnan(xi)] = np.nan
        for t in np.flatnonzero(~self.trusted | np.isinf(xi).any(0)):
            for d in np.flatnonzero(~np.isnan(xi[:, t])):
                values[d, t] = self._weights(bases[d], xi[d, t]) @ outcomes
        return values, at_base

    def _weights(self, base: Floats, xi: float) -> Floats:
        """Tilted weights (n_rows,) of a draw."""
        here = base > 0.0
        z, weights = self.z[here], np.zeros(base.size)
        ends = (float(z.min()), float(z.max()))
        weights[here] = density_ratio(z, np.array([xi]), ends, base[here])[0] * base[here]
        return weights

    def _measured(self, quantity: object, bases: Floats, xi: Floats) -> tuple[Floats, Floats]:
        """Another quantity (n_draws, n_targets) under the weights of every draw and target, and at base."""
        assert not isinstance(quantity, MeanQuantity)
        expand, plain = self.sample.expand, isinstance(quantity, BlockQuantity)

        def value(weights: Floats) -> float:
            measured = quantity.measure(expand(weights))  # type: ignore[attr-defined]
            return float(measured if plain else measured[0])

        values = np.full(xi.shape, np.nan)
        for d, t in zip(*np.nonzero(~np.isnan(xi)), strict=True):
            values[d, t] = value(self._weights(bases[d], float(xi[d, t])))
        return values, np.array([value(base) for base in bases])
