"""The surrogates fitted near a row (linear, a small tree, any linear regressor), and their fits as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from sklearn.base import clone
from sklearn.tree import DecisionTreeRegressor

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.selection import SELECTIONS, Selection, group_outputs, lasso_path, select_features
from agnostix.lime.weighted_regression import WeightedRegression

RIDGE = 1.0
"""Penalty of the default surrogate, as LIME's."""
MAX_LEAF_NODES = 8
"""Leaves of a tree as surrogate."""


class LocalFits(NamedTuple):
    """Surrogates near rows, in model output units; a single fit lacks the first axis.

    Attributes
    ----------
    coefficients, std_errors : (n_rows, n_features, n_outputs)
        Errors are conditional on the selected features.
    row_design : (n_rows, n_features)
        Design of the explained rows: coefficient times design is the contribution.
    predictions : (n_rows, n_outputs)
        The model's own predictions for the rows.
    surrogate_outputs, surrogate_std_errors : (n_rows, n_outputs)
        The surrogate's predictions for the rows.
    r2, r2_std_errors : (n_rows, n_outputs)
        Weighted, on the samples.
    selected : bool (n_rows, n_features, n_outputs)
    margin : (n_rows, n_outputs)
        Smallest lead of a selected feature over the best one left out, in standard errors; infinite if none
        is left out.
    effective_samples, n_samples : (n_rows,)
    """

    coefficients: Floats
    std_errors: Floats
    row_design: Floats
    predictions: Floats
    surrogate_outputs: Floats
    surrogate_std_errors: Floats
    r2: Floats
    r2_std_errors: Floats
    selected: Bools
    margin: Floats
    effective_samples: Any
    n_samples: Any

    @classmethod
    def stack(cls, fits: Iterable[LocalFits]) -> LocalFits:
        """Many rows from single fits."""
        return cls._make(np.stack(arrays) for arrays in zip(*fits, strict=True))

    def take(self, rows: Codes) -> LocalFits:
        """Some rows, in this order."""
        return LocalFits._make(array[rows] for array in self)

    def put(self, rows: Codes, other: LocalFits) -> None:
        """Replace some rows in place."""
        for array, new in zip(self, other, strict=True):
            array[rows] = new

    def insert_features(self, is_fitted: Bools) -> LocalFits:
        """A single fit with features of coefficient 0 where `is_fitted` (n_all_features,) is False."""
        if is_fitted.all():
            return self

        def scatter(array: Any, fill: Any) -> Any:
            whole = np.full((is_fitted.size, *array.shape[1:]), fill, dtype=array.dtype)
            whole[is_fitted] = array
            return whole

        return self._replace(
            coefficients=scatter(self.coefficients, 0.0),
            std_errors=scatter(self.std_errors, 0.0),
            selected=scatter(self.selected, False),
            row_design=scatter(self.row_design, 1.0),
        )

    def rescale(self, units: Floats, row_design: Floats) -> LocalFits:
        """A single fit on a design multiplied by `units` (n_features,), where the row's is `row_design`."""
        return self._replace(
            coefficients=self.coefficients / units[:, None],
            std_errors=self.std_errors / units[:, None],
            row_design=row_design,
        )


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
        selected, margin = select_features(self.selection, regression, max_features, with_margin)
        groups = group_outputs(selected)
        coefficients, errors = np.zeros(selected.shape), np.zeros(selected.shape)
        row_errors = np.zeros(selected.shape[1])
        for features, outputs in groups:
            cells = features[:, None], outputs
            coefficients[cells] = regression.solve(features, self.ridge, regression.cross[cells])
        residuals = regression.residuals(coefficients)
        for features, outputs in groups if regression.n_blocks else []:
            weighted = regression.weights[:, None] * residuals[:, outputs]
            influences = regression.coefficient_influences(features, self.ridge, weighted)
            row_influences = regression.prediction_influences(features, weighted, influences)
            n_fitted = features.size + 1
            errors[features[:, None], outputs] = regression.standard_error(influences, n_fitted)
            row_errors[outputs] = regression.standard_error(row_influences, n_fitted)
        at_row = regression.target_mean + (regression.row_design - regression.design_mean) @ coefficients
        return _local_fit(
            regression, (selected, margin), (coefficients, errors), (at_row, row_errors), residuals
        )


