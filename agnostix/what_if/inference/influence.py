"""Influence of each row on the answers of a reweighting, and delta-method standard errors.

The weights w_i = b_i F(alpha + u_i) solve estimating equations ``sum_i w_i g_i(p) = 0`` in parameters p: the
multipliers of the conditions that bind, and scalars that are searched over. With v_i = dw_i/du_i, directions
G_i = du_i/dp, and both centered by v because the intercept alpha keeps the sum of weights, an outcome y of
weighted mean theta has

    psi_i = w_i (y_i - theta - beta' g_i),   J' beta = sum_i v_i (y_i - theta) G_i,
    J = sum_i v_i g_i G_i' + C

where C is what the equations hold of p besides the weights. ``SE^2 = sum_i (psi_i / (1 - h_i))^2`` with the
leverage h_i = v_i (1 / sum v + G_i' J^-1 g_i). For Kullback-Leibler divergence v = w and g = G = phi - t.
A cluster is left out whole, by the same step of Newton's method: its rows' residuals enter their sum by
factors (`_without_cluster`). For a smooth function of the weights its influence values replace y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.inference.design import Design

MAX_LEVERAGE = 1.0 - 1e-6
MIN_CARRIED_WEIGHT = 1e-12
_RANK = 1e-12


@dataclass(frozen=True)
class Influence:
    """Influence of each row on a projection: slopes and delta-method standard errors."""

    weights: Floats  # (n_rows,), projected weights, summing to 1
    base: Floats  # (n_rows,), base weights, summing to 1
    tangent: Floats  # (n_rows,), derivative of each weight by its exponent
    directions: Floats  # (n_rows, n_parameters), derivative of the exponents, centered by the tangent
    estimating: Floats  # (n_rows, n_parameters), estimating functions, centered by the tangent
    remainder: Floats | None  # (n_rows, n_parameters), terms of the equations besides weights * estimating
    inverse: Floats  # (n_parameters, n_parameters), inverse of the Jacobian
    inflated: Floats  # (n_rows,), weights over one minus leverage
    one_row_dominates: bool  # whether the result rests on one row or cluster, whose spread is unknown
    design: Design | None = None  # clusters and strata of the rows; None: rows are independent

    @classmethod
    def from_weights(
        cls, centered: Floats, weights: Floats, base: Floats, design: Design | None = None
    ) -> Influence:
        """Of exponential tilting along statistics minus their targets, (n_rows, n_constraints)."""
        moment = (centered * weights[:, None]).T @ centered
        inverse = invert_moment(moment)
        return cls._from_centered(weights, base, weights, centered, centered, None, inverse, design)

    @classmethod
    def from_estimating(
        cls,
        directions: Floats,
        estimating: Floats,
        jacobian: Floats,
        weights: Floats,
        tangent: Floats,
        base: Floats,
        *,
        base_terms: Floats | None = None,
        design: Design | None = None,
    ) -> Influence:
        """Of any divergence: directions and estimating functions (n_rows, n_parameters), jacobian between.

        `base_terms` (n_rows, n_parameters) are terms of the equations that do not come with the weights, as
        of a target that is the data's own; their sums are 0. The intercept is no parameter, it is added.
        """
        total = tangent.sum()
        if total <= 0.0:  # every row is at a bound: nothing moves
            still = np.zeros_like(estimating)
            none = np.zeros((estimating.shape[1],) * 2)
            return cls._from_centered(weights, base, tangent, still, still, None, none, design)
        along, own = tangent @ directions / total, tangent @ estimating / total
        inverse = np.linalg.pinv(jacobian - total * np.outer(own, along), rcond=_RANK)
        remainder = base[:, None] * own
        if base_terms is not None:
            remainder = remainder + base_terms
        return cls._from_centered(
            weights, base, tangent, directions - along, estimating - own, remainder, inverse, design
        )

    @classmethod
    def _from_centered(
        cls,
        weights: Floats,
        base: Floats,
        tangent: Floats,
        directions: Floats,
        estimating: Floats,
        remainder: Floats | None,
        inverse: Floats,
        design: Design | None,
    ) -> Influence:
        parts = (weights, tangent, directions, estimating, inverse)
        whole = design is not None and design.has_clusters
        inflated, dominates = _without_cluster(*parts, design) if whole else _without_row(*parts)  # type: ignore[arg-type]
        own = (weights, base, tangent, directions, estimating, remainder, inverse)
        return cls(*own, inflated, dominates, design)

    @cached_property
    def _free(self) -> float:
        """How much of the weights moves."""
        return float(self.tangent.sum())

    def slopes(self, psi: Floats) -> Floats:
        """Coefficient of each estimating function for each outcome, (n_parameters, n_outcomes).

        Where its target is a mean of the weights, that is the derivative by the target.
        """
        return self._coefficients(psi - self.weights @ psi)

    def _coefficients(self, own: Floats) -> Floats:
        return self.inverse.T @ (self._weighted_directions @ own)

    @cached_property
    def _weighted_directions(self) -> Floats:
        """Directions times the tangent, (n_parameters, n_rows)."""
        return (self.directions * self.tangent[:, None]).T

    def of_rows(self, psi: Floats) -> Floats:
        """Influence (n_rows, n_outcomes) of each row on weighted means of psi, with leverage."""
        own = psi - self.weights @ psi
        slopes = self._coefficients(own)
        own -= (slopes.T @ self.estimating.T).T
        if self.remainder is None:  # the tangent is the weights, which the outcome's mean is centered by
            own *= self.inflated[:, None]
            return own
        level = self.tangent @ (psi - self.weights @ psi) / self._free if self._free > 0.0 else 0.0
        own = (own - level) * self.inflated[:, None]
        return own + self.base[:, None] * level - self.remainder @ slopes

    def without_leverage(self) -> Influence:
        """The derivatives themselves, of which the bootstrap takes its share of each draw."""
        return replace(self, inflated=self.weights, one_row_dominates=False)

    def errors(
        self, psi: Floats, psi_base: Floats | None = None, drift: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Standard errors (n_outcomes,) of weighted means and of their differences to the base means."""
        # psi (n_rows, n_outcomes) are outcomes, or influence values at the projected weights; psi_base those
        # at the base weights. drift (n_rows,) is how each row shifts the first target, if rows do.
        if self.one_row_dominates:
            unknown = np.full(psi.shape[1], np.inf)
            return unknown, unknown
        own, change = self.parts(psi, psi_base, drift)
        return unit_errors(own, self.design), unit_errors(change, self.design)

    def parts(
        self, psi: Floats, psi_base: Floats | None = None, drift: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Influence (n_rows, n_outcomes) of each row on weighted means, and on their differences."""
        psi_base = psi if psi_base is None else psi_base
        own = self.of_rows(psi)
        change = own - (psi_base - self.base @ psi_base) * self.base[:, None]
        if drift is not None:
            change += drift[:, None] * self.slopes(psi)[0]
        return own, change


def invert_moment(moment: Floats) -> Floats:
    """Inverse of second moments (n_constraints, n_constraints), of those that are not dependent."""
    return np.asarray(np.linalg.pinv(moment, rcond=_RANK, hermitian=True), dtype=np.float64)


def unit_errors(influences: Floats, design: Design | None) -> Floats:
    """Standard errors (n_outcomes,) from influences of the rows (n_rows, n_outcomes)."""
    if design is None:
        return np.sqrt((influences**2).sum(0))
    return np.sqrt(design.variances(influences))


def _without_row(
    weights: Floats, tangent: Floats, directions: Floats, estimating: Floats, inverse: Floats
) -> tuple[Floats, bool]:
    """Weights (n_rows,) over one minus leverage, and whether a row has all the leverage."""
    total = tangent.sum()
    spread = ((directions @ inverse) * estimating).sum(1)
    leverage = tangent * ((1.0 / total if total > 0.0 else 0.0) + spread)
    dominates = bool(((leverage > MAX_LEVERAGE) & (weights > MIN_CARRIED_WEIGHT)).any())
    return weights / (1.0 - np.minimum(leverage, MAX_LEVERAGE)), dominates


def _without_cluster(
    weights: Floats,
    tangent: Floats,
    directions: Floats,
    estimating: Floats,
    inverse: Floats,
    design: Design,
) -> tuple[Floats, bool]:
    """Factors (n_rows,) of the residuals whose sum over a cluster is what leaving it out moves."""
    # A cluster c without which the Jacobian K is K - S_c, S_c = sum v Z X', moves the outcome by
    # sum w r + R' (K - S_c)^-1 M, R = sum v X r, M = sum w Z: linear in the residuals r of its rows.
    total = tangent.sum()
    if total <= 0.0:
        return weights, False
    ones = np.full((weights.size, 1), 1.0 / np.sqrt(total))
    x, z = np.hstack([ones, directions @ inverse]), np.hstack([ones, estimating])
    width = x.shape[1]
    lost = np.stack(
        [design.sum(tangent[:, None] * z[:, [a]] * x)[:, :] for a in range(width)], axis=1
    )  # (n_clusters, width, width): K^-1 S_c, K being the identity here
    mean = design.sum(weights[:, None] * z)
    carried = design.sum(weights[:, None])[:, 0] > MIN_CARRIED_WEIGHT
    leverage = np.abs(np.linalg.eigvals(lost[carried])).max(1, initial=0.0)
    if (leverage > MAX_LEVERAGE).any():
        return weights, True
    moved = np.zeros_like(mean)
    moved[carried] = np.linalg.solve(np.eye(width) - lost[carried], mean[carried][:, :, None])[:, :, 0]
    return weights + tangent * (x * moved[design.cluster]).sum(1), False
