"""How much each sample moves a fit to many features: `LinearInfluences` without a number for each pair.

The influences A^-1 x_i w_i of 50,000 samples on 5,000 coefficients are not computed one by one. Where
features are next to independent, A without sample i says nothing about x_i, and with kappa_j = (A^-1)_jj

    s_i = sum_j kappa_j x_ij^2,   h_i = w_i s_i / (1 + w_i s_i),
    1 / kappa_j = ridge + sum_i w_i (1 - h_i) x_ij^2

is a fixed point for the leverages h_i (a deterministic equivalent: Silverstein and Bai, 1995,
https://doi.org/10.1006/jmva.1995.1051). The influence of sample i on coefficient j is
(1 - h_i) (kappa_j x_ij + noise), and the noise has variance rho_j kappa_j s_i, with rho_j such that
sum_i w_i (influence / w_i)^2 = kappa_j, which holds exactly. What the other features do is thus in the error.
Of masks, whose sizes their features share, x is less its mean over features.
"""

from __future__ import annotations

from functools import cached_property
from math import comb

import numpy as np

from agnostix.core.designs import standard_error
from agnostix.core.typing import Codes, Floats
from agnostix.lime.influences import (
    N_COMPONENTS,
    LinearInfluences,
    Spread,
    block_products,
    components_of_parts,
    freedom,
    freedom_of_moves,
    grouped_products,
)
from agnostix.lime.weighted_regression import WeightedRegression
from agnostix.lime.wide_regression import ROUGH, WideRegression

_MOST_STEPS, _CONVERGED = 12, 1e-4
"""Steps of the fixed point, each of which gains a digit, and the change of the leverages that ends it."""
_LEAST = 1e-8
"""Least 1 - h."""
_TINY = 1e-300