@dataclass(frozen=True)
class RegressorSurrogate:
    """A linear regressor of the user's, fitted to each output, and without each block for the jackknife."""

    regressor: Any
    selection: Selection

    has_contributions: ClassVar[bool] = False

    def fit(self, regression: WeightedRegression, max_features: int | None, with_margin: bool) -> LocalFits:
        selected, margin = select_features(self.selection, regression, max_features, with_margin)
        coefficients, errors = np.zeros(selected.shape), np.zeros(selected.shape)
        intercept, row_errors = np.empty(selected.shape[1]), np.empty(selected.shape[1])
        for output in range(selected.shape[1]):
            features = np.flatnonzero(selected[:, output])
            coefficients[features, output], intercept[output] = self._refit(regression, features, output)
            errors[features, output], row_errors[output] = self._jackknife(regression, features, output)
        at_row = intercept + regression.row_design @ coefficients
        residuals = regression.residuals(coefficients, intercept)
        return _local_fit(
            regression, (selected, margin), (coefficients, errors), (at_row, row_errors), residuals
        )

    def _jackknife(
        self, regression: WeightedRegression, features: Codes, output: int
    ) -> tuple[Floats, float]:
        """Standard errors (n_features,) of the coefficients, and of the prediction for the row."""
        if not regression.n_blocks:
            return np.zeros(features.size), 0.0
        replicate = regression.replicate_of
        n_blocks = int(replicate[-1]) + 1
        fits = [self._refit(regression, features, output, replicate != one) for one in range(n_blocks)]
        coefficients = np.array([one for one, _ in fits])
        at_row = np.array([one for _, one in fits]) + coefficients @ regression.row_design[features]
        scale = np.sqrt(n_blocks - 1)
        return scale * np.std(coefficients, axis=0), float(scale * np.std(at_row))

    def _refit(
        self, regression: WeightedRegression, features: Codes, output: int, kept: Bools | None = None
    ) -> tuple[Floats, float]:
        """Coefficients (n_features,) and intercept from all samples or some."""
        samples = slice(None) if kept is None else kept
        targets, weights = regression.targets[samples, output], regression.weights[samples]
        if not features.size:
            return np.zeros(0), float(np.average(targets, weights=weights))
        design = regression.design[features].T[samples]
        fitted = clone(self.regressor).fit(design, targets, sample_weight=weights)
        if not hasattr(fitted, "coef_"):
            raise DataError(
                "The 'surrogate' of LimeExplainer must have coef_ once it is fitted, and "
                f"{type(fitted).__name__} has none. Pass 'ridge', 'klasso', 'tree' or a linear regressor."
            )
        return np.ravel(fitted.coef_), float(np.ravel(getattr(fitted, "intercept_", 0.0))[0])


@dataclass(frozen=True)
class TreeSurrogate:
    """A regression tree of at most `max_leaf_nodes` leaves, shared by outputs that use the same features.

    A feature's contribution is the sum of the changes of the node mean at splits on it along the row's path
    (Saabas). Standard errors are those of the node means, conditional on the splits.
    """

    max_leaf_nodes: int
    selection: Selection

    has_contributions: ClassVar[bool] = True

    def fit(self, regression: WeightedRegression, max_features: int | None, with_margin: bool) -> LocalFits:
        selected, margin = select_features(self.selection, regression, max_features, with_margin)
        contributions, errors = np.zeros(selected.shape), np.zeros(selected.shape)
        at_row, row_errors = np.zeros(selected.shape[1]), np.zeros(selected.shape[1])
        residuals = np.empty(regression.targets.shape)
        for features, outputs in group_outputs(selected):
            path, residuals[:, outputs] = self._grow(regression, features, outputs)
            means, influences = _node_means(regression, path.inside, outputs)
            cells = features[:, None], outputs
            contributions[cells], at_row[outputs] = path.contributions(means[None])[0], means[-1]
            if regression.n_blocks:
                n_fitted = path.splits.size + 1
                parts = path.contributions(influences)
                errors[cells] = regression.standard_error(parts, n_fitted)
                row_errors[outputs] = regression.standard_error(influences[:, -1], n_fitted)
        fit = _local_fit(
            regression, (selected, margin), (contributions, errors), (at_row, row_errors), residuals
        )
        return fit._replace(row_design=np.ones(regression.row_design.size))

    def _grow(self, regression: WeightedRegression, features: Codes, outputs: Codes) -> tuple[_Path, Floats]:
        """The row's path in one tree for some outputs, and that tree's residuals (n_samples, n_outputs)."""
        targets = regression.targets[:, outputs]
        if not features.size:
            root = np.ones((regression.n_samples, 1), dtype=bool)
            return _Path(root, np.empty(0, dtype=np.intp), 0), targets - regression.target_mean[outputs]
        # Outputs in their own standard deviations, so that none decides the splits by its unit.
        deviations = np.sqrt(regression.total_squares[outputs] / regression.total_weight)
        scale = np.where(deviations > 0, deviations, 1.0)
        design = regression.design[features].T
        tree = DecisionTreeRegressor(max_leaf_nodes=self.max_leaf_nodes, random_state=0)
        tree.fit(design, targets / scale, sample_weight=regression.weights)
        nodes = np.flatnonzero(tree.decision_path(regression.row_design[None, features]).toarray()[0])
        inside = tree.decision_path(design).toarray()[:, nodes].astype(bool)
        predicted = tree.predict(design).reshape(targets.shape)
        return _Path(inside, tree.tree_.feature[nodes[:-1]], features.size), targets - predicted * scale


