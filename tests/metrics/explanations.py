"""Explanations written by hand, and small models, for tests of metrics."""

from __future__ import annotations

import numpy as np

from agnostix import Explanation


def of_maps(values, predictions=None, names=("prediction",), quantity="relevance", **fields):
    """An explanation of pictures from values (n_rows, height, width, n_outputs)."""
    return Explanation(
        values=values,
        dims=("row", "y", "x", "output"),
        outputs=predictions,
        output_names=names,
        quantity=quantity,
        method="by hand",
        **fields,
    )


def of_table(values, X, predictions=None, names=("prediction",), quantity="contribution", **fields):
    """An explanation of a table from values (n_rows, n_features, n_outputs)."""
    features = tuple(map(str, getattr(X, "columns", [f"x{j}" for j in range(np.shape(X)[1])])))
    return Explanation(
        values=values,
        outputs=predictions,
        data=X,
        feature_names=features,
        output_names=names,
        quantity=quantity,
        method="by hand",
        **fields,
    )


def softmax_model(weights):
    """A linear softmax of pictures, weights (height, width, n_channels, n_classes)."""

    def predict(X):
        scores = np.tensordot(X, weights, axes=3)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    return predict


class Counted:
    """A model that counts the rows that it predicts."""

    def __init__(self, function):
        self.function, self.n_rows = function, 0

    def __call__(self, X):
        self.n_rows += len(X)
        return self.function(X)
