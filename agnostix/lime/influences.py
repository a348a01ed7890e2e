"""How much each sample moves what a surrogate says: standard errors, their freedom, and left-out residuals.

With D the centered design (n_features, n_samples), W the weights, A = D W D' + ridge I and residuals e,
sample i moves the coefficients by A^-1 D_i w_i e_i to first order, and has the leverage
h_i = w_i (1 / sum(w) + D_i' A^-1 D_i). A fit without it errs by e_i / (1 - h_i) on it, which is exact (PRESS:
Allen, 1974, https://doi.org/10.1080/00401706.1974.10489157). Standard errors are the spread of sums over
independent blocks, or over single samples, where e_i / sqrt(1 - h_i) makes up for the fit (HC2: MacKinnon and
White, 1985, https://doi.org/10.1016/0304-4076(85)90158-7). Degrees of freedom are those of Satterthwaite: few
samples in a bin, or few that carry the residuals, know less.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from agnostix.core.designs import standard_error
from agnostix.core.typing import Codes, Floats
from agnostix.lime.weighted_regression import WeightedRegression

N_COMPONENTS = 16
"""Components of the error that rows share."""
LEAST_GROUPS = 4
"""Whole arrays whose spread is an error; with fewer, samples are taken as independent, which they exceed."""
_LEAST = 1e-8
"""Least 1 - h."""
_TINY = 1e-300


class Spread(NamedTuple):
    """Standard errors and degrees of freedom (...), and components (..., N_COMPONENTS) of the errors."""

    errors: Floats
    dof: Floats
    components: Floats


class LinearInfluences:
    """Influences of samples on a linear fit to some features.

    Attributes
    ----------
    moves : (n_features + 2, n_samples)
        Change of the coefficients, of the prediction for the row, and of that for a design of 0, by weighted
        residual.
    leverages : (n_samples,)
    """

    def __init__(self, regression: WeightedRegression, features: Codes, ridge: float) -> None:
        n, mean = features.size, 1.0 / regression.total_weight
        base = np.broadcast_to(-np.asarray(regression.origin), regression.design_mean.shape)
        distances = (np.stack([regression.row_design, base]) - regression.design_mean)[:, features]
        factors = regression.solve(features, ridge, np.eye(n))
        self._factors = np.concatenate([factors, distances @ factors])
        self._features, self._regression = features, regression
        self.moves = self._of_samples(regression.design)
        # One product with the design is most of the work.
        design = regression.design if n == regression.design.shape[0] else regression.design[features]
        squares = np.einsum("fn,fn->n", design, self.moves[:n])
        squares -= regression.design_mean[features] @ self.moves[:n]
        self.leverages = regression.weights * (mean + squares)
        self._left = np.maximum(1.0 - self.leverages, _LEAST)[:, None]

    def _of_samples(self, design: Floats) -> Floats:
        """Moves (n_features + 2, n_samples) of a design (n_all_features, n_samples)."""
        one, features = self._regression, self._features
        moves = self._factors @ (design if features.size == design.shape[0] else design[features])
        moves -= (self._factors @ one.design_mean[features])[:, None]
        moves[features.size :] += 1.0 / one.total_weight
        return moves

    def spread(self, residuals: Floats) -> Spread:
        """Of the moved numbers (n_features + 2, n_columns), from residuals (n_samples, n_columns)."""
        one, n = self._regression, self._regression.n_samples
        with np.errstate(over="ignore", invalid="ignore"):  # `explain` refuses predictions of such a size
            weighted = one.weights[:, None] * residuals / np.sqrt(self._left)
            dof, variance = freedom_of_moves(self.moves, weighted, one.weights)
            if one.is_independent:
                parts = grouped_products(self.moves, weighted)
                errors, most = np.sqrt(variance * n / (n - 1.0)), max(n - self._features.size - 1.0, 1.0)
            else:
                parts, most = self._block_parts(weighted)
                errors = standard_error(parts, one.n_blocks)
                parts = parts[-(int(most) + 1) :]
        return Spread(errors, np.clip(dof, 1.0, most), components_of_parts(parts, errors))

    def _block_parts(self, weighted: Floats) -> tuple[Floats, float]:
        """Sums (n, n_features + 2, n_columns) of blocks, and of arrays; their degrees of freedom."""
        one, points = self._regression, self._regression.points
        sums = block_products(self.moves, weighted, one.n_blocks)
        if points is None or not points.is_cut:
            return sums, one.n_blocks - 1.0
        own = self._of_blocks(one.own_part, points.additive_part(weighted))
        parts = np.sqrt(points.inflation) * (sums - own)
        if points.n_arrays:
            arrays = sums.reshape(points.n_arrays, -1, *sums.shape[1:]).sum(axis=1)
            parts = np.concatenate([parts, arrays])
        return parts, float(points.degrees_of_freedom)

    def _of_blocks(self, design: Floats, residuals: Floats) -> Floats:
        """Products (n_blocks, n_features + 2, n_columns) of residuals and of moves, which are not held."""
        one, features = self._regression, self._features
        used = design if features.size == design.shape[0] else design[features]
        out = self._factors @ block_products(used, residuals, one.n_blocks)
        totals = residuals.reshape(one.n_blocks, 1, -1, residuals.shape[1]).sum(axis=2)
        out -= (self._factors @ one.design_mean[features])[:, None] * totals
        out[:, features.size :] += totals / one.total_weight
        return np.asarray(out, dtype=np.float64)

    def usual_changes(self) -> Floats:
        """Of all that samples would change (n_features + 2,), what one of those that change much would."""
        moves = np.abs(self.moves) * self._regression.weights
        squares = np.square(moves)
        return np.asarray((squares * moves).sum(axis=1) / np.maximum(squares.sum(axis=1), _TINY))

    def leave_out(self, residuals: Floats) -> Floats:
        """Residuals (n_samples, n_columns) of fits without the sample."""
        return residuals / self._left


def spread_of_sums(regression: WeightedRegression, influences: Floats) -> tuple[Floats, Floats]:
    """Standard errors and degrees of freedom (n_columns,) of sums of influences (n_samples, n_columns)."""
    n = influences.shape[0]
    squares = influences**2
    dof = freedom(squares.sum(axis=0), (squares**2).sum(axis=0), float(n))
    if regression.is_independent:
        errors, most = np.sqrt(squares.sum(axis=0) * n / (n - 1.0)), n - 1.0
    else:
        points = regression.points
        if points is not None and points.n_arrays:  # all that arrays balance is in their spread
            sums = influences.reshape(points.n_draws, -1, influences.shape[1]).sum(axis=1)
        else:
            sums = regression.block_sums(influences)
        errors, most = spread_of_parts(sums), len(sums) - 1.0
    return errors, np.clip(dof, 1.0, most)


def spread_of_parts(parts: Floats) -> Floats:
    """Standard error (...) of a sum of independent parts (n_parts, ...)."""
    n_parts = parts.shape[0]
    with np.errstate(over="ignore"):  # `explain` refuses predictions of such a size
        return np.sqrt(n_parts / (n_parts - 1.0) * np.square(parts - parts.mean(axis=0)).sum(axis=0))


def components_of_parts(parts: Floats, errors: Floats, centered: bool = False) -> Floats:
    """Components (..., N_COMPONENTS) of errors (...) along independent parts (n_parts, ...) of their sum."""
    parts = parts if centered else parts - parts.mean(axis=0)
    if parts.shape[0] > N_COMPONENTS:
        starts = np.arange(N_COMPONENTS) * parts.shape[0] // N_COMPONENTS
        parts = np.add.reduceat(parts, starts, axis=0)
    length = np.sqrt(np.square(parts).sum(axis=0))
    ratio = np.divide(errors, length, out=np.zeros_like(length), where=length > 0)
    whole = np.zeros((*errors.shape, N_COMPONENTS))
    whole[..., : parts.shape[0]] = np.moveaxis(parts * ratio, 0, -1)
    return whole


def sample_groups(regression: WeightedRegression, n_groups: int, exactly: bool = False) -> Codes:
    """First samples of groups that do not depend on each other: whole arrays, n_groups of them at most."""
    n, unit = regression.n_samples, regression.unit
    if n // unit < (n_groups if exactly else LEAST_GROUPS):
        unit = 1
    n_units = n // unit
    n_groups = min(n_groups, n_units)
    return np.arange(n_groups) * n_units // n_groups * unit


def r2_score(regression: WeightedRegression, left_out: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted R2 of left-out residuals, its error and degrees of freedom; NaN for constant predictions."""
    weights, varies = regression.weights, regression.total_squares > 0
    deviations = regression.targets - regression.target_mean
    if regression.n_blocks:
        deviations = deviations / np.maximum(1.0 - weights / regression.total_weight, _LEAST)[:, None]
    with np.errstate(over="ignore", invalid="ignore"):  # `explain` refuses predictions of such a size
        squares = deviations**2
        total = np.where(varies, weights @ squares, 1.0)
        lost = left_out**2
        r2 = np.where(varies, 1.0 - weights @ lost / total, np.nan)
        if not regression.n_blocks:
            return r2, np.zeros_like(r2), np.full_like(r2, np.inf)
        influences = weights[:, None] * (lost - (1.0 - r2) * squares) / total
        errors, dof = spread_of_sums(regression, influences)
        errors = np.maximum(errors, (1.0 - r2) / regression.n_samples)  # what one sample can make of it
    return r2, errors, dof


