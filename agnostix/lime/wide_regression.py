"""Weighted least squares on many features that are zeros and ones, without their Gram matrix.

With x the centered design and W the weights, A = x W x' + ridge I is solved by conjugate gradients,
preconditioned by its diagonal: samples of independent features, ten for each, leave its eigenvalues within a
factor of four of that, so that some 25 products with the design are enough, whatever the number of features.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from agnostix.core.designs import Design
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.indicators import IndicatorDesign
from agnostix.lime.weighted_regression import WeightedRegression

MOST_DENSE = 512
"""Features up to which a design is held as numbers, and its Gram matrix is factorized."""
MOST_GRAM = 2048
"""Features up to which a whole Gram matrix is held, which the lasso's path needs."""
TOLERANCE, ROUGH = 1e-11, 1e-4
"""Relative residuals of coefficients, and of what only errors are made of."""
_MORE_STEPS = 1000


class WideRegression(WeightedRegression):
    """A regression on an `IndicatorDesign`; `are_exchangeable` if it is of masks, which have a size."""

    design: Any

    def __init__(
        self,
        design: IndicatorDesign,
        weights: Floats,
        predictions: Floats,
        row_design: Floats,
        row_predictions: Floats,
        n_blocks: int,
        points: Design | None = None,
        dims: Codes | None = None,
        row_weight: float = 1.0,
        row_effects: Floats | float = 0.0,
        sizes: Floats | float = np.nan,
        are_exchangeable: bool = False,
    ) -> None:
        self.are_exchangeable = are_exchangeable
        self.influences: dict[float, Any] = {}  # by ridge: outputs have the same
        super().__init__(
            design,  # type: ignore[arg-type]
            weights,
            predictions,
            row_design,
            row_predictions,
            n_blocks,
            points=points,
            dims=dims,
            row_weight=row_weight,
            row_effects=row_effects,
            sizes=sizes,
        )

    def single_output(self, output: int) -> WideRegression:
        """The regression of one output by itself, to the bit the same whatever others there are."""
        common, part = self._of_features(slice(None)), slice(output, output + 1)
        for name in ("row_predictions", "row_effects", "sizes"):
            common[name] = np.broadcast_to(common[name], self.row_predictions.shape)[part]
        common["predictions"] = np.ascontiguousarray(self.predictions[:, part])
        one = WideRegression(self.design, are_exchangeable=self.are_exchangeable, **common)
        one.influences = self.influences
        return one

    def _take_moments(self, root: Floats, centered: Floats) -> tuple[Any, Floats]:
        self.design_mean = self.design.means(self.weights)
        self.signs = self.design.signs
        shares = np.where(self.design.is_flipped, 1.0 - self.design_mean, self.design_mean)
        self.shares = np.clip(shares, 0.0, 1.0)  # of ones among the indicators, weighted
        return None, self.centered_adjoint(root[:, None] * centered)

    @property
    def gram_diagonal(self) -> Floats:
        return self.total_weight * self.shares * (1.0 - self.shares)

    def gram_column(self, feature: int) -> Floats:
        one = np.zeros((self.design.shape[0], 1))
        one[feature] = 1.0
        return self.times_gram(one)[:, 0]

    def whole_gram(self) -> Floats:
        d = self.design.shape[0]
        if d > MOST_GRAM:
            raise DataError(
                f"The lasso's path of LimeExplainer needs the correlations of all {d} features, and "
                f"takes {MOST_GRAM} features at most. Use feature_selection='highest_weights' or "
                "'forward_selection' with surrogate='ridge', or fewer features (feature_groups, or coarser "
                "segments of the masker)."
            )
        steps = range(0, d, 256)
        return np.concatenate([self.times_gram(np.eye(d)[:, start : start + 256]) for start in steps], axis=1)

    def centered_product(self, v: Floats) -> Floats:
        """X' v, (n_samples, n_columns), of v (n_features, n_columns)."""
        signed = self.signs[:, None] * v
        return self.design.indicators.product(signed) - self.shares @ signed

    def centered_adjoint(self, u: Floats) -> Floats:
        """X u, (n_features, n_columns), of u (n_samples, n_columns)."""
        total = u.sum(axis=0)
        return self.signs[:, None] * (self.design.indicators.adjoint(u) - self.shares[:, None] * total)

    def block_adjoints(self, u: Floats, n_blocks: int) -> Floats:
        """`centered_adjoint` of equal blocks of samples one by one, (n_blocks, n_features, n_columns)."""
        ends = np.arange(n_blocks + 1) * self.n_samples // n_blocks
        parts = []
        for start, end in pairwise(ends.tolist()):
            part, block = u[start:end], self.design.indicators.samples(slice(start, end))
            parts.append(block.adjoint(part) - self.shares[:, None] * part.sum(axis=0))
        return np.stack(parts) * self.signs[:, None]

    def power_sums(self, u: Floats, power: int) -> Floats:
        """Sums of u (n_samples, n_columns) times powers of x, (n_features, n_columns)."""
        inside = self.design.indicators.adjoint(u)
        own, other = (self.signs * part for part in (1.0 - self.shares, -self.shares))
        return own[:, None] ** power * inside + other[:, None] ** power * (u.sum(axis=0) - inside)

    def square_product(self, v: Floats) -> Floats:
        """Sums over features of v (n_features,) times the squares of x, (n_samples,)."""
        change = (1.0 - self.shares) ** 2 - self.shares**2
        sums = self.design.indicators.product((change * v)[:, None])[:, 0]
        return np.asarray(sums + np.square(self.shares) @ v)

    def times_gram(self, v: Floats) -> Floats:
        """D W D' v, (n_features, n_columns)."""
        signed = self.signs[:, None] * v
        # The weighted sum of what is multiplied is 0, so that centering on one side is enough.
        product = self.design.indicators.normal(signed, self.shares @ signed, self.weights)
        return np.asarray(self.signs[:, None] * product)

    def solve(self, features: Codes, ridge: float, right: Floats, tolerance: float = TOLERANCE) -> Floats:
        if features.size < self.design.shape[0]:
            return self.restrict(features).solve(np.arange(features.size), ridge, right)
        return conjugate_gradients(
            lambda v: self.times_gram(v) + ridge * v, self.gram_diagonal + ridge, right, tolerance
        )

    def residuals(self, coefficients: Floats, intercept: Floats | None = None) -> Floats:
        if intercept is None:
            return self.targets - self.target_mean - self.centered_product(coefficients)
        return self.targets - intercept - self.design.product(coefficients)

    def block_scores(self, weighted_residuals: Floats) -> Floats:
        points = self.points
        if points is None or not points.is_cut:
            return self.block_adjoints(weighted_residuals, self.n_blocks)
        parts = np.sqrt(points.inflation) * self.block_adjoints(
            self.unbalanced(weighted_residuals), self.n_blocks
        )
        if not points.n_arrays:
            return parts
        return np.concatenate([parts, self.block_adjoints(weighted_residuals, points.n_arrays)])

    def unbalanced(self, u: Floats) -> Floats:
        """U (n_samples, n_columns) less the additive function of the points' levels nearest to it."""
        assert self.points is not None
        if self.dims is None or self.dims.size < self.points.n_dims:
            return super().unbalanced(u)
        mean = u.mean(axis=0)
        if self.points.n_merged_levels < 2:
            return u - mean
        # The levels are the sides of 1/2: whether a feature is kept.
        sums = self.design.indicators.adjoint(u - mean)
        n_kept = self.design.indicators.adjoint(np.ones((self.n_samples, 1)))
        kept, hidden = sums / n_kept, -sums / (self.n_samples - n_kept)
        return np.asarray(u - mean - self.design.indicators.product(kept - hidden) - hidden.sum(axis=0))

    def restrict(self, features: Codes) -> WeightedRegression:
        """The regression on some features alone, with a design of numbers if they are not many."""
        if features.size <= MOST_DENSE:
            return self.to_numbers(features)
        design, common = self.design.features(features), self._of_features(features)
        return WideRegression(design, are_exchangeable=self.are_exchangeable, **common)

    def to_numbers(self, features: Codes) -> WeightedRegression:
        """The regression on some features alone, with a design of numbers."""
        return WeightedRegression(self.design.features(features).to_numbers(), **self._of_features(features))

    def _of_features(self, features: Codes | slice) -> dict[str, Any]:
        """What a regression on some features is made of, but for their design."""
        return {
            "weights": self.weights,
            "predictions": self.predictions,
            "row_design": self.row_design[features],
            "row_predictions": self.row_predictions,
            "n_blocks": self.n_blocks,
            "points": self.points,
            "dims": None if self.dims is None else self.dims[features],
            "row_weight": self.row_weight,
            "row_effects": self.row_effects,
            "sizes": self.sizes,
        }

    def _of_samples(
        self, samples: slice, weights: Floats, n_blocks: int, points: Design | None
    ) -> WeightedRegression:
        return WideRegression(
            self.design.samples(samples),
            weights,
            self.predictions[samples],
            self.row_design,
            self.row_predictions,
            n_blocks,
            points,
            self.dims,
            self.row_weight,
            self.row_effects,
            self.sizes,
            self.are_exchangeable,
        )


