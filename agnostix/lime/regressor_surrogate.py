"""A linear regressor of the user's as the surrogate near a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.linalg import hadamard
from sklearn.base import clone

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.influences import LinearInfluences, Spread, components_of_parts, sample_groups
from agnostix.lime.local_fits import LocalFits, OpenFit
from agnostix.lime.selection import Selection
from agnostix.lime.weighted_regression import WeightedRegression

N_GROUPS = 16
"""Groups of samples, of which eight and eight are fitted: a power of two."""
N_FITS = 2 * (N_GROUPS - 1)
"""Fits to half of the samples, beside the one to all."""


class _Line(NamedTuple):
    """Coefficients (n_features,) and intercept."""

    coefficients: Floats
    intercept: float

    def at(self, design: Floats) -> Floats:
        """Predictions (...) at designs (..., n_features)."""
        return self.intercept + design @ self.coefficients


@dataclass(frozen=True)
class RegressorSurrogate:
    """A linear regressor of the user's, fitted to each output, and to balanced halves of the samples.

    The standard error is that of balanced half-samples (McCarthy, 1969): half the difference of two
    complementary halves varies as the fit to all does, also where a coefficient leaves 0, which fits without
    a few samples do not see. The halves tell the fidelity on the samples that they leave out.
    """

    regressor: Any
    selection: Selection

    has_contributions: ClassVar[bool] = False

    def fit(self, fit: OpenFit) -> LocalFits:
        one, selected = fit.regression, fit.selected
        for output in range(selected.shape[1]):
            features = np.flatnonzero(selected[:, output])
            line = self._refit(one, features, output)
            outputs, design = np.array([output]), one.design[features].T
            at_row = line.at(one.row_design[features])
            fit.put(features, outputs, line.coefficients[:, None], np.array([at_row]))
            fit.residuals[:, output] = fit.left_out[:, output] = one.targets[:, output] - line.at(design)
            if one.n_blocks:
                self._put_errors(fit, features, output)
        return fit.close()

    def _put_errors(self, fit: OpenFit, features: Codes, output: int) -> None:
        """Errors and left-out residuals of one output, from balanced half-samples."""
        one = fit.regression
        groups = sample_groups(one, N_GROUPS, exactly=True)
        group = np.repeat(np.arange(N_GROUPS), np.diff([*groups, one.n_samples]))
        signs = hadamard(N_GROUPS)[:, 1:].T > 0  # (n_pairs, N_GROUPS)
        halves = [[self._refit(one, features, output, kept[group]) for kept in (s, ~s)] for s in signs]
        places = np.stack([one.row_design, np.broadcast_to(-np.asarray(one.origin), one.row_design.shape)])
        numbers = np.array(
            [[np.concatenate([h.coefficients, h.at(places[:, features])]) for h in pair] for pair in halves]
        )
        parts = (numbers[:, 0] - numbers[:, 1]) / (2.0 * np.sqrt(len(signs)))
        errors = np.sqrt(np.square(parts).sum(axis=0))
        dof, outputs = np.full(errors.shape, float(len(signs))), np.array([output])
        components = components_of_parts(parts, errors, centered=True)
        fit.put_spread(features, outputs, Spread(errors[:, None], dof[:, None], components[:, None]))
        fit.left_out[:, output] = one.targets[:, output] - _left_out(
            one.design[features].T, halves, signs, group
        )
        self._put_unused(fit, features, output, numbers)

    def _put_unused(self, fit: OpenFit, features: Codes, output: int, numbers: Floats) -> None:
        """The rule of three for coefficients of 0 in every fit: least squares' error over their number."""
        one = fit.regression
        unused = ~numbers[:, :, : features.size].any(axis=(0, 1)) & (one.gram_diagonal[features] > 0)
        unused &= one.total_squares[output] > 0
        if unused.any():
            spread = LinearInfluences(one, features, 0.0).spread(fit.residuals[:, [output]])
            fit.errors[features[unused], output] = spread.errors[:-2, 0][unused] / (N_FITS + 1)
            fit.is_unused[features[unused], output] = True

    def _refit(
        self, regression: WeightedRegression, features: Codes, output: int, kept: Bools | None = None
    ) -> _Line:
        """The fit to all samples or some."""
        samples = slice(None) if kept is None else kept
        targets, weights = regression.targets[samples, output], regression.weights[samples]
        if not features.size:
            return _Line(np.zeros(0), float(np.average(targets, weights=weights)))
        design = regression.design[features].T[samples]
        fitted = clone(self.regressor).fit(design, targets, sample_weight=weights)
        if not hasattr(fitted, "coef_"):
            raise DataError(
                "The 'surrogate' of LimeExplainer must have coef_ once it is fitted, and "
                f"{type(fitted).__name__} has none. Pass 'ridge', 'klasso', 'tree' or a linear regressor."
            )
        return _Line(np.ravel(fitted.coef_), float(np.ravel(getattr(fitted, "intercept_", 0.0))[0]))


def _left_out(design: Floats, halves: list[list[_Line]], signs: Bools, group: Codes) -> Floats:
    """Mean prediction (n_samples,) of each sample by the halves that it is not in."""
    total = np.zeros(design.shape[0])
    for (first, second), inside in zip(halves, signs, strict=True):
        is_first = inside[group]
        total[is_first] += second.at(design[is_first])
        total[~is_first] += first.at(design[~is_first])
    return total / len(signs)