class WideInfluences:
    """Influences of samples on a linear fit to all features of a wide regression.

    Attributes
    ----------
    leverages : (n_samples,)
    inverse : (n_features,)
        Diagonal of A^-1.
    """

    def __init__(self, regression: WideRegression, ridge: float) -> None:
        self._regression, self._ridge = regression, ridge
        one = regression
        self._common = one.centered_product(np.full((one.design.shape[0], 1), 1.0 / one.design.shape[0]))[
            :, 0
        ]
        if not one.are_exchangeable:
            self._common[:] = 0.0
        inside = one.weights / one.total_weight
        self.inverse = 1.0 / np.maximum(one.gram_diagonal + ridge, _TINY)
        kept = np.full(one.n_samples, 1.0 - min(one.design.shape[0] / one.n_samples, 0.5))
        for _ in range(_MOST_STEPS):
            self.inverse = 1.0 / np.maximum(
                ridge + self._powers(one.weights[:, None] * kept[:, None], 2)[:, 0], _TINY
            )
            self._lengths = self._squared_lengths()
            before, kept = kept, 1.0 / (1.0 + one.weights * self._lengths)
            if np.abs(kept - before).max() <= _CONVERGED:
                break
        self._kept = kept  # of an influence, by the sample's own part in A
        self.leverages = np.minimum(1.0 - kept + inside, 1.0)
        self._left = np.maximum(1.0 - self.leverages, _LEAST)[:, None]
        mass = one.weights * kept**2
        own = self.inverse * self._powers(mass[:, None], 2)[:, 0]
        rest = np.maximum(1.0 - ridge * self.inverse - own, 0.0)
        self._noise = rest / max(float(mass @ self._lengths), _TINY) * self.inverse

    def spread(self, residuals: Floats) -> Spread:
        """As that of `LinearInfluences`: of coefficients, of the prediction for the row, and of the base."""
        one, n, d = self._regression, self._regression.n_samples, self._regression.design.shape[0]
        with np.errstate(over="ignore", invalid="ignore"):  # `explain` refuses predictions of such a size
            weighted = one.weights[:, None] * residuals / np.sqrt(self._left)
            dof, variance = self._freedom(weighted)
            row_dof, row_variance = freedom_of_moves(self._row_moves, weighted, one.weights)
            dof, variance = np.concatenate([dof, row_dof]), np.concatenate([variance, row_variance])
            if one.is_independent:
                parts = self._grouped_parts(weighted)
                errors, most = np.sqrt(variance * n / (n - 1.0)), max(n - d - 1.0, 1.0)
            else:
                parts, most = self._block_parts(weighted)
                errors = standard_error(parts, one.n_blocks)
                parts = parts[-(int(most) + 1) :]
        return Spread(errors, np.clip(dof, 1.0, most), components_of_parts(parts, errors))

    def leave_out(self, residuals: Floats) -> Floats:
        """Residuals (n_samples, n_columns) of fits without the sample."""
        return residuals / self._left

    def usual_changes(self) -> Floats:
        """As those of `LinearInfluences`; by the influences without their noise."""
        one, mass = self._regression, self._regression.weights * self._kept
        own = np.abs([1.0 - one.shares, one.shares])  # sizes of x where an indicator is 1, and 0
        sums = []
        for power in (3, 2):
            inside = one.design.indicators.adjoint(mass[:, None] ** power)[:, 0]
            sums.append(own[0] ** power * inside + own[1] ** power * ((mass**power).sum() - inside))
        changes = self.inverse * sums[0] / np.maximum(sums[1], _TINY)
        moves = np.abs(self._row_moves) * one.weights
        squares = np.square(moves)
        return np.append(changes, (squares * moves).sum(axis=1) / np.maximum(squares.sum(axis=1), _TINY))

    def _squared_lengths(self) -> Floats:
        """s_i, (n_samples,)."""
        one, common = self._regression, self._common
        lengths = one.square_product(self.inverse)
        if one.are_exchangeable:
            lengths -= 2.0 * common * one.centered_product(self.inverse[:, None])[:, 0]
            lengths += common**2 * self.inverse.sum()
            lengths += common**2 / max(float(one.weights @ common**2), _TINY)
        return np.maximum(lengths, 0.0)

    def _powers(self, u: Floats, power: int) -> Floats:
        """Sums of u (n_samples, n_columns) times powers of x less its mean over features of masks."""
        one = self._regression
        if not one.are_exchangeable:
            return one.power_sums(u, power)
        n = u.shape[1]
        columns = np.concatenate([u * self._common[:, None] ** k for k in range(power + 1)], axis=1)
        inside, total = one.design.indicators.adjoint(columns), columns.sum(axis=0)
        own, other = ((one.signs * part)[:, None] for part in (1.0 - one.shares, -one.shares))
        out = np.zeros((one.design.shape[0], n))
        for k in range(power + 1):
            part = slice(k * n, (k + 1) * n)
            sums = own ** (power - k) * inside[:, part] + other ** (power - k) * (
                total[part] - inside[:, part]
            )
            out += comb(power, k) * (-1.0) ** k * sums
        return out

    def _freedom(self, weighted: Floats) -> tuple[Floats, Floats]:
        """Degrees of freedom of coefficients (n_features, n_columns), and variances over single samples."""
        weights = self._regression.weights[:, None]
        moments = [np.square(part) * self._kept[:, None] ** 2 for part in (weighted, weights)]
        (second, fourth), (moved, moved_fourth) = (self._even_moments(one) for one in moments)
        n_moved = np.divide(moved**2, moved_fourth, out=np.ones_like(moved), where=moved_fourth > 0)
        return freedom(second, fourth, n_moved), second

    def _even_moments(self, u: Floats) -> tuple[Floats, Floats]:
        """Sums over samples of u times squared influences, and of their squares, (n_features, n_columns)."""
        inverse, noise, lengths = self.inverse[:, None], self._noise[:, None], self._lengths[:, None]
        second = inverse**2 * self._powers(u, 2) + noise * (lengths * u).sum(axis=0)
        squared = u**2
        fourth = inverse**4 * self._powers(squared, 4)
        fourth += 6.0 * inverse**2 * noise * self._powers(lengths * squared, 2)
        return second, fourth + 3.0 * noise**2 * (lengths**2 * squared).sum(axis=0)

    @cached_property
    def _row_moves(self) -> Floats:
        """Changes (2, n_samples) of the prediction for the row and of the base, by weighted residual."""
        one = self._regression
        places = np.stack([one.row_design, np.zeros_like(one.row_design)])
        distances = (places - one.design_mean).T
        factors = one.solve(np.arange(len(distances)), self._ridge, distances)
        return np.ascontiguousarray(1.0 / one.total_weight + one.centered_product(factors).T)

    def _grouped_parts(self, weighted: Floats) -> Floats:
        """Sums of influences over groups of samples, (n_groups, n_features + 2, n_columns)."""
        one, n_groups = self._regression, min(N_COMPONENTS, self._regression.n_samples)
        moved = self._kept[:, None] * weighted
        parts = one.block_adjoints(moved, n_groups)
        if one.are_exchangeable:
            parts -= grouped_products(self._common[None], moved)
        parts *= self.inverse[:, None]
        return np.concatenate([parts, grouped_products(self._row_moves, weighted)], axis=1)

    def _block_parts(self, weighted: Floats) -> tuple[Floats, float]:
        """Sums of influences over blocks, and over arrays after them; their degrees of freedom."""
        one, points = self._regression, self._regression.points
        if points is None or not points.is_cut:
            return self._moved(weighted, one.n_blocks), one.n_blocks - 1.0
        parts = np.sqrt(points.inflation) * self._moved(one.unbalanced(weighted), one.n_blocks)
        if points.n_arrays:
            parts = np.concatenate([parts, self._moved(weighted, points.n_arrays)])
        return parts, float(points.degrees_of_freedom)

    def _moved(self, weighted: Floats, n_blocks: int) -> Floats:
        """Sums (n_blocks, n_features + 2, n_columns) of influences over equal blocks of samples."""
        one = self._regression
        scores = one.block_adjoints(weighted, n_blocks)
        d, n_columns = scores.shape[1:]
        right = scores.transpose(1, 0, 2).reshape(d, -1)
        moved = one.solve(np.arange(d), self._ridge, right, ROUGH).reshape(d, n_blocks, n_columns)
        rows = block_products(self._row_moves, weighted, n_blocks)
        return np.concatenate([moved.transpose(1, 0, 2), rows], axis=1)


def influences_of(
    regression: WeightedRegression, features: Codes, ridge: float
) -> LinearInfluences | WideInfluences:
    """Influences of samples on a linear fit to some features."""
    if isinstance(regression, WideRegression) and features.size < regression.design.shape[0]:
        regression, features = regression.restrict(features), np.arange(features.size)
    if isinstance(regression, WideRegression):
        if ridge not in regression.influences:
            regression.influences[ridge] = WideInfluences(regression, ridge)
        found: WideInfluences = regression.influences[ridge]
        return found
    return LinearInfluences(regression, features, ridge)