def freedom_of_moves(moves: Floats, weighted: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Degrees of freedom of moves @ weighted residuals, and its variance over single samples."""
    squares = moves * moves
    squared, weight = weighted**2, weights**2
    both = squares @ np.column_stack([squared, weight])
    np.multiply(squares, squares, out=squares)
    fourth = squares @ np.column_stack([squared**2, weight**2])
    n_moved = np.divide(
        both[:, -1:] ** 2, fourth[:, -1:], out=np.ones((len(moves), 1)), where=fourth[:, -1:] > 0
    )
    return freedom(both[:, :-1], fourth[:, :-1], n_moved), both[:, :-1]


def freedom(second: Floats, fourth: Floats, n_moved: Floats | float) -> Floats:
    """Degrees of freedom of a variance with sums of squares and of fourth powers, over n_moved samples.

    2 / (kurtosis - 1) a sample, as the variance of a variance has it: n for normal residuals, twice the
    number of samples where a few carry all.
    """
    share = np.divide(fourth, second**2, out=np.zeros(np.shape(second)), where=second > 0)
    excess = np.maximum(share - 1.0 / n_moved, 1e-12)
    return np.minimum(2.0 / excess, np.maximum(n_moved - 1.0, 1.0))


def block_products(moves: Floats, residuals: Floats, n_blocks: int) -> Floats:
    """Products (n_blocks, m, n_columns) of moves (m, n) and residuals (n, n_columns) of each block."""
    m, size = moves.shape[0], moves.shape[1] // n_blocks
    return moves.reshape(m, n_blocks, size).transpose(1, 0, 2) @ residuals.reshape(n_blocks, size, -1)


def grouped_products(moves: Floats, residuals: Floats) -> Floats:
    """The same of N_COMPONENTS groups, or one for each sample if there are fewer."""
    n = moves.shape[1]
    n_groups = min(N_COMPONENTS, n)
    ends = np.arange(n_groups + 1) * n // n_groups
    return np.stack([moves[:, a:b] @ residuals[a:b] for a, b in pairwise(ends)])
