"""The surrogate tree as a scikit-learn classifier or regressor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.metrics import accuracy_score, r2_score
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from agnostix.core.frames import missing_as_nan
from agnostix.core.typing import Floats
from agnostix.surrogate_tree.fitted_tree import FittedTree
from agnostix.surrogate_tree.rule_tree import RuleTree


def _has_probabilities(estimator: TreeEstimator) -> bool:
    """Whether the model is a classifier that predicts probabilities, as far as is known."""
    return estimator._task() == "classification" and getattr(estimator, "_are_probabilities", True)


class TreeEstimator:
    """Prediction methods of `MimicTree`; none evaluates the model."""

    rule_tree_: RuleTree
    estimator_: DecisionTreeRegressor
    classes_: Any
    _fitted: FittedTree

    _task: Callable[[], str]
    _read: Callable[[Any], Any]

    def predict(self, X: Any) -> np.ndarray:
        """Predict labels or numbers as the tree does.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        ndarray of shape (n_rows,), or (n_rows, n_outputs) for several numbers
        """
        outputs = self._outputs(X)
        if self._task() == "classification":
            return self.classes_[outputs.argmax(axis=1)]
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> Floats:
        """Predict probabilities as the tree does.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        return self._outputs(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compare the tree with the truth: accuracy of a classifier, R2 of a regressor.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.
        y : array-like of shape (n_rows,)
            True labels or numbers.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        float
        """
        metric = accuracy_score if self._task() == "classification" else r2_score
        return float(metric(missing_as_nan(y), self.predict(X), sample_weight=sample_weight))

    def apply(self, X: Any) -> np.ndarray:
        """Find the leaf of each row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        ndarray of int of shape (n_rows,)
            Nodes of ``tree_`` and ``rule_tree_``, the index of ``leaves_``.
        """
        table = self._read(X)
        return self.rule_tree_.apply(table)

    def decision_path(self, X: Any) -> csr_matrix:
        """Find the nodes on the path of each row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        csr_matrix of shape (n_rows, n_nodes)
            1 where a row passes a node.
        """
        table = self._read(X)
        leaf, tree = self.rule_tree_.apply(table), self.rule_tree_
        is_above = np.zeros((tree.n_nodes, tree.n_nodes), dtype=np.int64)
        for node in tree.leaves:
            is_above[node, tree.path(int(node))] = 1
        return csr_matrix(csr_matrix(is_above)[leaf])

    @property
    def tree_(self) -> Any:
        """The tree in scikit-learn's arrays, as in ``estimator_``."""
        check_is_fitted(self)
        return self.estimator_.tree_

    @property
    def feature_importances_(self) -> Floats:
        """Fraction of the loss that splits on each feature reduce, as in scikit-learn's trees."""
        check_is_fitted(self)
        return self._fitted.grown.estimator.feature_importances_

    @property
    def importances_(self) -> pd.DataFrame:
        """``feature_importances_`` by feature, the largest first, with standard errors and 95 % intervals."""
        check_is_fitted(self)
        names = [feature.name for feature in self.rule_tree_.features]
        return self._fitted.importances.frame(names)

    def _outputs(self, X: Any) -> Floats:
        """The tree's outputs, shape (n_rows, n_outputs)."""
        leaf = self.apply(X)
        return self.rule_tree_.values[leaf]
