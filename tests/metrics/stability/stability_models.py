"""Models and explainers whose stability is known, for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix.core.base import Attribution, AttributionExplainer


class QuadraticGradient(AttributionExplainer):
    """The gradient A x of x' A x / 2, and nothing of the model but its predictions."""

    _quantity = "sensitivity"

    def __init__(
        self, model, *, matrix=None, outputs=None, n_jobs=None, random_state=None, verbose=1
    ):  # fmt: skip
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.matrix = matrix

    _parameter_constraints = AttributionExplainer._parameter_constraints | {"matrix": "no_validation"}

    def _attribute(self, rows, selection):
        predictions = self._predict(rows)
        return Attribution(
            values=(np.asarray(rows) @ self.matrix)[..., None],
            predictions=predictions,
            n_model_rows=len(rows),
        )

    def _count_model_rows(self, rows):
        return len(rows)


class Noise(AttributionExplainer):
    """Values that depend on the seed alone, and on the row's first number."""

    _quantity = "contribution"

    def _attribute(self, rows, selection):
        predictions = self._predict(rows)
        shape = (*np.shape(rows), selection.n_selected)
        values = np.random.default_rng(self._seed).normal(size=shape[1:]) + np.asarray(rows)[:, :1, None]
        return Attribution(
            values=np.broadcast_to(values, shape).copy(), predictions=predictions, n_model_rows=len(rows)
        )

    def _count_model_rows(self, rows):
        return len(rows)


def quadratic(d, n, seed=0):
    """Matrix (d, d), rows (n, d) in the unit cube that reach its corners, and a fitted explainer."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(d, d))
    matrix = matrix + matrix.T
    X = rng.uniform(size=(n, d))
    X[0], X[1] = 0.0, 1.0
    explainer = QuadraticGradient(lambda X: ((X @ matrix) * X).sum(axis=1) / 2, matrix=matrix, random_state=0)
    return matrix, X, explainer.fit(X)


def mixed_table(n=80, seed=0):
    """Numbers with holes, whole numbers and labels with holes."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "age": rng.integers(18, 60, n),
            "town": rng.choice(["north", "south", "west"], n),
        }
    )


def of_mixed_table(frame):
    """Probabilities of two classes."""
    size = frame["size"].fillna(0.0).to_numpy()
    score = size + (frame["age"].to_numpy() - 40) / 10 * (frame["town"] == "north").to_numpy()
    p = 1 / (1 + np.exp(-score))
    return np.column_stack([1 - p, p])
