"""Weighted least squares on samples near a row, with standard errors from independent blocks of samples.

With D the design, y the predictions and W the weights, D and y centered at their weighted means, ridge
coefficients solve

    (D W D' + ridge I) b = D W y

Samples come in independent blocks (within a block they are quasi-random, so they depend on each other). With
residuals e, a block's score is its part of D W e, and to first order the block moves b by
(D W D' + ridge I)^-1 score. The standard error of b is the spread of these influences between blocks.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

_ROUNDING = 1e-13
"""Spread of the predictions, relative to their mean, below which they are constant up to rounding."""


_SMALLEST_SQUARE, _LARGEST = 1e-300, 1e150


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
    row_weight : float
        Weight that a sample in the row's place would have.
    row_effects : (n_outputs,) or 0
        Effects of what no sample has, in the row's predictions.
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
        row_weight: float = 1.0,
        row_effects: Floats | float = 0.0,
    ) -> None:
        self.design, self.weights, self.predictions = design, weights, predictions
        self.row_design, self.row_predictions = row_design, row_predictions
        self.n_blocks, self.origin = n_blocks, origin
        self.row_weight, self.row_effects = row_weight, row_effects
        self.targets = predictions - row_predictions
        root = np.sqrt(weights)
        scaled = design * root
        self.total_weight = float(weights.sum())
        self.design_mean = scaled @ root / self.total_weight
        self.target_mean = weights @ self.targets / self.total_weight
        centered = (self.targets - self.target_mean) * root[:, None]
        squares = np.einsum("nc,nc->c", centered, centered)
        if not ((squares >= _SMALLEST_SQUARE) & (squares < np.inf)).all():
            self._check_squares()
        with np.errstate(over="ignore"):  # `explain` refuses predictions of such a size
            varies = squares > (_ROUNDING * self.target_mean) ** 2 * self.total_weight
        # One symmetric product is the cost of a fit, so the design is not centered but the product is.
        self.gram = scaled @ scaled.T - self.total_weight * np.outer(self.design_mean, self.design_mean)
        cross = scaled @ centered - np.outer(self.design_mean, root @ centered)
        self.cross, self.total_squares = np.where(varies, cross, 0.0), np.where(varies, squares, 0.0)

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
    def effective_samples(self) -> float:
        """Kish's effective sample size."""
        return float(self.weights.sum() ** 2 / np.square(self.weights).sum())

    def single_output(self, output: int) -> WeightedRegression:
        """The regression of one output, its moments taken over."""
        one, part = copy(self), slice(output, output + 1)
        one.predictions, one.targets = self.predictions[:, part], self.targets[:, part]
        one.row_predictions, one.target_mean = self.row_predictions[part], self.target_mean[part]
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

    def weighted_residuals(self, residuals: Floats) -> Floats:
        """W e (n_samples, n_outputs), less what the design of the points balances."""
        return self.unbalanced(self.weights[:, None] * residuals)

    def unbalanced(self, columns: Floats) -> Floats:
        return columns

    @property
    def has_whole_blocks(self) -> bool:
        return 1 < self.n_blocks < self.n_samples

    def block_scores(self, weighted_residuals: Floats) -> Floats:
        """D W e of each block, (n_blocks, n_features, n_columns)."""
        d, size = self.design.shape[0], self.n_samples // self.n_blocks
        blocks = weighted_residuals.reshape(self.n_blocks, size, -1)
        products = self.design.reshape(d, self.n_blocks, size).transpose(1, 0, 2) @ blocks
        return products - self.design_mean[:, None] * (np.ones(size) @ blocks)[:, None, :]

    def coefficient_influences(self, features: Codes, ridge: float, weighted_residuals: Floats) -> Floats:
        """How much each block moves the coefficients of some features, (n_blocks, n, n_columns)."""
        scores = self.block_scores(weighted_residuals)[:, features]
        n_blocks, n, n_columns = scores.shape
        flat = scores.transpose(1, 0, 2).reshape(n, n_blocks * n_columns)
        return self.solve(features, ridge, flat).reshape(n, n_blocks, n_columns).transpose(1, 0, 2)

    def halves(self) -> tuple[WeightedRegression, WeightedRegression]:
        """Regressions of later and of earlier samples, independent of each other, of the total weight of all."""
        unit = self.n_samples // self.n_blocks if self.has_whole_blocks else 1
        n_first = (self.n_samples // unit + 1) // 2 * unit
        return self._part(slice(n_first, None), unit), self._part(slice(0, n_first), unit)

    def _part(self, samples: slice, unit: int) -> WeightedRegression:
        weights = self.weights[samples]
        return WeightedRegression(
            self.design[:, samples],
            weights * (self.n_samples / weights.size),
            self.predictions[samples],
            self.row_design,
            self.row_predictions,
            weights.size // unit,
            self.origin,
            self.row_weight,
            self.row_effects,
        )


def standard_error(influences: Floats, n_samples: int, n_fitted: int) -> Floats:
    """Standard error (...) of a sum of independent blocks (n_blocks, ...), `n_fitted` coefficients fitted."""
    n_blocks = influences.shape[0]
    deviations = influences - influences.mean(axis=0)
    # Residuals are smaller than errors by the degrees of freedom that the fit has taken.
    factor = n_blocks / (n_blocks - 1) * n_samples / max(n_samples - n_fitted, 1)
    with np.errstate(over="ignore"):  # `explain` refuses predictions of such a size
        return np.sqrt(factor * np.square(deviations).sum(axis=0))
