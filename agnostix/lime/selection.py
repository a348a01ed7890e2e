"""Which features a surrogate uses if `max_features` limits them, and how sure that selection is.

A selection takes a regression of one output, the number of features, and whether its margin is wanted. It
returns the features in ascending order and the margin: the smallest lead of a selected feature over the best
one left out, in standard errors (infinite if not wanted or if nothing was sampled). As in S-LIME (Zhou,
Hooker and Wang, 2021), the lead is tested at each step; its variance is from the spread between blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.linear_model import lars_path_gram

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.weighted_regression import WeightedRegression

Selection = Callable[[WeightedRegression, int, bool], tuple[Codes, float]]

_COLLINEAR = 1e-10
"""Fraction of a feature's variance, given those selected before, below which it is a copy of them."""
_MAX_FORWARD = 6
"""Most features for which "auto" selects forward, as LIME does."""
_RIDGE = 0.01
"""Ridge of the fit that "highest_weights" ranks by, as LIME's."""


def forward_selection(
    regression: WeightedRegression, n_features: int, with_margin: bool
) -> tuple[Codes, float]:
    """One after the other, the feature that raises R2 most."""
    cross, left = regression.cross[:, 0].copy(), regression.gram_diagonal.copy()
    least = _COLLINEAR * left
    swept: list[tuple[Floats, Floats]] = []
    free = np.ones(cross.size, dtype=bool)
    selected: list[int] = []
    steps: list[tuple[Floats, Floats]] = []
    for _ in range(n_features):
        usable = free & (left > least)
        root = np.sqrt(np.where(usable, left, 1.0))
        gain = np.where(usable, np.abs(cross) / root, -1.0)
        best = int(np.where(free, gain, -np.inf).argmax())
        steps.append((gain, np.where(usable, 1.0 / root, 0.0)))
        selected.append(best)
        free[best] = False
        if usable[best]:  # sweep the feature out of the moments: no refit for any candidate
            column = regression.gram_column(best).copy()
            row = column.copy()
            for share, earlier in swept:
                row -= share[best] * earlier
                column -= share * earlier[best]
            share = column / column[best]
            swept.append((share, row))
            cross = cross - share * cross[best]
            left = left - share * row
    margin = np.inf
    for step, (gain, scale) in enumerate(steps if with_margin else []):
        rivals = _drop_selected(gain, selected, selected[step])
        coefficients = np.zeros((cross.size, 1))
        before = np.array(selected[:step], dtype=np.intp)
        if step:
            coefficients[before] = regression.solve(before, 0.0, regression.cross[before])
        margin = min(margin, _lead(regression, coefficients, rivals, scale))
    return np.sort(selected), margin


def lasso_path(regression: WeightedRegression, n_features: int, with_margin: bool) -> tuple[Codes, float]:
    """The last active set on the lasso's path that has at most `n_features`."""
    cross, path = regression.cross[:, 0], _lasso_coefficients(regression)
    knot = int(np.flatnonzero(np.count_nonzero(path, axis=0) <= n_features)[-1])
    margin, selected = np.inf, np.flatnonzero(path[:, knot])
    for step in range(knot if with_margin else 0):
        inactive = path[:, step] == 0
        entered = inactive & (path[:, step + 1] != 0)
        candidates = inactive & (regression.gram_diagonal > 0)
        if entered.any() and candidates.sum() > 1:
            correlation = np.abs(cross - regression.times_gram(path[:, step : step + 1])[:, 0])
            best = int(np.where(entered, correlation, -1.0).argmax())
            rivals = _drop_selected(np.where(candidates, correlation, -1.0), selected, best)
            lead = _lead(regression, path[:, step, None], rivals, np.ones(cross.size))
            margin = min(margin, lead)
    return selected, margin


def highest_weights(
    regression: WeightedRegression, n_features: int, with_margin: bool
) -> tuple[Codes, float]:
    """The features with the largest |coefficient times value of the row| in a ridge fit of all."""
    features = np.arange(regression.design_mean.size)
    coefficients = regression.solve(features, _RIDGE, regression.cross)
    values = regression.row_design + regression.origin
    contributions = coefficients[:, 0] * values
    order = np.argsort(-np.abs(contributions), kind="stable")
    margin = np.inf
    if with_margin and regression.n_blocks:
        weighted = regression.weights[:, None] * regression.residuals(coefficients)
        influences = regression.coefficient_influences(features, _RIDGE, weighted)[:, :, 0]
        signed = np.sign(contributions) * values
        last, following = order[n_features - 1], order[n_features]
        gap = abs(contributions[last]) - abs(contributions[following])
        differences = influences[:, last] * signed[last] - influences[:, following] * signed[following]
        margin = _standardize(gap, differences, regression)
    return np.sort(order[:n_features]), margin