def resolve_surrogate(surrogate: Any, feature_selection: str) -> Surrogate:
    """The surrogate that LimeExplainer's parameters name, or that wraps a regressor."""
    selection = SELECTIONS[feature_selection]
    if not isinstance(surrogate, str):
        return RegressorSurrogate(surrogate, selection)
    if surrogate == "tree":
        return TreeSurrogate(MAX_LEAF_NODES, selection)
    return LinearSurrogate(0.0, lasso_path) if surrogate == "klasso" else LinearSurrogate(RIDGE, selection)


@dataclass(frozen=True)
class _Path:
    """Nodes from the root to the row's leaf.

    Attributes
    ----------
    inside : bool (n_samples, n_nodes)
        Samples in each node.
    splits : int (n_nodes - 1,)
        Feature that each node but the leaf splits on.
    n_features : int
    """

    inside: Bools
    splits: Codes
    n_features: int

    def contributions(self, means: Floats) -> Floats:
        """Changes of means (n, n_nodes, n_outputs) along the path by feature, (n, n_features, n_outputs)."""
        changes = np.zeros((means.shape[0], self.n_features, means.shape[2]))
        for k, feature in enumerate(self.splits):
            changes[:, feature] += means[:, k + 1] - means[:, k]
        return changes


def _node_means(regression: WeightedRegression, inside: Bools, outputs: Codes) -> tuple[Floats, Floats]:
    """Weighted means (n_nodes, n_outputs) in nodes, and how much each block moves them (n, ...)."""
    targets, weighted = regression.targets[:, outputs], regression.weights[:, None] * inside
    total = weighted.sum(axis=0)
    means = weighted.T @ targets / total[:, None]
    scores = (weighted / total)[:, :, None] * (targets[:, None, :] - means)
    if not regression.n_blocks:
        return means, scores.sum(axis=0, keepdims=True)
    sums = regression.block_sums(scores.reshape(regression.n_samples, -1))
    return means, sums.reshape(-1, *means.shape)


def _local_fit(
    regression: WeightedRegression,
    selection: tuple[Bools, Floats],
    coefficients: tuple[Floats, Floats],
    at_row: tuple[Floats, Floats],
    residuals: Floats,
) -> LocalFits:
    """A fit from (selected, margin), and coefficients and targets at the row with their standard errors."""
    r2, r2_errors = regression.r2_score(residuals)
    return LocalFits(
        coefficients=coefficients[0],
        std_errors=coefficients[1],
        row_design=regression.row_design,
        predictions=regression.row_predictions,
        surrogate_outputs=regression.row_predictions + at_row[0],
        surrogate_std_errors=at_row[1],
        r2=r2,
        r2_std_errors=r2_errors,
        selected=selection[0],
        margin=selection[1],
        effective_samples=regression.effective_samples,
        n_samples=regression.n_samples,
    )