def conjugate_gradients(product: Any, diagonal: Floats, right: Floats, tolerance: float) -> Floats:
    """Solve A b = right (n, n_columns) for a positive matrix with this diagonal (n,), column by column.

    From 0, so that directions in which A is 0 stay 0. DataError if the residuals do not fall below the
    tolerance, relative to those at the start.
    """
    scale = np.where(diagonal > 0, diagonal, 1.0)[:, None]
    solution, residual = np.zeros_like(right), right.copy()
    preconditioned = residual / scale
    direction, size = preconditioned.copy(), np.einsum("nc,nc->c", residual, preconditioned)
    goal = tolerance**2 * size
    for _ in range(right.shape[0] + _MORE_STEPS):
        if (size <= goal).all():
            return solution
        moved = product(direction)
        curvature = np.einsum("nc,nc->c", direction, moved)
        step = np.divide(size, curvature, out=np.zeros_like(size), where=(size > goal) & (curvature > 0))
        solution += step * direction
        residual -= step * moved
        preconditioned = residual / scale
        before, size = size, np.einsum("nc,nc->c", residual, preconditioned)
        direction = (
            preconditioned + np.divide(size, before, out=np.zeros_like(size), where=before > 0) * direction
        )
    raise DataError(
        f"The surrogate of LimeExplainer with {right.shape[0]} features cannot be fitted: they are too "
        "nearly dependent in its samples. Raise n_samples, or use fewer features (feature_groups, or coarser "
        "segments of the masker)."
    )