def auto_selection(regression: WeightedRegression, n_features: int, with_margin: bool) -> tuple[Codes, float]:
    """`forward_selection` of up to six features, `highest_weights` beyond."""
    selection = forward_selection if n_features <= _MAX_FORWARD else highest_weights
    return selection(regression, n_features, with_margin)


SELECTIONS: dict[str, Selection] = {
    "auto": auto_selection,
    "forward_selection": forward_selection,
    "highest_weights": highest_weights,
    "lasso_path": lasso_path,
}


def select_features(
    selection: Selection, regression: WeightedRegression, max_features: int | None, with_margin: bool
) -> tuple[Bools, Floats, WeightedRegression]:
    """Selected features (n_features, n_outputs), margins (n_outputs,), and the samples that estimate.

    Half of the samples select and the other half estimates, so that what was selected for its chance
    deviation is not estimated with the same one.
    """
    d, n_outputs = regression.cross.shape
    margin = np.full(n_outputs, np.inf)
    if max_features is None or max_features >= d:
        return np.ones((d, n_outputs), dtype=bool), margin, regression
    selecting, estimating = regression.halves() if regression.n_blocks else (regression, regression)
    selected = np.zeros((d, n_outputs), dtype=bool)
    for output in range(n_outputs):
        features, margin[output] = selection(selecting.single_output(output), max_features, with_margin)
        selected[features, output] = True
    return selected, margin, estimating


def group_outputs(selected: Bools) -> list[tuple[Codes, Codes]]:
    """Pairs of (features, outputs): the outputs that use the same features are fitted together."""
    if selected.all():
        return [(np.arange(selected.shape[0]), np.arange(selected.shape[1]))]
    patterns, which = np.unique(selected, axis=1, return_inverse=True)
    return [
        (np.flatnonzero(pattern), np.flatnonzero(which.ravel() == number))
        for number, pattern in enumerate(patterns.T)
    ]


def _lasso_coefficients(regression: WeightedRegression) -> Floats:
    """Coefficients (n_features, n_knots) at the knots of the lasso's path."""
    cross, varies = regression.cross[:, 0], np.flatnonzero(regression.gram_diagonal > 0)
    unit = np.abs(cross[varies]).max(initial=0.0)
    if unit == 0:
        return np.zeros((cross.size, 1))
    # scikit-learn's tolerances are absolute: the moments are brought to the order of 1.
    gram = regression.whole_gram()[varies[:, None], varies] / regression.total_weight
    _, _, knots = lars_path_gram(cross[varies] / unit, gram, n_samples=1, method="lasso")
    path = np.zeros((cross.size, knots.shape[1]))
    path[varies] = knots * (unit / regression.total_weight)
    return path


def _drop_selected(gain: Floats, selected: Sequence[int] | Codes, best: int) -> Floats:
    """Gains without those of features selected at other steps: they are no rivals of the set."""
    rivals = gain.copy()
    rivals[np.setdiff1d(selected, best)] = -1.0
    return rivals


def _lead(regression: WeightedRegression, coefficients: Floats, gain: Floats, scale: Floats) -> float:
    """Lead of the best candidate's scaled |D W e| with the residuals over the next, in standard errors."""
    if not regression.n_blocks:
        return np.inf
    best, second = np.argsort(-gain, kind="stable")[:2]
    if gain[second] < 0:
        return np.inf
    weighted = regression.weights[:, None] * regression.residuals(coefficients)
    scores = regression.block_scores(weighted)[:, :, 0]
    # |a| - |b| varies as sign(a) a - sign(b) b: correlated candidates of opposite sign do not cancel.
    total = regression.cross[:, 0] - regression.times_gram(coefficients)[:, 0]
    signed = scores * (np.sign(total) * scale)
    return _standardize(gain[best] - gain[second], signed[:, best] - signed[:, second], regression)


def _standardize(gap: float, influences: Floats, regression: WeightedRegression) -> float:
    """A gap in units of its standard error."""
    error = float(regression.standard_error(influences, 1))
    if error > 0:
        return float(gap / error)
    return np.inf if gap > 0 else 0.0
