"""The surrogates fitted near a row: linear, a few small trees, any linear regressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from agnostix.lime.influences import LinearInfluences
from agnostix.lime.local_fits import LocalFits, OpenFit
from agnostix.lime.regressor_surrogate import RegressorSurrogate
from agnostix.lime.selection import SELECTIONS, Selection, group_outputs, lasso_path, select_features
from agnostix.lime.tree_surrogate import TreeSurrogate
from agnostix.lime.weighted_regression import WeightedRegression

RIDGE = 1.0
"""Penalty of the default surrogate, as LIME's."""
MAX_LEAF_NODES = 8
"""Leaves of a tree as surrogate."""


class Surrogate(Protocol):
    """A kind of surrogate."""

    has_contributions: ClassVar[bool]
    """Whether coefficients are contributions to the row's prediction already, not slopes of the design."""

    def fit(self, regression: WeightedRegression, max_features: int | None, with_margin: bool) -> LocalFits:
        """The fit near one row, of all outputs."""


@dataclass(frozen=True)
class LinearSurrogate:
    """Weighted least squares with a ridge penalty on the coefficients, not on the intercept."""

    ridge: float
    selection: Selection

    has_contributions: ClassVar[bool] = False

    def fit(self, regression: WeightedRegression, max_features: int | None, with_margin: bool) -> LocalFits:
        selected, margin, one = select_features(self.selection, regression, max_features, with_margin)
        fit = OpenFit(one, selected, margin, regression)
        groups = group_outputs(selected)
        for features, outputs in groups:
            slopes = one.solve(features, self.ridge, one.cross[features[:, None], outputs])
            distance = (one.row_design - one.design_mean)[features]
            fit.put(features, outputs, slopes, one.target_mean[outputs] + distance @ slopes)
        fit.residuals[:] = fit.left_out[:] = one.residuals(fit.coefficients)
        for features, outputs in groups if one.n_blocks else []:
            influences = LinearInfluences(one, features, self.ridge)
            residuals = fit.residuals[:, outputs]
            fit.put_spread(features, outputs, influences.spread(residuals))
            fit.left_out[:, outputs] = influences.leave_out(residuals)
        return fit.close()


def resolve_surrogate(surrogate: Any, feature_selection: str) -> Surrogate:
    """The surrogate that LimeExplainer's parameters name, or that wraps a regressor."""
    selection = SELECTIONS[feature_selection]
    if not isinstance(surrogate, str):
        return RegressorSurrogate(surrogate, selection)
    if surrogate == "tree":
        return TreeSurrogate(MAX_LEAF_NODES, selection)
    return LinearSurrogate(0.0, lasso_path) if surrogate == "klasso" else LinearSurrogate(RIDGE, selection)
