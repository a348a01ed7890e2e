"""The surrogates fitted near a row: linear, a few small trees, any linear regressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from agnostix.core.row_sources import working_memory
from agnostix.core.typing import Bools
from agnostix.exceptions import DataError
from agnostix.lime.local_fits import LocalFits, OpenFit
from agnostix.lime.regressor_surrogate import RegressorSurrogate
from agnostix.lime.selection import SELECTIONS, Selection, group_outputs, lasso_path, select_features
from agnostix.lime.tree_surrogate import TreeSurrogate
from agnostix.lime.weighted_regression import WeightedRegression
from agnostix.lime.wide_influences import influences_of
from agnostix.lime.wide_regression import MOST_DENSE, WideRegression

RIDGE = 1.0
"""Penalty of the default surrogate, as LIME's."""
MAX_LEAF_NODES = 8
"""Leaves of a tree as surrogate."""
_COPIES = 3
"""Times that a regressor or tree holds a design as numbers."""


class Surrogate(Protocol):
    """A kind of surrogate."""

    has_contributions: ClassVar[bool]
    """Whether coefficients are contributions to the row's prediction already, not slopes of the design."""

    @property
    def selection(self) -> Selection:
        """How features are selected."""

    def fit(self, fit: OpenFit) -> LocalFits:
        """The fit of all outputs to selected features, once it is closed."""


@dataclass(frozen=True)
class LinearSurrogate:
    """Weighted least squares with a ridge penalty on the coefficients, not on the intercept."""

    ridge: float
    selection: Selection

    has_contributions: ClassVar[bool] = False

    def fit(self, fit: OpenFit) -> LocalFits:
        one, groups = fit.regression, group_outputs(fit.selected)
        for features, outputs in groups:
            slopes = one.solve(features, self.ridge, one.cross[features[:, None], outputs])
            distance = (one.row_design - one.design_mean)[features]
            fit.put(features, outputs, slopes, one.target_mean[outputs] + distance @ slopes)
        fit.residuals[:] = fit.left_out[:] = one.residuals(fit.coefficients)
        for features, outputs in groups if one.n_blocks else []:
            influences = influences_of(one, features, self.ridge)
            residuals = fit.residuals[:, outputs]
            fit.put_spread(features, outputs, influences.spread(residuals))
            fit.left_out[:, outputs] = influences.leave_out(residuals)
        return fit.close()


def fit_surrogate(
    surrogate: Surrogate, regression: WeightedRegression, max_features: int | None, with_margin: bool
) -> LocalFits:
    """Select features of a regression near one row, and fit a surrogate to them."""
    selected, margin, one = select_features(surrogate.selection, regression, max_features, with_margin)
    if not isinstance(one, WideRegression):
        return surrogate.fit(OpenFit(one, selected, margin, regression))
    used: Bools = np.asarray(selected.any(axis=1))
    if not used.any():
        used[0] = True  # a regression has a feature, of coefficient 0
    if not isinstance(surrogate, LinearSurrogate) and used.sum() > MOST_DENSE:
        _check_memory(surrogate, *one.design.features(np.flatnonzero(used)).shape)
        some = one.to_numbers(np.flatnonzero(used))
    else:
        some = one if used.all() else one.restrict(np.flatnonzero(used))
    return surrogate.fit(OpenFit(some, selected[used], margin, regression)).insert_features(used)


def fit_each_output(
    surrogate: Surrogate, regression: WideRegression, max_features: int | None, with_margin: bool
) -> LocalFits:
    """As `fit_surrogate`, each output by itself: to the bit the same whatever others are explained."""
    fits = []
    for output in range(regression.targets.shape[1]):
        alone, d = regression.single_output(output), regression.design_mean.size
        one = alone.restrict(np.arange(d)) if d <= MOST_DENSE else alone
        fits.append(fit_surrogate(surrogate, one, max_features, with_margin))
    return LocalFits.join_outputs(fits)


def _check_memory(surrogate: Surrogate, n_features: int, n_samples: int) -> None:
    """DataError if a surrogate needs a design as numbers, and these exceed the working memory."""
    size = _COPIES * 8 * n_features * n_samples
    if size > working_memory():
        name = "tree"
        if isinstance(surrogate, RegressorSurrogate):
            name = type(surrogate.regressor).__name__
        raise DataError(
            f"The 'surrogate' of LimeExplainer, {name}, needs {n_samples} samples of {n_features} features "
            f"as numbers, {size / 2**20:.0f} MB, and the working memory {working_memory() / 2**20:.0f} MB. "
            "Set max_features, or use surrogate='ridge', or raise sklearn's working_memory."
        )


def resolve_surrogate(surrogate: Any, feature_selection: str) -> Surrogate:
    """The surrogate that LimeExplainer's parameters name, or that wraps a regressor."""
    selection = SELECTIONS[feature_selection]
    if not isinstance(surrogate, str):
        return RegressorSurrogate(surrogate, selection)
    if surrogate == "tree":
        return TreeSurrogate(MAX_LEAF_NODES, selection)
    return LinearSurrogate(0.0, lasso_path) if surrogate == "klasso" else LinearSurrogate(RIDGE, selection)
