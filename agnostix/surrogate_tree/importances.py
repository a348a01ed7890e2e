"""Importances of a surrogate tree's features, with standard errors.

A feature's importance is its fraction of the loss that the splits reduce (Breiman, Friedman, Olshen and
Stone, 1984). With m_t the mean at node t and c the child that row i goes to, split t reduces the loss by the
weighted sum of

    |f_i - m_t|**2 - |f_i - m_c|**2 = |m_c - m_t|**2 + 2 (m_c - m_t)(f_i - m_c),

and since means make losses least, their own errors have no influence to first order. As for contributions,
the rows' residuals are those of cross-fitted trees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from agnostix.core.intervals import interval_ends
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Floats
from agnostix.surrogate_tree.contributions import ClusterSums, steps_by_feature
from agnostix.surrogate_tree.measures import LEVEL


@dataclass(frozen=True)
class Importances:
    """Importances of all features, each (n_features,); exactly 0, without error, where nothing is split."""

    values: Floats
    std_errors: Floats
    degrees_of_freedom: Floats

    @classmethod
    @one_blas_thread
    def from_sums(cls, sums: ClusterSums) -> Importances:
        """From sums over the rows that the tree was grown on."""
        means, residuals = _reductions(sums)
        by_feature = means.sum(axis=1)
        total = by_feature.sum()
        if not total > 0:
            return cls(np.zeros(len(means)), np.zeros(len(means)), np.full(len(means), np.inf))
        shares, reductions = by_feature / total, means + residuals
        errors, dof = sums.standard_error((reductions - shares[:, None] * reductions.sum(axis=0)) / total)
        return cls(shares, errors, dof)

    def frame(self, names: list[str]) -> pd.DataFrame:
        """One row for each feature, the largest first, with 95 % intervals, cut at 0 and 1."""
        low, high = interval_ends(self.values, self.std_errors, LEVEL, self.degrees_of_freedom)
        low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
        columns = {"importance": self.values, "std_error": self.std_errors, "low": low, "high": high}
        frame = pd.DataFrame(columns, index=pd.Index(names, name="feature"))
        return frame.sort_values("importance", ascending=False, kind="stable")


def _reductions(sums: ClusterSums) -> tuple[Floats, Floats]:
    """How far splits on each feature reduce the loss of each cluster's rows, (n_features, n_clusters).

    In two parts: by the nodes' means, as if every target were its leaf's mean, and what residuals add.
    """
    tree = sums.tree
    means, residuals = np.zeros((2, len(tree.features), sums.weights.shape[0]))
    for k, leaf in enumerate(tree.leaves):
        for feature, steps in steps_by_feature(tree, int(leaf)).items():
            for parent, child in steps:
                change = tree.values[child] - tree.values[parent]
                level = change @ change + 2.0 * change @ (tree.values[leaf] - tree.values[child])
                means[feature] += level * sums.weights[:, k]
                residuals[feature] += 2.0 * change @ sums.residuals[:, :, k]
    return means, residuals
