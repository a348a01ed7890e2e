"""The lime package as its users would call it, and plain samples under the estimator of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from _lime_cases import N_SAMPLES, Case
from lime.lime_tabular import LimeTabularExplainer

from tests.reference import lime as reference


class Lime:
    """LimeTabularExplainer on a table of floats, by its defaults.

    Parameters
    ----------
    case : Case
        The model and its table.
    seed : int
        Of the samples.
    n_features : int, default=None
        Features of an explanation; None for all.
    """

    def __init__(self, case: Case, seed: int, n_features: int | None = None) -> None:
        self._function = case.function
        self._all = case.table.shape[1]
        self._n_features = n_features or self._all
        self._explainer = LimeTabularExplainer(case.table, mode="regression", random_state=seed)

    def coefficients(self, row: np.ndarray) -> np.ndarray:
        """Of all features, 0 for those that are not selected."""
        exp = self._explainer.explain_instance(row, self._function, num_features=self._n_features)
        found = np.zeros(self._all)
        for feature, coefficient in exp.local_exp[1]:
            found[feature] = coefficient
        return found


class EncodedLime:
    """LimeTabularExplainer on a frame: labels as codes, decoded again for the model.

    Parameters
    ----------
    predict_proba : callable
        Of the frame's own model.
    table : DataFrame
        The frame.
    """

    def __init__(self, predict_proba: Callable[[pd.DataFrame], np.ndarray], table: pd.DataFrame) -> None:
        self._predict_proba = predict_proba
        self._like = table
        self._levels = {
            j: pd.Index(table[name].unique()).sort_values()
            for j, name in enumerate(table)
            if not pd.api.types.is_numeric_dtype(table[name])
        }
        self._explainer = LimeTabularExplainer(
            self.encoded(table),
            feature_names=list(table),
            categorical_features=list(self._levels),
            categorical_names={j: list(levels) for j, levels in self._levels.items()},
            random_state=0,
        )

    def encoded(self, X: pd.DataFrame) -> np.ndarray:
        """Numbers as they are, labels as codes."""
        pairs = enumerate(X)
        codes = [self._levels[j].get_indexer(X[n]) if j in self._levels else X[n] for j, n in pairs]
        return np.column_stack(codes).astype(float)

    def decoded(self, codes: np.ndarray) -> pd.DataFrame:
        """A frame as the model wants it, but that numbers are floats."""
        return pd.DataFrame(
            {
                name: self._levels[j].take(codes[:, j].astype(int)) if j in self._levels else codes[:, j]
                for j, name in enumerate(self._like)
            }
        )

    def explain(self, codes: np.ndarray, n_features: int) -> Any:
        """Explain one row."""
        return self._explainer.explain_instance(codes, self._predict, num_features=n_features)

    def _predict(self, codes: np.ndarray) -> np.ndarray:
        return self._predict_proba(self.decoded(codes))


class PlainSamples:
    """Independent samples and the same least squares, written plainly: the row itself is no sample.

    Parameters
    ----------
    case : Case
        The model and its table of floats.
    """

    def __init__(self, case: Case) -> None:
        self._function = case.function
        self.edges = [reference.quartile_edges(column) for column in case.table.T]
        pairs = zip(case.table.T, self.edges, strict=True)
        self.columns = [reference.between_edges(column, edges) for column, edges in pairs]

    def row_bins(self, row: np.ndarray) -> list[int]:
        """The row's bins."""
        return [reference.bin_of(x, edges) for x, edges in zip(row, self.edges, strict=True)]

    def coefficients(self, row: np.ndarray, seed: int) -> np.ndarray:
        """Of all features."""
        rng = np.random.default_rng(seed)
        x, z = reference.binned_samples(rng, N_SAMPLES, self.columns, row, self.row_bins(row))
        return reference.ridge(z[1:], self._function(x[1:]), reference.flip_weights(z[1:]))[0]

    def limit(self, contrasts: Any, row: np.ndarray, n_samples: int, weighted: bool) -> np.ndarray:
        """Coefficients of infinitely many samples, from differences of means, penalized as so many are."""
        r, bins = reference.flip_weight(len(self.columns)), self.row_bins(row)
        alphas = [reference.tilted(q, r)[0] for q in reference.row_masses(self.columns, bins)]
        total = n_samples * (reference.mean_weight(self.columns, bins, r) if weighted else 1.0)
        return np.array(reference.without_row(contrasts, alphas, total, 1.0))
