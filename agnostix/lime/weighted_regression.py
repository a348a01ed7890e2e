"""Weighted least squares on samples near a row, with standard errors from independent blocks of samples.

With D the design, y the predictions and W the weights, D and y centered at their weighted means, ridge
coefficients solve

    (D W D' + ridge I) b = D W y

Samples come in blocks. With residuals e, a block's score is its part of D W e, and to first order the block
moves b by (D W D' + ridge I)^-1 score. The standard error of b is the spread of these influences between
blocks, less what the design of the samples balances (`core.designs`).
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.designs import Design, standard_error
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

_ROUNDING = 1e-13
"""Spread of the predictions, relative to their mean, below which they are constant up to rounding."""


_SMALLEST_SQUARE, _LARGEST = 1e-300, 1e150
_LEAST_BLOCKS = 6
"""Whole arrays of which the spread tests a selection; with fewer it is that of single samples."""


class WeightedRegression:
    """Weighted samples near a row, and their centered moments.

    Attributes
    ----------
    design : (n_features, n_samples)
    weights : (n_samples,)
    predictions : (n_samples, n_outputs)
    row_design : (n_features,)
        Design of the explained row, which is no sample itself.
    row_predictions : (n_outputs,)
    n_blocks : int
        Independent blocks of equal size; 0 if the samples are exhaustive, so that nothing varies.
    origin : (n_features,) or 0
        What has been subtracted from `design` and `row_design`.
    points : Design or None
        Where samples come from; None if blocks are independent whatever is summed.
    dims : int (n_features,) or None
        Dimension of the points that each feature is a function of; None if of all.
    row_weight : float
        Weight that a sample in the row's place would have.
    row_effects : (n_outputs,) or 0
        Effects of what no sample has, in the row's predictions.
    sizes : (n_outputs,)
        How far predictions elsewhere differ from the row's, for outputs that samples all have the same of;
        NaN if unknown.
    targets : (n_samples, n_outputs)
        Predictions minus that of the row, so that those of a constant model are exactly 0.
    total_weight : float
    design_mean : (n_features,)
    target_mean : (n_outputs,)
    gram : (n_features, n_features)
        D W D', centered.
    cross : (n_features, n_outputs)
        D W y, centered.
    total_squares : (n_outputs,)
        y' W y, centered.
    """

    def __init__(
        self,
        design: Floats,
        weights: Floats,
        predictions: Floats,
        row_design: Floats,
        row_predictions: Floats,
        n_blocks: int,
        origin: Floats | float = 0.0,
        points: Design | None = None,
        dims: Codes | None = None,
        row_weight: float = 1.0,
        row_effects: Floats | float = 0.0,
        sizes: Floats | float = np.nan,
    ) -> None:
        self.design, self.weights, self.predictions = design, weights, predictions
        self.row_design, self.row_predictions = row_design, row_predictions
        self.n_blocks, self.origin = n_blocks, origin
        self.row_weight, self.row_effects = row_weight, row_effects
        self.sizes = np.broadcast_to(sizes, row_predictions.shape)
        self.points, self.dims = points, dims
        self.targets = predictions - row_predictions
        root = np.sqrt(weights)
        self.total_weight = float(weights.sum())
        self.target_mean = weights @ self.targets / self.total_weight
        centered = (self.targets - self.target_mean) * root[:, None]
        squares = np.einsum("nc,nc->c", centered, centered)
        if not ((squares >= _SMALLEST_SQUARE) & (squares < np.inf)).all():
            self._check_squares()
        with np.errstate(over="ignore"):  # `explain` refuses predictions of such a size
            varies = squares > (_ROUNDING * self.target_mean) ** 2 * self.total_weight
        self.gram, cross = self._take_moments(root, centered)
        self.cross, self.total_squares = np.where(varies, cross, 0.0), np.where(varies, squares, 0.0)

    def _take_moments(self, root: Floats, centered: Floats) -> tuple[Any, Floats]:
        """The Gram matrix, and D W y from centered targets, both with the roots of the weights in them."""
        scaled = self.design * root
        self.design_mean = scaled @ root / self.total_weight
        # One symmetric product is the cost of a fit, so the design is not centered but the product is.
        gram = scaled @ scaled.T - self.total_weight * np.outer(self.design_mean, self.design_mean)
        return gram, scaled @ centered - np.outer(self.design_mean, root @ centered)

    @property
    def gram_diagonal(self) -> Floats:
        """Sums of squares (n_features,) of the centered design."""
        return np.diag(self.gram)

    def gram_column(self, feature: int) -> Floats:
        """Products (n_features,) of all features with one."""
        return np.asarray(self.gram[:, feature])

    def whole_gram(self) -> Floats:
        """All products (n_features, n_features)."""
        return np.asarray(self.gram)

    def times_gram(self, v: Floats) -> Floats:
        """D W D' v, of v (n_features, ...)."""
        return np.asarray(self.gram @ v)

    def _check_squares(self) -> None:
        """DataError for predictions that differ, beyond rounding, by what has no square."""
        spread = np.ptp(self.targets, axis=0)
        is_lost = (spread > _ROUNDING * np.abs(self.row_predictions)) & (spread < np.sqrt(_SMALLEST_SQUARE))
        if is_lost.any() or spread.max() > _LARGEST:
            seen = spread.max() if spread.max() > _LARGEST else spread[is_lost].max()
            raise DataError(
                "LimeExplainer squares predictions, whose differences must be between 1e-150 and 1e+150, and "
                f"those near a row reach {seen:.3g}. Pass a function that divides them by "
                f"1e{int(np.floor(np.log10(seen)))}."
            )

    @property
    def n_samples(self) -> int:
        return self.weights.size

    @property
    def is_independent(self) -> bool:
        """Whether single samples are independent, so that no blocks are needed."""
        return self.n_blocks == self.n_samples if self.points is None else self.points.draw.n_levels == 1

    @property
    def unit(self) -> int:
        """Samples that belong together: an array, a block, or one sample."""
        if self.is_independent:
            return 1
        return self.n_samples // self.n_blocks if self.points is None else self.points.draw.n_runs

    @property
    def effective_samples(self) -> float:
        """Kish's effective sample size."""
        return float(self.weights.sum() ** 2 / np.square(self.weights).sum())

    def single_output(self, output: int) -> WeightedRegression:
        """The regression of one output, its moments taken over."""
        one, part = copy(self), slice(output, output + 1)
        one.predictions, one.targets = self.predictions[:, part], self.targets[:, part]
        one.row_predictions, one.target_mean = self.row_predictions[part], self.target_mean[part]
        one.sizes = self.sizes[part]
        one.cross, one.total_squares = self.cross[:, part], self.total_squares[part]
        return one

    def solve(self, features: Codes, ridge: float, right: Floats) -> Floats:
        """(gram + ridge I)^-1 right for some features, (n, n_columns); of minimum norm without a ridge."""
        gram = self.gram
        if features.size < gram.shape[0]:
            gram = gram[features[:, None], features]
        if ridge > 0:
            solution = np.linalg.solve(gram + ridge * np.eye(features.size), right)
        else:
            solution = np.linalg.lstsq(gram, right, rcond=None)[0]
        return np.asarray(solution, dtype=np.float64)

    def residuals(self, coefficients: Floats, intercept: Floats | None = None) -> Floats:
        """Residuals (n_samples, n_outputs); the intercept is least squares' own unless given."""
        if intercept is None:
            intercept = self.target_mean - self.design_mean @ coefficients
        return self.targets - intercept - self.design.T @ coefficients

    def block_scores(self, weighted_residuals: Floats) -> Floats:
        """D W e (n, n_features, n_columns) of blocks, less what the points balance, and of arrays."""
        design, points = self.design, self.points
        scores = self._block_products(design, weighted_residuals, self.n_blocks)
        if points is None or not points.is_cut:
            return scores
        balanced = self._block_products(
            self.own_part, points.additive_part(weighted_residuals), self.n_blocks
        )
        parts = np.sqrt(points.inflation) * (scores - balanced)
        if not points.n_arrays:
            return parts
        return np.concatenate([parts, scores.reshape(points.n_arrays, -1, *scores.shape[1:]).sum(axis=1)])

    def _block_products(self, design: Floats, columns: Floats, n_blocks: int) -> Floats:
        """Sums over blocks of design (n_features, n_samples), centered, times columns."""
        d, size = design.shape[0], self.n_samples // n_blocks
        blocks = columns.reshape(n_blocks, size, -1)
        products = design.reshape(d, n_blocks, size).transpose(1, 0, 2) @ blocks
        return products - self.design_mean[:, None] * (np.ones(size) @ blocks)[:, None, :]

    @cached_property
    def own_part(self) -> Floats:
        """What the design of the points sees of D, (n_features, n_samples)."""
        assert self.points is not None
        if self.dims is None:
            return self.points.additive_part(self.design.T).T.copy()
        return self.points.own_part(self.design, self.dims)

    def coefficient_influences(self, features: Codes, ridge: float, weighted_residuals: Floats) -> Floats:
        """How much each block moves the coefficients of some features, (n_blocks, n, n_columns)."""
        scores = self.block_scores(weighted_residuals)[:, features]
        n_blocks, n, n_columns = scores.shape
        flat = scores.transpose(1, 0, 2).reshape(n, n_blocks * n_columns)
        return self.solve(features, ridge, flat).reshape(n, n_blocks, n_columns).transpose(1, 0, 2)

    def block_sums(self, columns: Floats) -> Floats:
        """Sums of columns (n_samples, n_columns) over blocks, as `block_scores`' are."""
        points, size = self.points, self.n_samples // self.n_blocks
        ones = np.ones((1, size))  # a product is faster than a sum of few columns
        sums = (ones @ columns.reshape(self.n_blocks, size, -1))[:, 0]
        if points is None or not points.is_cut:
            return sums
        rest = self.unbalanced(columns)
        parts = np.sqrt(points.inflation) * (ones @ rest.reshape(self.n_blocks, size, -1))[:, 0]
        if not points.n_arrays:
            return parts
        return np.concatenate([parts, sums.reshape(points.n_arrays, -1, sums.shape[1]).sum(axis=1)])

    def unbalanced(self, columns: Floats) -> Floats:
        """Columns (n_samples, n_columns) less the additive function of the points' levels nearest to them."""
        assert self.points is not None
        return columns - self.points.additive_part(columns)

    def standard_error(self, influences: Floats, n_fitted: int) -> Floats:
        """Standard error (...) of a sum over blocks, and arrays (n, ...), `n_fitted` coefficients fitted."""
        # Residuals are smaller than errors by the degrees of freedom that the fit has taken.
        factor = self.n_samples / max(self.n_samples - n_fitted, 1)
        with np.errstate(over="ignore"):  # `explain` refuses predictions of such a size
            return np.sqrt(factor) * standard_error(influences, self.n_blocks)

    def halves(self) -> tuple[WeightedRegression, WeightedRegression]:
        """Regressions of later and of earlier samples, independent of each other, of the total weight of all.

        Half an array is not balanced, so that its samples are taken as independent.
        """
        if self.points is not None:
            n_first, points, n_later = split_points(self.points)
            n_blocks = (n_first if points is None else points.n_blocks), n_later
        else:
            unit, points = self.unit, None
            n_first = (self.n_samples // unit + 1) // 2 * unit
            n_blocks = n_first // unit, (self.n_samples - n_first) // unit
        return (
            self._part(slice(n_first, None), n_blocks[1], None),
            self._part(slice(0, n_first), n_blocks[0], points),
        )

    def _part(self, samples: slice, n_blocks: int, points: Design | None) -> WeightedRegression:
        weights = self.weights[samples]
        return self._of_samples(samples, weights * (self.n_samples / weights.size), n_blocks, points)

    def _of_samples(
        self, samples: slice, weights: Floats, n_blocks: int, points: Design | None
    ) -> WeightedRegression:
        return WeightedRegression(
            self.design[:, samples],
            weights,
            self.predictions[samples],
            self.row_design,
            self.row_predictions,
            n_blocks,
            self.origin,
            points,
            self.dims,
            self.row_weight,
            self.row_effects,
            self.sizes,
        )


def split_points(points: Design) -> tuple[int, Design | None, int]:
    """Samples of the first half, where they come from (None: independent), and blocks of the second one."""
    n_draws = (points.n_draws + 1) // 2
    if points.n_draws == 1:
        n = (points.n_points + 1) // 2
        return n, None, points.n_points - n
    first = points.first(n_draws * points.draw.n_runs)
    n_later = points.n_draws - n_draws
    return first.n_points, first, n_later if n_later >= _LEAST_BLOCKS else points.n_points - first.n_points
