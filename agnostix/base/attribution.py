"""What explainers that give each feature a value share: they are transformers too."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from agnostix.base.explainer import BaseExplainer
from agnostix.base.outputs import select_outputs
from agnostix.explanation import Explanation
from agnostix.typing import Floats


class AttributionExplainer(TransformerMixin, BaseExplainer):
    """Base of the explainers whose `explain` returns an `Explanation`.

    `transform` gives the attributions as a matrix, so that explanations enter
    Pipelines; of a binary model the second class alone, since the first
    mirrors it.
    """

    outputs: Any

    def explain(self, X: Any, *, outputs: Any = None) -> Explanation:
        """Explain rows; each explainer says how."""
        raise NotImplementedError

    def transform(self, X: Any) -> Floats:
        """Give the attributions as a matrix.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows to be explained.

        Returns
        -------
        ndarray of shape (n_rows, n_features * n_outputs)
            In model output units; all features of the first output come first.
        """
        check_is_fitted(self)
        values = self.explain(X).values[:, :, self._kept_outputs()[0]]
        return values.transpose(0, 2, 1).reshape(values.shape[0], -1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True  # what the model makes of them is its own affair
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns of `transform`.

        Parameters
        ----------
        input_features : None
            Not used; there for scikit-learn.

        Returns
        -------
        ndarray of str
            The features; with several outputs "output: feature".
        """
        check_is_fitted(self)
        outputs = self._kept_outputs()[1]
        if len(outputs) == 1:
            return np.array(self.players_.names, dtype=object)
        return np.array(
            [f"{output}: {name}" for output in outputs for name in self.players_.names], dtype=object
        )

    def _kept_outputs(self) -> tuple[list[int], list[str]]:
        """Places among the explained outputs, and names: all, but of two classes the second."""
        names = self.output_names_
        selected = list(select_outputs(self.outputs, names, np.zeros((1, len(names))))[1])
        if self.is_binary_ and len(selected) == 2:
            return [selected.index(names[1])], [names[1]]
        return list(range(len(selected))), selected
